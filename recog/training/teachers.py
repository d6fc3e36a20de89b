"""What the student should say: the embeddings that its teachers give each crop."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD

from recog.checkpoints import write_atomically
from recog.errors import ConfigError, WriteFailed
from recog.progress import progress
from recog.training.data import CropSet, cache_folder
from recog.vectors import unit

logger = logging.getLogger(__name__)
BLOCK = 1024  # crops whose answers are kept in one file of the cache
Vectors = NDArray[np.float32]


class Teacher(Protocol):
    """What the student learns from; `recog.embedding.Embedder` and `OnnxEmbedder` are."""

    @property
    def digest(self) -> str: ...
    @property
    def name(self) -> str: ...
    def embed(self, crops: NDArray[np.uint8], flip: bool = True) -> Vectors: ...


def targets(crops: CropSet, teachers: Sequence[Teacher], *, size: int | None = None) -> Vectors:
    """What the student should answer for each crop: (N, D) unit vectors.

    Several teachers are joined side by side, so that a cosine is the mean of theirs; where that is longer
    than `size`, it is projected onto its `size` strongest directions (singular value decomposition).

    Args:
        size: length of the student's embedding; default as long as the teachers' together.
    Raises: ConfigError: no teacher, or `size` is more than they have.
    """
    if not teachers:
        raise ConfigError("Distillation needs at least one teacher.")
    said = [_of_teacher(crops, teacher) for teacher in teachers]
    joined = np.concatenate(said, axis=1) / np.float32(np.sqrt(len(said)))
    if size is None or size == joined.shape[1]:
        return joined
    if size > joined.shape[1]:
        raise ConfigError(
            f"embedding_size is {size}, but the teachers give {joined.shape[1]} each face; take fewer."
        )
    projected: Vectors = TruncatedSVD(size, random_state=0).fit_transform(joined)
    return unit(projected)


def _of_teacher(crops: CropSet, teacher: Teacher) -> Vectors:
    """The teacher's embeddings (mirror image averaged in), each block computed once and kept in the cache."""
    parts = range(0, len(crops), BLOCK)
    bar = progress(parts, total=len(parts), desc=f"teacher {teacher.name}")
    return np.concatenate([_block(crops.images[at : at + BLOCK], teacher) for at in bar])


def _block(images: NDArray[np.uint8], teacher: Teacher) -> Vectors:
    content = hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
    key = hashlib.sha256(json.dumps([content, images.shape, teacher.digest]).encode()).hexdigest()[:24]
    path = cache_folder() / "targets" / f"{key}.npy"
    if path.is_file():
        kept: Vectors = np.load(path, allow_pickle=False)
        return kept
    vectors = teacher.embed(np.asarray(images))
    _keep(path, vectors)
    return vectors


def _keep(path: Path, vectors: Vectors) -> None:
    buffer = io.BytesIO()
    np.save(buffer, vectors, allow_pickle=False)
    try:
        write_atomically(path, buffer.getvalue())
    except WriteFailed as error:
        raise WriteFailed(f"{error} RECOG_CACHE names another cache folder.") from error
