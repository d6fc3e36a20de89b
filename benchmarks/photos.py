"""Photos of one person each -> aligned crops, or vectors and qualities, and which photos gave none."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recog import images
from recog.alignment import align
from recog.errors import DataError, FaceError, ImageError
from recog.faces import DetectorLike, EmbedderLike, FaceReader, reason
from recog.photos import SUFFIXES, of_people
from recog.progress import progress
from recog.quality import Quality
from recog.records import spelled
from recog.training.data import read_crop
from recog.types import Box

logger = logging.getLogger(__name__)
Crops = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Graded:
    """The subjects of P photos: their vectors and qualities."""

    vectors: NDArray[np.float32]  # (P, D) unit vectors; zeros where there is no face
    found: NDArray[np.bool_]  # (P,) whether the photo has a face
    qualities: Sequence[Quality | None]  # (P,); None where there is no face


def people_of(folder: Path) -> dict[str, list[Path]]:
    """The photos of each person of a folder, named as galleries name people; who has none is left out.

    Raises: DataError: the folder cannot be listed, or has no sub-folders.
    """
    people: dict[str, list[Path]] = {}
    for name, found in of_people(folder).items():
        people.setdefault(spelled(name), []).extend(path for path in found if path.is_file())
    return {name: found for name, found in people.items() if found}


def grade(photos: Sequence[Path], embedder: EmbedderLike, detector: DetectorLike) -> Graded:
    """The subject of each photo, as `enroll` would see it."""
    reader = FaceReader(detector, embedder)
    vectors = np.zeros((len(photos), embedder.embedding_size), np.float32)
    qualities: list[Quality | None] = [None] * len(photos)
    for place, photo in enumerate(progress(photos, total=len(photos), desc="faces")):
        try:
            image = images.read(photo)
            seen = reader.see(image)
        except (ImageError, FaceError) as error:
            logger.warning("%s: no face: %s", photo, reason(error, photo))
            continue
        if seen.faces:
            chosen = subject([face.box for face in seen.faces], image.shape)
            vectors[place], qualities[place] = seen.embeddings[chosen], seen.qualities[chosen]
    return Graded(vectors, np.array([mark is not None for mark in qualities]), qualities)


def from_photos(
    folder: Path, photos: Sequence[str], size: int, detector: DetectorLike
) -> tuple[Crops, NDArray[np.bool_]]:
    """Detect and align one face a photo.

    Returns: (P, size, size, 3) crops and (P,) whether the photo gave one; where it did not the crop is black.
    """
    return _collect(photos, size, lambda photo: _detected(folder / photo, size, detector))


def from_landmarks(
    folder: Path, photos: Sequence[str], size: int, landmarks: dict[str, NDArray[np.float32]]
) -> tuple[Crops, NDArray[np.bool_]]:
    """Align by published landmarks, to tell errors of detection from errors of embedding.

    Raises: DataError: a photo has no landmarks.
    """
    missing = [photo for photo in photos if _stem(photo) not in landmarks]
    if missing:
        raise DataError(f"{len(missing)} photos have no landmarks, for example {missing[0]}.")
    return _collect(
        photos, size, lambda photo: align(images.read(folder / photo), landmarks[_stem(photo)], size)
    )


def from_crops(folder: Path, photos: Sequence[str], size: int) -> tuple[Crops, NDArray[np.bool_]]:
    """Read photos that are aligned crops already."""
    return _collect(photos, size, lambda photo: read_crop(folder / photo, size))


def read_landmarks(path: Path) -> dict[str, NDArray[np.float32]]:
    """`photo x y x y x y x y x y` a line -> (5, 2) px by photo (without its extension, if any).

    Raises: DataError: unreadable or another format.
    """
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return {_stem(words[0]): np.array(words[1:], np.float32).reshape(5, 2) for words in lines}
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: expected lines of a photo and ten numbers ({error}).") from error


def subject(boxes: Sequence[Box], shape: tuple[int, ...]) -> int:
    """Which face a photo is of: the largest and most central one.

    The rule is the one LFW is usually cropped by: area less twice the squared distance to the centre of the
    photo, in px (davidsandberg/facenet, align_dataset_mtcnn.py).

    Args:
        boxes: x1, y1, x2, y2 in px.
        shape: (height, width, ...) of the photo.
    """

    def score(box: Box) -> float:
        x1, y1, x2, y2 = box
        off_x, off_y = (x1 + x2 - shape[1]) / 2, (y1 + y2 - shape[0]) / 2
        return (x2 - x1) * (y2 - y1) - 2 * (off_x**2 + off_y**2)

    return max(range(len(boxes)), key=lambda place: score(boxes[place]))


def _detected(photo: Path, size: int, detector: DetectorLike) -> Crops | None:
    image = images.read(photo)
    faces = detector.detect(image)
    if not faces:
        return None
    return align(image, faces[subject([face.box for face in faces], image.shape)].landmarks, size)


def _collect(photos: Sequence[str], size: int, crop_of: _CropOf) -> tuple[Crops, NDArray[np.bool_]]:
    crops = np.zeros((len(photos), size, size, 3), np.uint8)
    found = np.zeros(len(photos), np.bool_)
    for place, photo in enumerate(progress(photos, total=len(photos), desc="faces")):
        try:
            crop = crop_of(photo)
        except (ImageError, FaceError, DataError) as error:
            logger.warning("%s: no face: %s", photo, reason(error, photo))
            continue
        if crop is not None:
            crops[place], found[place] = crop, True
    if len(photos) and not found.any():
        raise DataError(f"None of {len(photos)} photos gave a face, as {photos[0]}. Check the folder.")
    return crops, found


def _stem(photo: str) -> str:
    """A photo without its extension; what follows a dot in a name, as in J._P._Morgan_0001, is none."""
    suffix = PurePath(photo).suffix
    return photo.removesuffix(suffix) if suffix.lower() in SUFFIXES else photo


class _CropOf(Protocol):
    def __call__(self, photo: str) -> Crops | None: ...
