"""Embeddings as vectors: all that recognition asks of them is their direction."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Real = TypeVar("Real", np.float32, np.float64)


def unit(vectors: NDArray[Real]) -> NDArray[Real]:
    """Vectors of length 1.

    Args:
        vectors: (..., D).
    Returns: (..., D) in the same precision; a vector of zeros stays one.
    """
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: NDArray[Real] = vectors / np.maximum(lengths, vectors.dtype.type(1e-12))
    return scaled


def centres(vectors: NDArray[Real], labels: NDArray[np.int64], people: int) -> NDArray[Real]:
    """The mean direction of each person's vectors.

    Args:
        vectors: (N, D) unit vectors. labels: (N,) 0..people-1, or -1 for nobody.
    Returns: (people, D) unit vectors; zeros for a person without any.
    """
    known = labels >= 0
    sums = np.zeros((people, vectors.shape[1]), np.float64)
    np.add.at(sums, labels[known], vectors[known])
    return unit(sums).astype(vectors.dtype)
