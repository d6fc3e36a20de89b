"""A gallery on Milvus: for more people than one machine holds, or for many machines that ask."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Self

from numpy.typing import ArrayLike

from recog.errors import ConfigError, GalleryError
from recog.gallery.checks import check_model, check_size, check_vector, checked_probes
from recog.gallery.log import Entry
from recog.gallery.milvus.chain import Chain, Event
from recog.gallery.milvus.connection import Connection
from recog.gallery.milvus.finding import Finder
from recog.gallery.milvus.people import Identity, People, handle_of
from recog.gallery.milvus.place import place_of
from recog.gallery.milvus.records import Record, Records
from recog.gallery.milvus.upkeep import compact, mend, wrong
from recog.gallery.milvus.vectors import Owned, Vectors, short
from recog.records import Calibration, Model, Person, Template, clean_name
from recog.types import Candidate, Purpose

logger = logging.getLogger(__name__)


class MilvusGallery:
    """What `recog.gallery.Gallery` is, on Milvus. Safe to share between threads, and between machines.

    Milvus has no transactions: a change that is interrupted may be done in part. Doing it again completes it,
    for a person is written before their templates and deleted after them, and a template's key follows from
    person and photo. Its entry in the log comes last, and is lost if just that is interrupted. Every answer
    sees what was written before it was asked for.
    """

    def __init__(self, uri: str, *, create: bool = True) -> None:
        """
        Args:
            uri: see `recog.gallery.milvus.place`.
            create: make the gallery when it is missing.
        Raises: NoGallery; ConfigError: no such URI; GalleryError: Milvus cannot be reached or used.
        """
        self._connection = Connection(place_of(uri), create=create)
        try:
            self._records = Records(self._connection, create=create)
            stored = self._stored()
            if stored:
                Vectors(self._connection, stored).make()
        except BaseException:
            self._connection.close()
            raise
        self._people, self._chain = People(self._records), Chain(self._records)
        self._lock = threading.RLock()  # one change at a time from here

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the connection."""
        self._connection.close()

    def __str__(self) -> str:
        return str(self._connection)

    # ---------------------------------------------------------------- the model

    def model(self) -> Model | None:
        """The model of the vectors; None while there are none."""
        stored = self._stored()
        return None if stored is None or Vectors(self._connection, stored).is_empty() else stored

    def check(self, digest: str, name: str) -> None:
        """Raises: ModelMismatch: the vectors here are of another model."""
        check_model(self, self.model(), digest, name)

    # ---------------------------------------------------------------- people

    def add(self, name: str, templates: Sequence[Template], model: Model) -> int:
        """As `Gallery.add`, but what an interruption leaves in part is completed by doing it again."""
        return self.add_all({name: templates}, model)

    def add_all(self, people: Mapping[str, Sequence[Template]], model: Model) -> int:
        """Add templates to several people at once. Otherwise as `add`."""
        named = {clean_name(name): templates for name, templates in people.items() if templates}
        for template in itertools.chain.from_iterable(named.values()):
            check_vector(template.embedding, model.embedding_size)
            if template.crop is not None:
                raise ConfigError(f"{self}: keeps no crops, only gallery files do. Leave --keep-crops away.")
        if not named:
            return 0
        with self._lock:
            vectors = self._adopt(model)
            enrolled = self._people.enroll(named)
            added = vectors.add({handle_of(name): templates for name, templates in named.items()})
            self._tell("enroll", {enrolled[handle]: count for handle, count in added.items()})
        return added.total()

    def is_enrolled(self, name: str) -> bool:
        """Whether somebody has this name."""
        return self._people.find(name) is not None

    def has(self, name: str, photo_digest: str) -> bool:
        """Whether this person has a template of this photo."""
        vectors, person = self._vectors(), self._people.find(name)
        return bool(vectors and person and vectors.has(person.handle, photo_digest))

    def names_with(self, photo_digest: str) -> set[str]:
        """Whose templates were made of this photo."""
        vectors = self._vectors()
        owners = list(vectors.owners_of(photo_digest)) if vectors else []
        return {person.name for person in self._people.of(owners).values()}

    def photo_digests(self) -> set[str]:
        """Those of all photos that templates were made of."""
        return vectors.photo_digests() if (vectors := self._vectors()) else set()

    def size(self) -> tuple[int, int]:
        """(people, templates)."""
        vectors = self._vectors()
        return self._people.count(), vectors.count() if vectors else 0

    def people(self) -> list[Person]:
        """Everyone, by name."""
        vectors = self._vectors()
        counts = vectors.counts() if vectors else {}
        return [Person(one.name, counts.get(one.handle, 0), one.enrolled_at) for one in self._people.all()]

    def templates(self, name: str) -> list[Template]:
        """A person's templates, oldest first. Raises: UnknownIdentity."""
        person, vectors = self._people.one(name), self._vectors()
        return vectors.of([person.handle]).get(person.handle, []) if vectors else []

    def everyone(self) -> dict[str, list[Template]]:
        """All templates of all people, by name."""
        grouped: dict[str, list[Owned]] = {}
        for one in self._all():
            grouped.setdefault(one.person, []).append(one)
        return {
            person.name: [one.template for one in sorted(grouped[person.handle], key=lambda one: one.number)]
            for person in self._people.all()
            if person.handle in grouped
        }

    def remove(self, name: str) -> int:
        """Remove a person: found by nobody any more when this returns, and Milvus is asked to compact.

        Milvus writes deletions beside the rows. It drops the rows' bytes when it compacts the files they are
        in, in its own time, and old files later still; Milvus Lite compacts only as more is written. Backups
        and versions of its object storage keep what they hold.

        Returns: how many templates went with the name.
        Raises: UnknownIdentity; ErasureIncomplete: removed, but Milvus could not be asked to compact.
        """
        return sum(self.remove_all([name]).values())

    def remove_all(self, names: Collection[str]) -> dict[str, int]:
        """Remove several people at once. Otherwise as `remove`; returns how many templates went with each."""
        with self._lock:
            people = [self._people.one(name) for name in dict.fromkeys(map(clean_name, names))]
            if not people:
                return {}
            vectors = self._vectors()
            gone = vectors.drop([person.handle for person in people]) if vectors else {}
            self._people.drop(people)
            counts = {person: gone.get(person.handle, 0) for person in people}
            self._tell("remove", counts)
            self._erase()
        return {person.name: count for person, count in counts.items()}

    def rename(self, old: str, new: str) -> None:
        """Give a person another name; the old one goes as in `remove`.

        Raises: UnknownIdentity; GalleryError: the new name is taken; ConfigError: see `add`.
        """
        new = clean_name(new)
        with self._lock:
            person, vectors = self._people.one(old), self._vectors()
            if person.name == new:
                return
            taken = self._people.find(new)
            if taken and taken.pseudonym != person.pseudonym:  # else this was interrupted, and goes on
                raise GalleryError(f"{new!r} is already enrolled in {self}. Choose another name.")
            renamed = Identity(handle_of(new), new, person.enrolled_at, person.pseudonym)
            self._people.put([renamed])
            if vectors:
                vectors.move(person.handle, renamed.handle)
                vectors.drop([person.handle])
            self._people.drop([person])
            self._chain.append([Event("rename", person.pseudonym, {})])
            self._erase()

    # ---------------------------------------------------------------- searching

    @property
    def revision(self) -> int:
        """Raised by every change, by any program."""
        return self._chain.count()

    def search(self, probes: ArrayLike, k: int = 5) -> list[list[Candidate]]:
        """As `Gallery.search`, as far as the index of Milvus finds what is nearest (see `finding`)."""
        queries = checked_probes(probes, k)
        stored = self._stored()
        if stored is None or not len(queries):
            return [[] for _ in queries]
        check_size(queries, stored.embedding_size)
        return Finder(Vectors(self._connection, stored), self._people).search(queries, k)

    # ---------------------------------------------------------------- thresholds

    def calibration(self, purpose: Purpose, digest: str) -> Calibration | None:
        """The threshold stored for "verify" or "query", if it belongs to this model. Raises: GalleryError."""
        key = f"{purpose} {short(digest)}"
        found = self._records.get("threshold", [key]).get(key)
        try:
            return Calibration(**found.content) if found else None
        except TypeError as error:
            raise self._records.damaged("a threshold; recog calibrate sets them again") from error

    def calibrate(self, purpose: Purpose, calibration: Calibration, digest: str) -> None:
        """Store a threshold for "verify" or "query"."""
        with self._lock:
            record = Record(f"{purpose} {short(digest)}", asdict(calibration))
            self._records.put("threshold", [record])
            detail = {"purpose": purpose, "threshold": calibration.threshold}
            self._chain.append([Event("calibrate", None, detail)])

    # ---------------------------------------------------------------- keeping house

    @property
    def file_bytes(self) -> int | None:
        """None: the server knows."""
        return None

    def particulars(self) -> dict[str, object]:
        """Nothing else is to be said."""
        return {}

    def log(self) -> list[Entry]:
        """What happened to this gallery, oldest first; see `chain`."""
        return self._chain.entries()

    def pseudonyms(self) -> dict[str, str]:
        """The names of those enrolled, by the pseudonyms that the log uses."""
        return {person.pseudonym: person.name for person in self._people.all()}

    def integrity(self) -> list[str]:
        """What is wrong with the gallery and cannot be mended by `purge`; empty when nothing is."""
        return wrong(self._people, self._chain, self._vectors())

    def purge(self) -> None:
        """Complete what interrupted changes left: templates of nobody go, centres are made. Asks to compact.

        Raises: ErasureIncomplete: Milvus could not be asked.
        """
        with self._lock:
            vectors = self._vectors()
            if vectors:
                mend(self._people, vectors)
            self._compact()

    # ---------------------------------------------------------------- inside

    def _stored(self) -> Model | None:
        """The model of the last vectors, of which there may be none left."""
        found = self._records.get("model", ["current"]).get("current")
        try:
            return Model(**found.content) if found else None
        except TypeError as error:
            raise self._records.damaged("what it says of its model") from error

    def _vectors(self) -> Vectors | None:
        stored = self._stored()
        return Vectors(self._connection, stored) if stored else None

    def _all(self) -> Iterator[Owned]:
        vectors = self._vectors()
        return vectors.all() if vectors else iter(())

    def _adopt(self, model: Model) -> Vectors:
        """The first vectors decide whose gallery this is; an emptied gallery may change its model."""
        stored, vectors = self._stored(), Vectors(self._connection, model)
        if stored is not None:
            held = Vectors(self._connection, stored)
            if not held.is_empty():
                check_model(self, stored, model.digest, model.name)
                return held
            if stored.digest != model.digest:
                held.discard()
        vectors.make()
        self._records.put("model", [Record("current", asdict(model))])
        settled = self._stored()
        if settled is not None:  # another program may have begun at the same moment, with another model
            check_model(self, settled, model.digest, model.name)
        return vectors

    def _tell(self, event: str, counts: Mapping[Identity, int]) -> None:
        events = [Event(event, one.pseudonym, {"templates": count}) for one, count in counts.items()]
        if events:
            self._chain.append(events)

    def _erase(self) -> None:
        self._compact()
        logger.warning("%s: Milvus keeps the bytes of what went until it has compacted its files", self)

    def _compact(self) -> None:
        vectors = self._vectors()
        compact(self._connection, [self._records.collection, *([vectors.collection] if vectors else [])])
