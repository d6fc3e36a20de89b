"""The people and their templates in one SQLite file, which is the truth; the search index is derived from it.

It remembers which model made its vectors and refuses those of another. What is removed leaves no bytes
behind in the file, its write-ahead log or its index.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recog.errors import ConfigError, GalleryError
from recog.gallery.calibrations import Calibrations
from recog.gallery.checks import check_model, check_vector
from recog.gallery.chunks import PRECISIONS
from recog.gallery.erasing import Erasing
from recog.gallery.log import Entry, Log
from recog.gallery.roster import Roster, now
from recog.gallery.searching import Searching
from recog.gallery.store import Store
from recog.gallery.unlocking import KeySource, new_vault, reserve, revision_of, steadily, unlock
from recog.gallery.vault import Sealed, Vault
from recog.keys import load_key
from recog.records import Calibration, Model, Person, Template, clean_name
from recog.types import Candidate, Purpose

T = TypeVar("T")
CROPS_AT_ONCE = 256


class Gallery:
    """An open gallery file. Safe to share between threads, and between processes."""

    def __init__(
        self,
        path: Path | str | None,
        *,
        create: bool = True,
        precision: str | None = None,
        key: KeySource | None = None,
        keystore: Path | str | None = None,
    ) -> None:
        """
        Args:
            path: the file; None keeps everything in memory.
            create: make the file when it is missing.
            precision: of stored vectors, "float32" (in a new gallery, when nothing is said) or "float16".
            key: where the master key is (`recog.keys`), of an encrypted gallery; a new one is encrypted.
            keystore: the file of its people's keys; default in the user's data folder, apart from galleries.
        Raises: GalleryError: missing, not a gallery, made by a newer version, or not accessible;
            KeyUnavailable: encrypted, and there is no key; WrongKey; ConfigError.
        """
        if precision not in (None, *PRECISIONS):
            raise ConfigError(f"{precision!r} is no precision; give one of {', '.join(PRECISIONS)}.")
        self.path = None if path is None else Path(path)
        self._store = Store(self.path, create=create)
        self._log, self._calibrations = Log(self._store), Calibrations(self._store)
        try:
            self._use(unlock(self._store, key, Path(keystore) if keystore else None))
        except BaseException:
            self._store.close()
            raise
        try:
            self._forget_destroyed()
            self._erasing.finish_pending()
            self._precision = self._settled(precision)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._vault.close()
        self._store.close()

    def __str__(self) -> str:
        return str(self._store)

    # ---------------------------------------------------------------- the model

    @property
    def precision(self) -> str:
        """That of stored vectors."""
        return str(self._store.row("SELECT precision FROM gallery")[0])

    def _settled(self, precision: str | None) -> str:
        """What new vectors are stored as. Raises: ConfigError: there are vectors of another precision."""
        if self.model() is None:
            return precision or "float32"
        if precision not in (None, self.precision):
            raise ConfigError(
                f"{self}: its vectors are {self.precision}, not {precision}. Enroll into a new gallery."
            )
        return self.precision

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
        with self._writing():
            self._adopt(model)
            added = self._roster.enroll(named)
            if added:
                self._raise_revision()
        self._erasing.finish_pending()
        return added

    def is_enrolled(self, name: str) -> bool:
        """Whether somebody has this name."""
        return self._read(lambda: self._roster.find(name) is not None)

    def has(self, name: str, photo_digest: str) -> bool:
        """Whether this person has a template of this photo."""
        return self._read(lambda: photo_digest in self._roster.photos_of(name))

    def names_with(self, photo_digest: str) -> set[str]:
        """Whose templates were made of this photo."""
        return self._read(lambda: self._roster.names_with(photo_digest))

    def photo_digests(self) -> set[str]:
        """Those of all photos that templates were made of."""
        return self._read(self._roster.photos)

    def size(self) -> tuple[int, int]:
        """(people, templates)."""
        query = "SELECT (SELECT COUNT(*) FROM identity), (SELECT COUNT(*) FROM template)"
        people, templates = self._store.row(query)
        return int(people), int(templates)

    def people(self) -> list[Person]:
        """Everyone, by name."""
        return self._read(self._roster.people)

    def templates(self, name: str) -> list[Template]:
        """A person's templates, oldest first.

        Raises: UnknownIdentity.
        """
        return self._read(lambda: self._roster.templates(self._roster.one(name)))

    def everyone(self) -> dict[str, list[Template]]:
        """All templates of all people, by name, as of one moment."""
        return self._read(self._roster.everyone)

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
        with self._writing():
            people = [self._roster.one(name) for name in dict.fromkeys(map(clean_name, names))]
            traces = [trace for person in people for trace in self._roster.traces(person)]
            counts = {self._roster.name(person): self._roster.drop(person) for person in people}
            if self._roster.is_sparse():
                self._roster.renumber()
            unfinished = self._raise_revision(erases=True)
        self._erasing.finish(None if unfinished else traces)
        return counts

    def rename(self, old: str, new: str) -> None:
        """Give a person another name; the old one is erased.

        Raises: UnknownIdentity; GalleryError: the new name is taken; ConfigError: see `add`.
        """
        new = clean_name(new)
        with self._writing():
            person = self._roster.one(old)
            if (self._roster.find(new) or person) != person:
                raise GalleryError(f"{new!r} is already enrolled in {self}. Choose another name.")
            traces = self._roster.rename(person, new)
            unfinished = self._raise_revision(erases=True)
        self._erasing.finish(None if unfinished else traces)

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
        return self._calibrations.get(purpose, digest)

    def calibrate(self, purpose: Purpose, calibration: Calibration, digest: str) -> None:
        """Store a threshold for "verify" or "query"."""
        with self._writing():
            self._calibrations.set(purpose, calibration, digest)
            self._log.append(now(), "calibrate", None, purpose=purpose, threshold=calibration.threshold)

    # ---------------------------------------------------------------- keeping house

    @property
    def file_bytes(self) -> int | None:
        """Size of the gallery file; None in memory."""
        return None if self.path is None else self.path.stat().st_size

    def particulars(self) -> dict[str, object]:
        """What else is to be said of a gallery file."""
        place = str(self.keystore) if self.keystore else None
        return {
            "precision": self.precision,
            "crops": self.kept_crops(),
            "encrypted": self.is_encrypted,
            "keystore": place,
        }

    def log(self) -> list[Entry]:
        """What happened to this gallery, oldest first; see `recog.gallery.log`."""
        return self._log.entries()

    def pseudonyms(self) -> dict[str, str]:
        """The names of those enrolled, by the pseudonyms that the log uses."""
        return self._read(self._roster.pseudonyms)

    def integrity(self) -> list[str]:
        """What is wrong with the file; empty when it is sound."""
        return self._store.integrity() or self._searching.integrity()

    def purge(self) -> None:
        """Finish erasures that could not be finished, and rewrite the file.

        Raises: ErasureIncomplete: another program is reading or writing, or the disk is full.
        """
        self._erasing.finish(None)

    def compact(self) -> None:
        """Number templates anew without the slots of those that went. Raises: ErasureIncomplete."""
        with self._writing():
            self._roster.renumber()
            self._raise_revision(erases=True)
        self._erasing.finish(None)

    # ---------------------------------------------------------------- another model

    def kept_crops(self) -> int:
        """How many templates have the crop that they were made of."""
        return int(self._store.row("SELECT COUNT(*) FROM crop")[0])

    def crops(self) -> Iterator[tuple[int, bytes]]:
        """Template numbers and PNGs of all kept crops, a few at a time."""
        after = 0
        while found := self._read(functools.partial(self._roster.crops, after, CROPS_AT_ONCE)):
            yield from found
            after = found[-1][0]

    def replace_vectors(
        self, vectors: Mapping[int, NDArray[np.float32]], model: Model, revision: int
    ) -> None:
        """Take vectors of another model, by template number; templates without one are dropped.

        Args:
            revision: that of the gallery when its crops were read.
        Raises: GalleryError: the gallery has changed since; DataError: see `add`; ErasureIncomplete.
        """
        for vector in vectors.values():
            check_vector(vector, model.embedding_size)
        with self._writing():
            if self.revision != revision:
                raise GalleryError(f"{self}: was changed while faces were embedded. Run it again.")
            self._roster.drop_others(vectors)  # first: it erases slots of the size that they have
            self._set_model(model, self.precision)
            self._roster.replace_vectors(vectors, model.name)
            self._raise_revision(erases=True)
        self._erasing.finish(None)

    # ---------------------------------------------------------------- encryption

    @property
    def keystore(self) -> Path | None:
        """The file of its people's keys, where it is encrypted and not in memory."""
        return self._vault.path

    @property
    def is_encrypted(self) -> bool:
        """Whether names, photo digests and vectors are sealed."""
        return self._vault.id is not None

    def encrypt(self, key: KeySource, keystore: Path | str | None = None) -> None:
        """Seal everything under a key for each person, and erase what stood there before.

        Args:
            key, keystore: as at opening; the keystore is made.
        Raises: GalleryError: it is encrypted already; KeyUnavailable; ErasureIncomplete.
        """
        if self.is_encrypted:
            raise GalleryError(f"{self}: is encrypted already. To change its key: recog keys rotate")
        reserve(self._store)
        with contextlib.ExitStack() as stack:
            with self._writing():
                vault = new_vault(self._store, key, Path(keystore) if keystore else None)
                stack.callback(vault.close)
                Roster(self._store, self._vault).move(vault)
                self._raise_revision(erases=True)
            stack.pop_all()
        self._use(vault)
        self._erasing.finish(None)

    def rotate(self, key: KeySource) -> None:
        """Change the master key; the old one opens nothing any more.

        Raises: GalleryError: not encrypted; KeyUnavailable; ErasureIncomplete: done, but the keys as the old
        one wrapped them stay in the keystore's bytes for now.
        """
        if not isinstance(self._vault, Sealed):
            raise GalleryError(f"{self}: is not encrypted. First: recog keys encrypt")
        self._vault.rotate(load_key(key))
        with self._writing():
            self._log.append(now(), "rotate", None)

    def _use(self, vault: Vault) -> None:
        self._vault = vault
        self._roster = Roster(self._store, vault)
        self._searching = Searching(self._store, vault)
        self._erasing = Erasing(self._store, vault, self._searching)

    def _forget_destroyed(self) -> None:
        """Drop people of an older copy of the file whose keys were destroyed since: nobody can read them."""
        (known,) = self._store.row("SELECT destroyed FROM gallery")
        if self._vault.destroyed(known)[0] == known:
            return
        with self._writing():
            (known,) = self._store.row("SELECT destroyed FROM gallery")
            last, handles = self._vault.destroyed(known if isinstance(known, int) else 0)
            if self._roster.drop_all(handles):
                self._raise_revision(erases=True)
            self._store.rows("UPDATE gallery SET destroyed = ?", last)

    # ---------------------------------------------------------------- inside

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One change. Raises: GalleryError: the gallery was encrypted since it was opened."""
        with self._store.writing():
            revision_of(self._store, self._vault)
            yield

    def _read(self, what: Callable[[], T]) -> T:
        """What a function finds at one moment of the file."""
        return steadily(self._store, self._vault, what)

    def _adopt(self, model: Model) -> None:
        """The first vectors decide whose gallery this is; an emptied gallery may change its model."""
        if self.model() is not None:
            self.check(model.digest, model.name)
            return
        self._roster.forget_slots()
        self._set_model(model, self._precision)

    def _set_model(self, model: Model, precision: str) -> None:
        values = (model.name, model.digest, model.embedding_size, precision)
        query = "UPDATE gallery SET model = ?, digest = ?, embedding_size = ?, precision = ?"
        self._store.rows(query, *values)
        query = "UPDATE gallery SET seal = seal_of(model, digest, embedding_size, precision, salt)"
        self._store.rows(query)

    def _raise_revision(self, *, erases: bool = False) -> bool:
        """End a change of people or templates: tell those who search.

        Returns: whether an earlier erasure is unfinished, whose traces nobody knows any more.
        """
        unfinished = bool(self._store.row("SELECT erasing > erased FROM gallery")[0])
        self._store.rows("UPDATE gallery SET revision = revision + 1")
        if erases:
            self._store.rows("UPDATE gallery SET erasing = revision")
        return unfinished
