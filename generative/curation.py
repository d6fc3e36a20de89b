"""Which synthetic faces are worth keeping: like the person they stand for, unlike each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DUPLICATE = 0.98  # cosine from which two photos of a person say the same


def without_duplicates(vectors: NDArray[np.float32], limit: float = DUPLICATE) -> NDArray[np.int64]:
    """Indices of (N, D) unit vectors, in order, that no earlier kept one matches at `limit` or more."""
    kept: list[int] = []
    for index, vector in enumerate(vectors):
        if not kept or float((vectors[kept] @ vector).max()) < limit:
            kept.append(index)
    return np.array(kept, np.int64)


def most_fitting(vectors: NDArray[np.float32], centre: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Indices of the `count` photos most like `centre`, ascending; duplicates if nothing else is left."""
    order = np.argsort(-(vectors @ centre), kind="stable")
    distinct = order[without_duplicates(vectors[order])]
    repeats = order[~np.isin(order, distinct)]
    return np.sort(np.concatenate([distinct, repeats])[:count])
