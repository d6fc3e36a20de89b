"""What the student should say: the embeddings that its teachers give each crop."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD

from recog.errors import ConfigError, WriteFailed
from recog.progress import progress
from recog.training.data import CropSet, cache_folder

logger = logging.getLogger(__name__)
CHUNK = 256  # crops between two looks at the progress bar
Vectors = NDArray[np.float32]


class Teacher(Protocol):
    """What the student learns from; `recog.embedding.Embedder` and `OnnxEmbedder` are."""

    @property
    def digest(self) -> str: ...
    @property
    def name(self) -> str: ...
    def embed(self, crops: NDArray[np.uint8], flip: bool = True) -> Vectors: ...


def targets(
    crops: CropSet, teachers: Sequence[Teacher], *, size: int | None = None, cache_dir: Path | None = None
) -> Vectors:
    """What the student should answer for each crop: (N, D) unit vectors.

    Several teachers are joined side by side, so that a cosine is the mean of theirs; where that is longer
    than `size`, it is projected onto its `size` strongest directions (singular value decomposition).

    Args:
        size: length of the student's embedding; default as long as the teachers' together.
    Raises: ConfigError: no teacher, or `size` is more than they have.
    """
    if not teachers:
        raise ConfigError("Distillation needs at least one teacher.")
    said = [_of_teacher(crops, teacher, cache_dir or cache_folder()) for teacher in teachers]
    joined = np.concatenate(said, axis=1) / np.float32(np.sqrt(len(said)))
    if size is None or size == joined.shape[1]:
        return joined
    if size > joined.shape[1]:
        raise ConfigError(
            f"embedding_size is {size}, but the teachers give {joined.shape[1]} each face; take fewer."
        )
    return _unit(TruncatedSVD(size, random_state=0).fit_transform(joined))


def centres(vectors: Vectors, labels: NDArray[np.int64], people: int) -> Vectors:
    """Mean direction of each person's crops: (people, D) unit vectors; crops with label -1 count nowhere."""
    known = labels >= 0
    sums = np.zeros((people, vectors.shape[1]), np.float64)
    np.add.at(sums, labels[known], vectors[known])
    return _unit(sums)


def _of_teacher(crops: CropSet, teacher: Teacher, cache: Path) -> Vectors:
    """The teacher's embeddings (mirror image averaged in), computed once and kept in the cache."""
    content = hashlib.sha256(np.ascontiguousarray(crops.images).data).hexdigest()
    key = hashlib.sha256(json.dumps([content, crops.images.shape, teacher.digest]).encode()).hexdigest()[:24]
    path = cache / "targets" / f"{key}.npy"
    if path.is_file():
        kept: Vectors = np.load(path, allow_pickle=False)
        return kept
    parts = range(0, len(crops), CHUNK)
    bar = progress(parts, total=len(parts), desc=f"teacher {teacher.name}")
    vectors = np.concatenate([teacher.embed(np.asarray(crops.images[at : at + CHUNK])) for at in bar])
    _keep(path, vectors)
    return vectors


def _keep(path: Path, vectors: Vectors) -> None:
    scratch = path.with_suffix(f".{os.getpid()}.part.npy")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(scratch, vectors, allow_pickle=False)
        scratch.replace(path)
    except OSError as error:
        raise WriteFailed(
            f"{path}: the cache cannot be written ({error.strerror}). Set RECOG_CACHE to another folder."
        ) from error
    finally:
        scratch.unlink(missing_ok=True)


def _unit(vectors: NDArray[np.floating]) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return unit
