"""Photos of many people -> one gallery: read in all cores' threads, embedded and stored by the batch.

    (name, photo) -> digest -> already there?  -> decode, detect, align   in threads, a few photos ahead
                  -> mirror images and vectors, CHUNK faces at once        in the same threads
                  -> templates, BATCH photos in one transaction            in the caller's thread, in order

Nothing of a photo but its aligned face outlives its first step, so that memory does not grow with the photos.
A kill loses what is not stored yet; the same call again skips what is stored and goes on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from recog import images
from recog.enrollment import Enroller, Terms, best_of, told_of_likeness
from recog.errors import (
    ConfigError,
    FaceError,
    ImageError,
    NoFaceFound,
    PoorQuality,
    RecogError,
    SeveralFaces,
)
from recog.faces import Cut, Portrait, reason
from recog.images import Source
from recog.records import Template, clean_name
from recog.types import Enrollment, Failure
from recog.workers import batches, count, in_order, workers

AHEAD = 16  # photos that each thread may be ahead of the slowest
CHUNK = 32  # photos whose faces are embedded at once: more gain nothing, see `recog.embedding`
BATCH = 256  # photos a transaction: a kill costs fewer than these, and what is under way
CAUSES: dict[type[RecogError], str] = {
    ImageError: "unreadable",
    NoFaceFound: "no face",
    SeveralFaces: "several faces",
    PoorQuality: "poor quality",
    FaceError: "not alignable",
    ConfigError: "no valid name",
}

Entry = tuple[str, Source]  # whom a photo shows, and the photo
OnFailure = Callable[[Failure], None]
Pending = dict[str, dict[str, Template]]  # what a transaction will add, by person and digest of the photo


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """One photo on its way: with its face, or why it has none; with neither where it was there already."""

    identity: str  # in the gallery's spelling, where it is a name
    photo: str  # as messages call it: the photo itself may be an array
    digest: str = ""  # empty where the photo cannot be opened
    cut: Cut | None = None
    failure: Failure | None = None  # not the error: its traceback would keep the decoded photo


class Bulk:
    """One enrollment of many people with one Enroller."""

    def __init__(self, enroller: Enroller, terms: Terms, on_failure: OnFailure) -> None:
        self._enroller, self._gallery, self._faces = enroller, enroller.gallery, enroller.faces
        self._terms, self._on_failure = terms, on_failure

    def run(self, photos: Iterable[Entry]) -> Generator[Enrollment, None, None]:
        """See `recog.Recognizer.enroll_all`."""
        unfinished: Enrollment | None = None
        with workers() as pool:
            for batch in batches(self._read(pool, photos), BATCH):
                for result in self._stored(batch):
                    if unfinished is None:
                        unfinished = result
                    elif unfinished.identity == result.identity:
                        unfinished = _joined(unfinished, result)
                    else:
                        yield told_of_likeness(unfinished)
                        unfinished = result
        if unfinished is not None:
            yield told_of_likeness(unfinished)

    # ---------------------------------------------------------------- in the threads

    def _read(
        self, pool: ThreadPoolExecutor, photos: Iterable[Entry]
    ) -> Iterator[tuple[Looked, Portrait | None]]:
        looked = in_order(pool, self._look, photos, AHEAD * count())
        embedded = in_order(pool, self._embed, batches(looked, CHUNK), count())
        return itertools.chain.from_iterable(embedded)

    def _look(self, entry: Entry) -> Looked:
        """Find the face of a photo, unless the person has the photo already."""
        name, photo = entry
        called, digest = images.name_of(photo), ""
        try:
            name = clean_name(name)
        except ConfigError as error:
            return Looked(name, called, failure=_failure(called, name, error))
        try:
            digest = images.digest(photo)
            if self._gallery.has(name, digest):
                return Looked(name, called, digest)
            return Looked(name, called, digest, self._faces.cut(photo, self._terms.largest))
        except (ImageError, FaceError) as error:
            why = _failure(called, name, error)
            return Looked(name, called, digest, failure=why)

    def _embed(self, chunk: list[Looked]) -> list[tuple[Looked, Portrait | None]]:
        cuts = [looked.cut for looked in chunk if looked.cut is not None]
        portraits = iter(self._faces.portraits(cuts) if cuts else [])
        return [(looked, None if looked.cut is None else next(portraits)) for looked in chunk]

    # ---------------------------------------------------------------- in the caller's thread

    def _stored(self, batch: Sequence[tuple[Looked, Portrait | None]]) -> list[Enrollment]:
        """Store a batch, all or nothing; gives what became of each person's photos in it."""
        pending: Pending = {}
        results: list[Enrollment] = []
        new: list[tuple[str, list[Template]]] = []
        for name, photos in itertools.groupby(batch, key=lambda read: read[0].identity):
            outcomes = [self._judged(looked, face, pending) for looked, face in photos]
            new.append((name, [one for one in outcomes if isinstance(one, Template)]))
            failed = [one for one in outcomes if isinstance(one, Failure)]
            results.append(self._counted(name, len(new[-1][1]), len(outcomes), failed))
        people = {name: list(templates.values()) for name, templates in pending.items()}
        self._gallery.add_all(people, self._enroller.model)
        likenesses = self._enroller.resembled(new)
        return [replace(one, resembles=like) for one, like in zip(results, likenesses, strict=True)]

    def _judged(self, looked: Looked, face: Portrait | None, pending: Pending) -> Template | Failure | None:
        """A photo's template, or why it has none; None where the person has the photo already."""
        if face is None and looked.failure is None:
            return None
        if looked.digest:
            holders = self._gallery.names_with(looked.digest)
            holders |= {who for who, templates in pending.items() if looked.digest in templates}
            if looked.identity in holders:  # by now: a copy of it was on its way, or another program's
                return None
            self._enroller.warn_of_other_names(looked.identity, looked.photo, holders)
        if face is None:
            return looked.failure
        try:
            made = self._enroller.template(face, looked.photo, looked.digest, self._terms)
        except PoorQuality as error:
            return _failure(looked.photo, looked.identity, error)
        return pending.setdefault(looked.identity, {}).setdefault(looked.digest, made)

    def _counted(self, name: str, added: int, photos: int, failed: Sequence[Failure]) -> Enrollment:
        """What became of a person's photos; tells of those that failed."""
        for failure in failed:
            self._on_failure(failure)
        reasons = tuple((failure.photo, failure.message) for failure in failed)
        return Enrollment(name, added, photos - added - len(failed), reasons)


def _failure(photo: str, identity: str, error: ImageError | FaceError | ConfigError) -> Failure:
    return Failure(photo, identity, CAUSES[type(error)], reason(error, photo))


def _joined(one: Enrollment, other: Enrollment) -> Enrollment:
    """What became of the photos of a person who came in two batches."""
    return Enrollment(
        one.identity,
        one.added + other.added,
        one.skipped + other.skipped,
        one.failed + other.failed,
        best_of((*one.resembles, *other.resembles)),
    )
