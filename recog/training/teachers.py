"""What the student should say: the embeddings that its teachers give each crop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.decomposition import TruncatedSVD

from recog.errors import ConfigError
from recog.training.data import CropSet
from recog.training.embeddings import Model, Vectors, embeddings
from recog.vectors import unit


def targets(crops: CropSet, teachers: Sequence[Model], *, size: int | None = None) -> Vectors:
    """What the student should answer for each crop: (N, D) unit vectors.

    Several teachers are joined side by side, so that a cosine is the mean of theirs; where that is longer
    than `size`, it is projected onto its `size` strongest directions (singular value decomposition).

    Args:
        size: length of the student's embedding; default as long as the teachers' together.
    Raises: ConfigError: no teacher, or `size` is more than they have; WriteFailed: as `embeddings`.
    """
    if not teachers:
        raise ConfigError("Distillation needs at least one teacher.")
    said = [embeddings(crops, teacher) for teacher in teachers]
    joined = np.concatenate(said, axis=1) / np.float32(np.sqrt(len(said)))
    if size is None or size == joined.shape[1]:
        return joined
    if size > joined.shape[1]:
        raise ConfigError(
            f"embedding_size is {size}, but the teachers give {joined.shape[1]} each face; take fewer."
        )
    projected: Vectors = TruncatedSVD(size, random_state=0).fit_transform(joined)
    return unit(projected)
