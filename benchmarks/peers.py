"""Other people's recognisers under the same protocol, where they are installed.

A peer detects and encodes original photos in its own way; only the pairs and the counting are ours.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.exams import NO_FACE, Trials, folds_of
from benchmarks.pairs import Pairs, read_pairs
from benchmarks.photos import subject
from benchmarks.rows import label
from recog import images
from recog.errors import ConfigError, ImageError
from recog.progress import progress

logger = logging.getLogger(__name__)
Encode = Callable[[NDArray[np.uint8]], NDArray[np.float64] | None]


@dataclass(frozen=True)
class Peer:
    """A recogniser from another project."""

    name: str
    digest: str  # of its name and version: its weights come with its packages
    encode: Encode  # (H, W, 3) uint8 RGB -> (D,) of the photo's subject, or None without a face


def face_recognition() -> Peer:
    """dlib's ResNet as the package face_recognition offers it (extra `peers`).

    Raises: ConfigError: it is not installed.
    """
    try:
        import face_recognition as package
    except (ImportError, SystemExit) as error:  # it exits when its models are missing
        raise ConfigError("This peer is not installed: pip install 'recog[peers]'.") from error
    version = f"face_recognition {metadata.version('face_recognition')}, dlib {_dlib_version()}"

    def encode(image: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        places = package.face_locations(image)
        if not places:
            return None
        boxes = [
            (float(left), float(top), float(right), float(bottom)) for top, right, bottom, left in places
        ]
        chosen = places[subject(boxes, image.shape)]
        found: list[Any] = package.face_encodings(image, known_face_locations=[chosen])
        return np.asarray(found[0], np.float64) if found else None

    return Peer(version, hashlib.sha256(version.encode()).hexdigest(), encode)


PEERS: dict[str, Callable[[], Peer]] = {"face_recognition": face_recognition}


def examine(folder: Path, pairs_file: Path, peer: Peer) -> tuple[Trials, NDArray[np.float64]]:
    """A list of pairs of original photos, judged by a peer.

    Returns: the trials and (N,) their scores: 1 - Euclidean distance, higher is more alike; -1 where one of
        the photos has no face.
    Raises: DataError: photos or pairs cannot be used.
    """
    started = time.perf_counter()
    pairs = read_pairs(pairs_file, folder)
    encoded = [_encoded(folder / photo, peer) for photo in progress(pairs.photos, desc=peer.name)]
    found = np.array([vector is not None for vector in encoded])
    length = next((len(vector) for vector in encoded if vector is not None), 1)
    vectors = np.stack([np.zeros(length) if vector is None else vector for vector in encoded])
    protocol = f"{folds_of(pairs)}; the model's own detection; without a face a photo matches nobody"
    scores = _scores(vectors, found, pairs)
    name, seconds = f"{label(folder)}, {pairs_file.name}", time.perf_counter() - started
    return Trials(name, protocol, found, pairs, detected=True, seconds=seconds), scores


def _scores(vectors: NDArray[np.float64], found: NDArray[np.bool_], pairs: Pairs) -> NDArray[np.float64]:
    distance = np.linalg.norm(vectors[pairs.left] - vectors[pairs.right], axis=1)
    return np.where(found[pairs.left] & found[pairs.right], 1.0 - distance, NO_FACE)


def _encoded(photo: Path, peer: Peer) -> NDArray[np.float64] | None:
    try:
        return peer.encode(images.read(photo))
    except ImageError as error:
        logger.warning("%s", error)
        return None


def _dlib_version() -> str:
    import dlib

    return str(dlib.__version__)
