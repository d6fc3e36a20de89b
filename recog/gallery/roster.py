"""The rows of people and templates, inside the caller's transactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from recog.errors import UnknownIdentity
from recog.gallery.chunks import Chunks
from recog.gallery.log import Log
from recog.gallery.store import Store, packed, unpacked
from recog.records import Template, clean_name

HANDLE = "handle_of((SELECT salt FROM gallery), ?)"
SPARSE = 1024  # slots from which it matters that most are empty


@dataclass(frozen=True, slots=True)
class Identity:
    """The row of a person."""

    number: int
    handle: bytes
    name: str
    enrolled_at: str
    pseudonym: bytes

    def traces(self) -> list[bytes]:
        """What must not stay in the file when the person is gone.

        A name alone may stand in the file by chance, or within another; but not beside what it stands beside
        in its row.
        """
        name = self.name.encode()
        return [self.handle, self.handle[-4:] + name, name + self.enrolled_at[:8].encode()]


class Roster:
    """People and their templates in one gallery file."""

    def __init__(self, store: Store) -> None:
        self._store, self._log = store, Log(store)

    def find(self, name: str) -> Identity | None:
        """The person of this name."""
        query = f"SELECT id, handle, name, enrolled_at, pseudonym FROM identity WHERE handle = {HANDLE}"
        rows = self._store.rows(query, clean_name(name))
        return Identity(*rows[0]) if rows else None

    def one(self, name: str) -> Identity:
        """The person of this name. Raises: UnknownIdentity."""
        found = self.find(name)
        if found is None:
            raise UnknownIdentity(f"Nobody called {name!r} is enrolled in {self._store}. See: recog list")
        return found

    def enroll(self, name: str, templates: Sequence[Template]) -> int:
        """Add those of photos that the person does not have yet; gives how many."""
        person = self.find(name) or self._make(name)
        known = set(self.photo_digests(person))
        new = {t.photo_digest: t for t in reversed(templates) if t.photo_digest not in known}
        if new:
            added = list(reversed(new.values()))
            numbers = [self._insert(person, template) for template in added]
            vectors = np.stack([template.embedding for template in added])
            Chunks(self._store).write(numbers, [person.number] * len(added), vectors)
            self._log.append(now(), "enroll", person.pseudonym, templates=len(added))
        return len(new)

    def rename(self, person: Identity, name: str) -> None:
        """Give a person a name that is free."""
        query = f"UPDATE identity SET name = ?, handle = {HANDLE} WHERE id = ?"
        self._store.rows(query, name, name, person.number)
        self._log.append(now(), "rename", person.pseudonym)

    def drop(self, person: Identity) -> int:
        """Delete a person; gives the number of templates that they had."""
        rows = self._store.rows("SELECT id FROM template WHERE identity_id = ?", person.number)
        numbers = [number for (number,) in rows]
        query = "INSERT INTO removed (template_id, identity_id) VALUES (?, ?)"
        self._store.many(query, [(number, person.number) for number in numbers])
        Chunks(self._store).erase(numbers)
        self._store.rows("DELETE FROM template WHERE identity_id = ?", person.number)
        self._store.rows("DELETE FROM identity WHERE id = ?", person.number)
        self._log.append(now(), "remove", person.pseudonym, templates=len(numbers))
        return len(numbers)

    def photo_digests(self, person: Identity) -> list[str]:
        """Those of the photos that a person's templates were made of."""
        query = "SELECT photo_digest FROM template WHERE identity_id = ?"
        return [unpacked(digest) for (digest,) in self._store.rows(query, person.number)]

    def templates(self, person: Identity) -> list[Template]:
        """A person's templates, oldest first."""
        query = (
            "SELECT id, photo_digest, quality, how, enrolled_at FROM template "
            "WHERE identity_id = ? ORDER BY id"
        )
        chunks = Chunks(self._store)
        return [
            Template(chunks.vector(number), unpacked(digest), *rest)
            for number, digest, *rest in self._store.rows(query, person.number)
        ]

    def everyone(self) -> dict[str, list[Template]]:
        """All templates of all people, by name."""
        query = (
            "SELECT name, template.id, photo_digest, quality, how, template.enrolled_at "
            "FROM template JOIN identity ON identity.id = identity_id ORDER BY name, template.id"
        )
        rows = self._store.rows(query)
        found: dict[str, list[Template]] = {}
        if not rows:
            return found
        vectors = Chunks(self._store).read(1, max(row[1] for row in rows))[1].astype(np.float32)
        for name, number, digest, *rest in rows:
            template = Template(vectors[number - 1], unpacked(digest), *rest)
            found.setdefault(name, []).append(template)
        return found

    # ---------------------------------------------------------------- slots

    def is_sparse(self) -> bool:
        """Whether most slots of the chunks are empty."""
        used, filled = self._store.row(
            "SELECT MAX(seq), (SELECT COUNT(*) FROM template) FROM sqlite_sequence WHERE name = 'template'"
        )
        return not filled or (used > SPARSE and filled < used / 2)

    def renumber(self) -> None:
        """Number templates anew, so that no slot is empty."""
        rows = self._store.rows("SELECT id, identity_id FROM template ORDER BY id")
        numbers, owners = np.array(rows, np.int64).reshape(-1, 2).T
        vectors = Chunks(self._store).read(1, int(numbers[-1]))[1] if rows else None
        self.forget_slots()
        pairs = enumerate(numbers.tolist(), start=1)
        self._store.many(
            "UPDATE template SET id = ? WHERE id = ?", [pair for pair in pairs if pair[0] != pair[1]]
        )
        if vectors is not None:
            filled = range(1, len(rows) + 1)
            Chunks(self._store).write(filled, owners.tolist(), vectors[numbers - 1])
            self._store.rows("UPDATE sqlite_sequence SET seq = ? WHERE name = 'template'", len(rows))
        self._log.append(now(), "compact", None)

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

    def _make(self, name: str) -> Identity:
        query = (
            f"INSERT INTO identity (handle, name, enrolled_at, pseudonym) "
            f"VALUES ({HANDLE}, ?, ?, randomblob(8)) "
            f"RETURNING id, handle, name, enrolled_at, pseudonym"
        )
        return Identity(*self._store.row(query, name, name, now()))

    def _insert(self, person: Identity, template: Template) -> int:
        query = (
            "INSERT INTO template (identity_id, photo_digest, quality, enrolled_at, how) "
            "VALUES (?, ?, ?, ?, ?) RETURNING id"
        )
        values = (
            person.number,
            packed(template.photo_digest),
            template.quality,
            template.enrolled_at or now(),
            template.how,
        )
        return int(self._store.row(query, *values)[0])


def now() -> str:
    """The time, as rows give it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
