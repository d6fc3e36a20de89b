"""The rows of people and templates, inside the caller's transactions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from recog.errors import UnknownIdentity
from recog.gallery.chunks import Chunks
from recog.gallery.log import Log
from recog.gallery.photo_owners import PhotoOwners
from recog.gallery.store import Store
from recog.gallery.vault import Stored, Vault
from recog.records import Person, Template, clean_name

Rows = list[tuple[int, int]]  # template and identity numbers
IDENTITY = "id, handle, name, enrolled_at, pseudonym"
SPARSE = 1024  # slots from which it matters that most are empty


@dataclass(frozen=True, slots=True)
class Identity:
    """The row of a person."""

    number: int
    handle: bytes
    stored: Stored  # the name, perhaps sealed
    enrolled_at: str
    pseudonym: bytes

    def traces(self) -> list[bytes]:
        """What of this row must not stay in the file when the person is gone.

        A name alone may stand in the file by chance, or within another; but not beside what it stands beside
        in its row.
        """
        name = _bytes(self.stored)
        return [self.handle, self.handle[-4:] + name, name + self.enrolled_at[:8].encode()]


class Roster:
    """People and their templates in one gallery file."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store, self._vault, self._log = store, vault, Log(store)
        self._owners = PhotoOwners(store, vault)

    @property
    def chunks(self) -> Chunks:
        """Where the vectors are. Raises: GalleryError: the gallery does not say what they are."""
        return Chunks(self._store, self._vault)

    def find(self, name: str) -> Identity | None:
        """The person of this name."""
        for handle in self._vault.handles(clean_name(name)):
            rows = self._store.rows(f"SELECT {IDENTITY} FROM identity WHERE handle = ?", handle)
            if rows and self.name(found := Identity(*rows[0])) == clean_name(name):
                return found
        return None

    def name(self, person: Identity) -> str:
        """The person's name. Raises: GalleryError: it is damaged."""
        return self._vault.opened([person.handle]).name(person.handle, person.stored)

    def names(self) -> dict[int, str]:
        """Everybody's, by number."""
        rows = self._store.rows("SELECT id, handle, name FROM identity")
        opened = self._vault.opened(None)
        return {number: opened.name(handle, stored) for number, handle, stored in rows}

    def one(self, name: str) -> Identity:
        """The person of this name. Raises: UnknownIdentity."""
        found = self.find(name)
        if found is None:
            raise UnknownIdentity(f"Nobody called {name!r} is enrolled in {self._store}. See: recog list")
        return found

    def enroll(self, people: Mapping[str, Sequence[Template]]) -> int:
        """Add those of photos that the people do not have yet; gives how many."""
        new = [name for name in people if self.find(name) is None]
        for name, handle in zip(new, self._vault.admit(new), strict=True):
            self._make(name, handle)
        return sum(self._add(self.one(name), templates) for name, templates in people.items())

    def _add(self, person: Identity, templates: Sequence[Template]) -> int:
        known = self._photos(person)
        new = {t.photo_digest: t for t in reversed(templates) if t.photo_digest not in known}
        if new:
            added = list(reversed(new.values()))
            numbers = self._insert(person, added)
            vectors = np.stack([template.embedding for template in added])
            self.chunks.write(numbers, [person.number] * len(added), vectors)
            self._log.append(now(), "enroll", person.pseudonym, templates=len(added))
        return len(new)

    def rename(self, person: Identity, name: str) -> list[bytes]:
        """Give a person a name that is free; gives what must not stay in the file."""
        handle = self._vault.renamed(person.handle, name)
        stored = self._vault.opened([handle]).seal_name(handle, name)
        query = "UPDATE identity SET name = ?, handle = ? WHERE id = ?"
        self._store.rows(query, stored, handle, person.number)
        self._log.append(now(), "rename", person.pseudonym)
        return [trace for trace in person.traces() if trace != handle]

    def drop(self, person: Identity) -> int:
        """Delete a person; gives the number of templates that they had."""
        rows = self._store.rows("SELECT id FROM template WHERE identity_id = ?", person.number)
        numbers = [number for (number,) in rows]
        query = "INSERT INTO removed (template_id, identity_id) VALUES (?, ?)"
        self._store.many(query, [(number, person.number) for number in numbers])
        self.chunks.erase(numbers)
        if self._vault.id is not None:
            self._store.rows("INSERT OR IGNORE INTO doomed VALUES (?)", person.handle)
        self._store.rows("DELETE FROM template WHERE identity_id = ?", person.number)
        self._store.rows("DELETE FROM identity WHERE id = ?", person.number)
        self._log.append(now(), "remove", person.pseudonym, templates=len(numbers))
        return len(numbers)

    def drop_all(self, handles: Collection[bytes]) -> int:
        """Delete the people of these handles who are here; gives how many."""
        query = f"SELECT {IDENTITY} FROM identity WHERE handle IN {{}}"
        gone = [Identity(*row) for row in self._store.rows_among(query, handles)]
        for person in gone:
            self.drop(person)
        return len(gone)

    def traces(self, person: Identity) -> list[bytes]:
        """What must not stay in the file when the person is gone."""
        query = "SELECT photo_digest FROM template WHERE identity_id = ?"
        photos = [_bytes(stored) for (stored,) in self._store.rows(query, person.number)]
        query = (
            "SELECT substr(content, 65, 32) FROM crop JOIN template ON template.id = template_id "
            "WHERE identity_id = ?"  # the beginning alone may be copied; it starts with what all PNG have
        )
        crops = [part for (part,) in self._store.rows(query, person.number)]
        return person.traces() + photos + crops

    def people(self) -> list[Person]:
        """Everyone, by name."""
        query = (
            "SELECT identity.id, COUNT(template.id), identity.enrolled_at FROM identity "
            "LEFT JOIN template ON identity_id = identity.id GROUP BY identity.id"
        )
        names = self.names()
        found = [Person(names[number], *rest) for number, *rest in self._store.rows(query)]
        return sorted(found, key=lambda person: person.identity)

    def pseudonyms(self) -> dict[str, str]:
        """The names of everyone, by pseudonym."""
        names, rows = self.names(), self._store.rows("SELECT id, pseudonym FROM identity")
        return {pseudonym.hex(): names[number] for number, pseudonym in rows}

    def photos_of(self, name: str) -> set[str]:
        """The digests of the photos of the person of this name, if there is one."""
        person = self.find(name)
        return self._photos(person) if person else set()

    def names_with(self, photo_digest: str) -> set[str]:
        """Whose templates were made of this photo."""
        query = f"SELECT {IDENTITY} FROM identity WHERE id IN {{}}"
        rows = self._store.rows_among(query, self._owners.of(photo_digest))
        return {self.name(Identity(*row)) for row in rows}

    def templates(self, person: Identity) -> list[Template]:
        """A person's templates, oldest first."""
        query = (
            "SELECT id, photo_digest, quality, how, enrolled_at FROM template "
            "WHERE identity_id = ? ORDER BY id"
        )
        chunks, opened = self.chunks, self._vault.opened([person.handle])
        return [
            Template(chunks.vector(number), opened.photo(person.handle, stored), *rest)
            for number, stored, *rest in self._store.rows(query, person.number)
        ]

    def everyone(self) -> dict[str, list[Template]]:
        """All templates of all people, by name."""
        query = (
            "SELECT identity_id, handle, template.id, photo_digest, quality, how, template.enrolled_at "
            "FROM template JOIN identity ON identity.id = identity_id ORDER BY template.id"
        )
        rows, names, opened = self._store.rows(query), self.names(), self._vault.opened(None)
        found: dict[str, list[Template]] = {name: [] for name in sorted(names.values())}
        if not rows:
            return {}
        vectors = self.chunks.read(1, rows[-1][2])[1].astype(np.float32)
        for person, handle, number, stored, *rest in rows:
            template = Template(vectors[number - 1], opened.photo(handle, stored), *rest)
            found[names[person]].append(template)
        return {name: templates for name, templates in found.items() if templates}

    def photos(self) -> set[str]:
        """The digests of all photos."""
        return {digest for _, _, digest in self._owners.where("TRUE")}

    def crops(self, after: int, count: int) -> list[tuple[int, bytes]]:
        """(template number, PNG) of the next `count` templates with a kept crop."""
        condition = "template.id IN (SELECT template_id FROM crop WHERE template_id > ? ORDER BY 1 LIMIT ?)"
        return [(number, content) for number, _, content in self._crops(condition, after, count)]

    # ---------------------------------------------------------------- slots

    def is_sparse(self) -> bool:
        """Whether most slots of the chunks are empty."""
        used, filled = self._store.row(
            "SELECT MAX(seq), (SELECT COUNT(*) FROM template) FROM sqlite_sequence WHERE name = 'template'"
        )
        return not filled or (used > SPARSE and filled < used / 2)

    def renumber(self) -> None:
        """Number templates anew, so that no slot is empty."""
        self._lay_out(*self._laid_out())
        self._log.append(now(), "compact", None)

    def move(self, vault: Vault) -> None:
        """Seal everything in another vault."""
        laid_out = self._laid_out()
        self._readdress(self.names(), vault)
        self._vault, self._owners = vault, PhotoOwners(self._store, vault)
        self._lay_out(*laid_out)
        self._log.append(now(), "encrypt", None)

    def drop_others(self, templates: Collection[int]) -> None:
        """Delete all templates but these, and people left without any."""
        rows: Rows = self._store.rows("SELECT id, identity_id FROM template")
        kept = {person for number, person in rows if number in templates}
        for person in (Identity(*row) for row in self._store.rows(f"SELECT {IDENTITY} FROM identity")):
            if person.number not in kept:
                self.drop(person)
        gone = [(number,) for number, _ in rows if number not in templates]
        self._store.many("DELETE FROM template WHERE id = ?", gone)

    def replace_vectors(self, vectors: Mapping[int, NDArray[np.float32]], model: str) -> None:
        """Give all templates other vectors, by number; they are of the photos as taken."""
        rows: Rows = self._store.rows("SELECT id, identity_id FROM template ORDER BY id")
        self._lay_out(rows, np.stack([vectors[number] for number, _ in rows]))
        self._store.rows("UPDATE template SET how = 'photo' WHERE how = 'repaired'")
        self._log.append(now(), "migrate", None, model=model, templates=len(rows))

    def _laid_out(self) -> tuple[Rows, NDArray[np.floating]]:
        """All templates in order, and their vectors (N, D)."""
        rows = self._store.rows("SELECT id, identity_id FROM template ORDER BY id")
        if not rows:
            return rows, np.zeros((0, 0), np.float32)
        vectors = self.chunks.read(1, rows[-1][0])[1]
        return rows, vectors[[number - 1 for number, _ in rows]]

    def _lay_out(self, rows: Rows, vectors: NDArray[np.floating]) -> None:
        """Number templates 1, 2, ... and write their vectors (N, D)."""
        self.forget_slots()
        if not rows:
            return
        pairs = [(new, old) for new, (old, _) in enumerate(rows, start=1) if new != old]
        self._store.many("UPDATE template SET id = ? WHERE id = ?", pairs)
        self.chunks.write(range(1, len(rows) + 1), [person for _, person in rows], vectors)
        self._store.rows("UPDATE sqlite_sequence SET seq = ? WHERE name = 'template'", len(rows))

    def forget_slots(self) -> None:
        """Begin to number templates from 1."""
        for query in (
            "DELETE FROM chunk",
            "DELETE FROM seal",
            "DELETE FROM removed",
            "UPDATE gallery SET epoch = epoch + 1",
            "UPDATE sqlite_sequence SET seq = 0 WHERE name IN ('template', 'removed')",
        ):
            self._store.rows(query)

    # ---------------------------------------------------------------- inside

    def _make(self, name: str, handle: bytes) -> None:
        query = "INSERT INTO identity (handle, name, enrolled_at, pseudonym) VALUES (?, ?, ?, randomblob(8))"
        stored = self._vault.opened([handle]).seal_name(handle, name)
        self._store.rows(query, handle, stored, now())

    def _insert(self, person: Identity, templates: Sequence[Template]) -> list[int]:
        """Write the rows of templates; gives their numbers."""
        query = (
            "INSERT INTO template (identity_id, photo_digest, quality, enrolled_at, how) "
            "VALUES (?, ?, ?, ?, ?) RETURNING id"
        )
        opened, numbers = self._vault.opened([person.handle]), []
        for one in templates:
            photo = opened.seal_photo(person.handle, one.photo_digest)
            values = (person.number, photo, one.quality, one.enrolled_at or now(), one.how)
            numbers.append(int(self._store.row(query, *values)[0]))
            if one.crop is not None:
                content = opened.seal(person.handle, one.crop)
                self._store.rows("INSERT INTO crop VALUES (?, ?)", numbers[-1], content)
        return numbers

    def _readdress(self, names: Mapping[int, str], vault: Vault) -> None:
        """Give everybody handles of a vault, and seal names, photo digests and crops for these."""
        photos = self._owners.where("TRUE")
        handles = dict(zip(names, vault.admit(list(names.values())), strict=True))
        opened = vault.opened(handles.values())
        for (number,) in self._store.rows("SELECT template_id FROM crop"):
            ((_, person, content),) = self._crops("template_id = ?", number)
            sealed = opened.seal(handles[person], content)
            self._store.rows("UPDATE crop SET content = ? WHERE template_id = ?", sealed, number)
        self._store.many(
            "UPDATE identity SET handle = ?, name = ? WHERE id = ?",
            [
                (handles[person], opened.seal_name(handles[person], name), person)
                for person, name in names.items()
            ],
        )
        self._store.many(
            "UPDATE template SET photo_digest = ? WHERE id = ?",
            [(opened.seal_photo(handles[person], digest), number) for number, person, digest in photos],
        )

    def _crops(self, condition: str, *values: object) -> Iterator[tuple[int, int, bytes]]:
        """(template number, person's number, PNG) of kept crops."""
        query = (
            "SELECT template.id, identity_id, handle, content FROM crop "
            "JOIN template ON template.id = template_id JOIN identity ON identity.id = identity_id "
            f"WHERE {condition} ORDER BY template.id"
        )
        rows = self._store.rows(query, *values)
        opened = self._vault.opened({handle for _, _, handle, _ in rows})
        for number, person, handle, content in rows:
            yield number, person, opened.content(handle, content)

    def _photos(self, person: Identity) -> set[str]:
        """The digests of a person's photos."""
        return {digest for _, _, digest in self._owners.where("identity_id = ?", person.number)}


def _bytes(stored: Stored) -> bytes:
    return stored if isinstance(stored, bytes) else stored.encode()


def now() -> str:
    """The time, as rows give it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
