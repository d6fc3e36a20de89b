"""The people and their templates in one SQLite file, which is the truth; the search index is derived from it.

It remembers which model made its vectors and refuses those of another. What is removed leaves no bytes
behind in the file, its write-ahead log or its index.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, fields
from pathlib import Path

from numpy.typing import ArrayLike

from recog.errors import ConfigError, ErasureIncomplete, GalleryError
from recog.gallery.checks import check_model, check_vector
from recog.gallery.chunks import PRECISIONS
from recog.gallery.log import Entry, Log
from recog.gallery.roster import HANDLE, Roster, now
from recog.gallery.searching import Searching
from recog.gallery.store import Store, packed, seal_of, unpacked
from recog.records import Calibration, Model, Person, Template, clean_name
from recog.types import Candidate, Purpose

CALIBRATION = ", ".join(field.name for field in fields(Calibration))  # columns bear the fields' names
JOINED = "template JOIN identity ON identity.id = identity_id"


class Gallery:
    """An open gallery file. Safe to share between threads, and between processes."""

    def __init__(self, path: Path | str | None, *, create: bool = True, precision: str = "float32") -> None:
        """
        Args:
            path: the file; None keeps everything in memory.
            create: make the file when it is missing.
            precision: of stored vectors, in a gallery without any: "float32" or "float16".
        Raises: GalleryError: missing, not a gallery, made by a newer version, or not accessible; ConfigError.
        """
        if precision not in PRECISIONS:
            raise ConfigError(f"{precision!r} is no precision; give one of {', '.join(PRECISIONS)}.")
        self.path = None if path is None else Path(path)
        self._precision = precision
        self._store = Store(self.path, create=create)
        self._roster, self._log = Roster(self._store), Log(self._store)
        self._searching = Searching(self._store)

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._store.close()

    def __str__(self) -> str:
        return str(self._store)

    # ---------------------------------------------------------------- the model

    def model(self) -> Model | None:
        """The model of the vectors; None while there are none. Raises: GalleryError."""
        query = (
            "SELECT model, digest, embedding_size, "
            "seal = seal_of(model, digest, embedding_size, precision, salt) "
            "FROM gallery WHERE EXISTS (SELECT 1 FROM template)"
        )
        rows = self._store.rows(query)
        if not rows:
            return None
        *model, whole = rows[0]
        if not whole:
            raise self._store.damaged("what it says of its model")
        return Model(*model)

    def check(self, digest: str, name: str) -> None:
        """Raises: ModelMismatch: the vectors here are of another model."""
        check_model(self, self.model(), digest, name)

    # ---------------------------------------------------------------- people

    def add(self, name: str, templates: Sequence[Template], model: Model) -> int:
        """Add templates to a person, who is created when new; all or none of them.

        Returns: how many were added; a photo that the person already has is skipped.
        Raises: ModelMismatch; DataError: a vector is not finite, not of unit length or of another size;
        ConfigError: the name is empty, too long, or holds control characters.
        """
        return self.add_all({name: templates}, model)

    def add_all(self, people: Mapping[str, Sequence[Template]], model: Model) -> int:
        """Add templates to several people at once; all or none of them. Otherwise as `add`."""
        named = {clean_name(name): templates for name, templates in people.items() if templates}
        for template in itertools.chain.from_iterable(named.values()):
            check_vector(template.embedding, model.embedding_size)
        if not named:
            return 0
        with self._store.writing():
            self._adopt(model)
            added = sum(self._roster.enroll(name, templates) for name, templates in named.items())
            if added:
                self._raise_revision()
        self._finish_pending()
        return added

    def is_enrolled(self, name: str) -> bool:
        """Whether somebody has this name."""
        return self._roster.find(name) is not None

    def has(self, name: str, photo_digest: str) -> bool:
        """Whether this person has a template of this photo."""
        query = f"SELECT 1 FROM {JOINED} WHERE photo_digest = ? AND handle = {HANDLE}"
        return bool(self._store.rows(query, packed(photo_digest), clean_name(name)))

    def names_with(self, photo_digest: str) -> set[str]:
        """Whose templates were made of this photo."""
        query = f"SELECT name FROM {JOINED} WHERE photo_digest = ?"
        return {name for (name,) in self._store.rows(query, packed(photo_digest))}

    def photo_digests(self) -> set[str]:
        """Those of all photos that templates were made of."""
        return {unpacked(digest) for (digest,) in self._store.rows("SELECT photo_digest FROM template")}

    def size(self) -> tuple[int, int]:
        """(people, templates)."""
        query = "SELECT (SELECT COUNT(*) FROM identity), (SELECT COUNT(*) FROM template)"
        people, templates = self._store.row(query)
        return int(people), int(templates)

    def people(self) -> list[Person]:
        """Everyone, by name."""
        query = (
            "SELECT name, COUNT(template.id), identity.enrolled_at FROM identity "
            "LEFT JOIN template ON identity_id = identity.id GROUP BY identity.id ORDER BY name"
        )
        return [Person(*row) for row in self._store.rows(query)]

    def templates(self, name: str) -> list[Template]:
        """A person's templates, oldest first.

        Raises: UnknownIdentity.
        """
        with self._store.reading():
            return self._roster.templates(self._roster.one(name))

    def everyone(self) -> dict[str, list[Template]]:
        """All templates of all people, by name, as of one moment."""
        with self._store.reading():
            return self._roster.everyone()

    def remove(self, name: str) -> int:
        """Erase a person: name and vectors are gone from all files of the gallery when this returns.

        Returns: how many templates went with the name.
        Raises: UnknownIdentity; ErasureIncomplete: gone from the gallery, but not yet from the file's bytes.
        """
        return sum(self.remove_all([name]).values())

    def remove_all(self, names: Collection[str]) -> dict[str, int]:
        """Erase several people at once, hardly slower than one; all or none. Otherwise as `remove`.

        Returns: how many templates went with each name.
        """
        with self._store.writing():
            people = [self._roster.one(name) for name in dict.fromkeys(map(clean_name, names))]
            digests = [digest for person in people for digest in self._roster.photo_digests(person)]
            traces = [trace for person in people for trace in person.traces()]
            counts = {person.name: self._roster.drop(person) for person in people}
            if self._roster.is_sparse():
                self._roster.renumber()
            self._raise_revision(erases=True)
        self._erase(traces + [_as_stored(digest) for digest in digests])
        return counts

    def rename(self, old: str, new: str) -> None:
        """Give a person another name; the old one is erased.

        Raises: UnknownIdentity; GalleryError: the new name is taken; ConfigError: see `add`.
        """
        new = clean_name(new)
        with self._store.writing():
            person = self._roster.one(old)
            if (self._roster.find(new) or person) != person:
                raise GalleryError(f"{new!r} is already enrolled in {self}. Choose another name.")
            self._roster.rename(person, new)
            self._raise_revision(erases=True)
        self._erase(person.traces())

    # ---------------------------------------------------------------- searching

    @property
    def revision(self) -> int:
        """Raised by every change of people or templates, by any process."""
        return int(self._store.row("SELECT revision FROM gallery")[0])

    def search(self, probes: ArrayLike, k: int = 5) -> list[list[Candidate]]:
        """The k most similar people of each probe, as of this moment (see `recog.gallery.matching`).

        Args:
            probes: (B, D) unit vectors.
            k: candidates wanted; fewer come back when fewer people are enrolled.
        Raises: DataError: a probe is not finite or of another size; ConfigError: k < 1; GalleryError.
        """
        return self._searching.search(probes, k)

    # ---------------------------------------------------------------- thresholds

    def calibration(self, purpose: Purpose, digest: str) -> Calibration | None:
        """The threshold stored for "verify" or "query", if it belongs to this model. Raises: GalleryError."""
        found = None
        for seal, *values in self._store.rows(
            f"SELECT seal, purpose, digest, {CALIBRATION} FROM calibration"
        ):
            if seal_of(*values) != seal:  # of any of them: this may be what it was
                raise self._store.damaged("a threshold; recog calibrate sets them again")
            if values[:2] == [purpose, digest]:
                found = Calibration(*values[2:])
        return found

    def calibrate(self, purpose: Purpose, calibration: Calibration, digest: str) -> None:
        """Store a threshold for "verify" or "query"."""
        values = (purpose, digest, *astuple(calibration))
        query = (
            f"INSERT OR REPLACE INTO calibration (purpose, digest, {CALIBRATION}, seal) "
            f"VALUES ({', '.join('?' * (len(values) + 1))})"
        )
        with self._store.writing():
            self._store.rows(query, *values, seal_of(*values))
            self._log.append(now(), "calibrate", None, purpose=purpose, threshold=calibration.threshold)

    # ---------------------------------------------------------------- keeping house

    @property
    def file_bytes(self) -> int | None:
        """Size of the gallery file; None in memory."""
        return None if self.path is None else self.path.stat().st_size

    def log(self) -> list[Entry]:
        """What happened to this gallery, oldest first; see `recog.gallery.log`."""
        return self._log.entries()

    def pseudonyms(self) -> dict[str, str]:
        """The names of those enrolled, by the pseudonyms that the log uses."""
        rows = self._store.rows("SELECT pseudonym, name FROM identity")
        return {pseudonym.hex(): name for pseudonym, name in rows}

    def integrity(self) -> list[str]:
        """What is wrong with the file; empty when it is sound."""
        return self._store.integrity() or self._searching.integrity()

    def purge(self) -> None:
        """Finish erasures that could not be finished, and rewrite the file.

        Raises: ErasureIncomplete: another program is reading or writing, or the disk is full.
        """
        self._erase(None)

    def compact(self) -> None:
        """Number templates anew without the slots of those that went. Raises: ErasureIncomplete."""
        with self._store.writing():
            self._roster.renumber()
            self._raise_revision(erases=True)
        self._erase(None)

    # ---------------------------------------------------------------- inside

    def _adopt(self, model: Model) -> None:
        """The first vectors decide whose gallery this is; an emptied gallery may change its model."""
        if self.model() is not None:
            self.check(model.digest, model.name)
            return
        self._roster.forget_slots()
        values = (model.name, model.digest, model.embedding_size, self._precision)
        query = "UPDATE gallery SET model = ?, digest = ?, embedding_size = ?, precision = ?"
        self._store.rows(query, *values)
        query = "UPDATE gallery SET seal = seal_of(model, digest, embedding_size, precision, salt)"
        self._store.rows(query)

    def _raise_revision(self, *, erases: bool = False) -> None:
        """End a change of people or templates: tell those who search."""
        self._store.rows("UPDATE gallery SET revision = revision + 1")
        if erases:
            self._store.rows("UPDATE gallery SET erasing = revision")

    def _erase(self, traces: list[bytes] | None) -> None:
        (wanted,) = self._store.row("SELECT erasing FROM gallery")
        self._searching.forget_removed()
        self._store.purge(traces)
        self._store.rows("UPDATE gallery SET erased = ? WHERE erased < ?", wanted, wanted)

    def _finish_pending(self) -> None:
        """What an earlier change could not erase, if it can be done now."""
        if self._store.row("SELECT erasing > erased FROM gallery")[0]:
            with contextlib.suppress(ErasureIncomplete):
                self._erase(None)


def _as_stored(digest: str) -> bytes:
    stored = packed(digest)
    return stored if isinstance(stored, bytes) else stored.encode()
