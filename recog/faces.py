"""Photo -> faces with their vectors: detection, alignment, repair and embedding in a row."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recog import images, quality
from recog.alignment import align
from recog.cards import Card
from recog.errors import FaceError, ImageError, NoFaceFound, SeveralFaces
from recog.images import Source
from recog.quality import Quality
from recog.types import Box, Face
from recog.vectors import unit

Crops = NDArray[np.uint8]  # (B, S, S, 3), RGB


class DetectorLike(Protocol):
    """What finds faces; `recog.detection.Detector` does.

    One that may be called by several threads at once says so by an attribute `thread_safe = True`; others are
    called by one thread at a time.
    """

    def detect(self, image: NDArray[np.uint8], /) -> list[Face]: ...


class EmbedderLike(Protocol):
    """What turns crops into vectors; `recog.embedding.Embedder` does. Threads: see `DetectorLike`."""

    @property
    def name(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def embedding_size(self) -> int: ...
    @property
    def crop_size(self) -> int: ...
    @property
    def card(self) -> Card: ...
    def embed(self, crops: Crops, /, flip: bool = True) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The faces of one photo."""

    faces: tuple[Face, ...]
    qualities: tuple[Quality, ...]
    embeddings: NDArray[np.float32]  # (B, D) unit vectors
    repaired: tuple[bool, ...]  # whether a repair changed the face before it was embedded


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A face cut out of its photo."""

    face: Face
    crop: NDArray[np.uint8]  # (S, S, 3), RGB, aligned; as taken, whether or not a repair follows


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A face cut out of its photo, with its vector."""

    face: Face
    crop: NDArray[np.uint8]  # as in Cut
    quality: Quality
    embedding: NDArray[np.float32]  # (D,), unit length
    repaired: bool  # as in Seen


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """What the models say of faces that were cut out."""

    qualities: tuple[Quality, ...]
    embeddings: NDArray[np.float32]  # (B, D) unit vectors
    repaired: tuple[bool, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """The faces of many photos, a row a face."""

    photo: tuple[str, ...]
    face: NDArray[np.int64]  # (N,) index of the face in its photo, largest first
    box: NDArray[np.float32]  # (N, 4) x1, y1, x2, y2 in px
    embedding: NDArray[np.float32]  # (N, D) unit vectors
    failed: tuple[tuple[str, str], ...]  # (photo, reason)


class FaceReader:
    """Runs the models over photos. Safe to share between threads."""

    def __init__(
        self,
        detector: DetectorLike,
        embedder: EmbedderLike,
        repair: Callable[[Crops], Crops] | None = None,
    ) -> None:
        """
        Args:
            repair: applied to aligned crops before they are embedded; same shape out.
        """
        self._detector = detector
        self._embedder = embedder
        self._repair = repair
        self._lock = threading.Lock()  # a detector, embedder or repairer that was passed in may not be safe

    @property
    def repairs(self) -> bool:
        """Whether crops are repaired before they are embedded."""
        return self._repair is not None

    def see(self, photo: Source, *, flip: bool = True) -> Seen:
        """All faces of a photo, largest first.

        Args:
            flip: embed the mirror images too and average: slower by two, slightly more accurate, and the best
                part of a face's quality. Galleries and their thresholds do.

        Raises: ImageError; FaceError: landmarks that cannot be aligned.
        """
        cuts = self._cuts(photo)
        said = self._described(cuts, flip)
        faces = tuple(cut.face for cut in cuts)
        return Seen(faces, said.qualities, said.embeddings, said.repaired)

    def cut(self, photo: Source, largest: bool) -> Cut:
        """The only face of a photo, not yet embedded.

        Args:
            largest: of several faces take the largest.
        Raises: ImageError; NoFaceFound; SeveralFaces: and not `largest`; FaceError: as `see`.
        """
        image, name = images.read(photo), images.name_of(photo)
        faces = self._detected(image)
        if not faces:
            raise no_face(name)
        if len(faces) > 1 and not largest:
            raise SeveralFaces(f"{name}: shows {len(faces)} faces. Crop it to one, or pass --largest.")
        return self._aligned(image, faces[0])

    def portraits(self, cuts: Sequence[Cut]) -> list[Portrait]:
        """Embed faces of any photos in one go."""
        said = self._described(cuts, flip=True)
        parts = zip(cuts, said.qualities, said.embeddings, said.repaired, strict=True)
        return [Portrait(cut.face, cut.crop, mark, vector, done) for cut, mark, vector, done in parts]

    def only_face(self, photo: Source, largest: bool) -> Portrait:
        """The only face of a photo. Args, Raises: as `cut`."""
        return self.portraits([self.cut(photo, largest)])[0]

    def _cuts(self, photo: Source) -> list[Cut]:
        image = images.read(photo)
        return [self._aligned(image, face) for face in self._detected(image)]

    def _detected(self, image: NDArray[np.uint8]) -> list[Face]:
        with self._turn(self._detector):
            return self._detector.detect(image)

    def _aligned(self, image: NDArray[np.uint8], face: Face) -> Cut:
        size = self._embedder.crop_size  # finer than it ever saw would be new to it
        return Cut(face, align(image, face.landmarks, size))

    def _described(self, cuts: Sequence[Cut], flip: bool) -> Described:
        size = self._embedder.crop_size
        crops = np.array([cut.crop for cut in cuts], np.uint8).reshape(-1, size, size, 3)
        repaired = np.zeros(len(crops), bool)
        if self._repair is not None and len(crops):
            before = crops
            with self._lock:
                crops = self._repair(crops)
            repaired = (crops != before).any(axis=(1, 2, 3))
        with self._turn(self._embedder):
            vectors, mirrored = self._embedded(crops, flip)
        usual = self._embedder.card.mirror
        found = zip(cuts, mirrored, strict=True)
        marks = tuple(quality.of_face(cut.face, cut.crop, cosine, usual) for cut, cosine in found)
        return Described(marks, vectors, tuple(repaired.tolist()))

    def _turn(self, part: DetectorLike | EmbedderLike) -> contextlib.AbstractContextManager[object]:
        """Waits for its turn, unless this part of the chain says that several threads may use it at once."""
        return contextlib.nullcontext() if getattr(part, "thread_safe", False) else self._lock

    def _embedded(self, crops: Crops, flip: bool) -> tuple[NDArray[np.float32], list[float] | list[None]]:
        """(B, D) unit vectors, and the cosines between faces and mirror images where those were embedded."""
        if not flip:
            return self._embedder.embed(crops, flip=False), [None] * len(crops)
        vectors, mirrored = both_ways(self._embedder, crops)
        return vectors, mirrored.tolist()

    def embed(
        self, photos: Source | Iterable[Source], *, largest: bool = False, flip: bool = True
    ) -> Embeddings:
        """The vectors of all faces on these photos.

        Args:
            largest: only the largest face of each photo.
            flip: see `see`.
        """
        rows: list[tuple[str, int, Box, NDArray[np.float32]]] = []
        failed: list[tuple[str, str]] = []
        for photo in several(photos):
            name = images.name_of(photo)
            try:
                seen = self.see(photo, flip=flip)
                if not seen.faces:
                    raise no_face(name)
                take = 1 if largest else len(seen.faces)
                rows += [(name, i, seen.faces[i].box, seen.embeddings[i]) for i in range(take)]
            except (ImageError, FaceError) as error:
                failed.append((name, reason(error, photo)))
        return Embeddings(
            tuple(row[0] for row in rows),
            np.array([row[1] for row in rows], np.int64),
            np.array([row[2] for row in rows], np.float32).reshape(-1, 4),
            np.array([row[3] for row in rows], np.float32).reshape(-1, self._embedder.embedding_size),
            tuple(failed),
        )


def both_ways(embedder: EmbedderLike, crops: Crops) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Embed crops and their mirror images, at the price of `embed` with flip.

    Returns: (B, D) unit vectors, both images averaged, and (B,) the cosine between the two.
    """
    one, other = embedder.embed(crops, flip=False), embedder.embed(crops[:, :, ::-1], flip=False)
    return unit(one + other), (one * other).sum(axis=1)


def reason(error: Exception, photo: Source) -> str:
    """What is wrong with a photo, without its name in front."""
    if isinstance(error, ImageError):
        return error.cause
    return str(error).removeprefix(f"{images.name_of(photo)}: ")


def no_face(name: str) -> NoFaceFound:
    """The error of a photo without a face."""
    return NoFaceFound(
        f"{name}: no face found. Use a larger or sharper photo that shows the face from the front."
    )


def several(sources: Source | Iterable[Source]) -> Iterable[Source]:
    """One photo as a list of one; several as they are."""
    if isinstance(sources, str | bytes | os.PathLike | np.ndarray):
        return [sources]
    return sources
