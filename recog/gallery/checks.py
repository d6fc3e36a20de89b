"""What every kind of gallery checks at its door."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recog.errors import ConfigError, DataError, ModelMismatch
from recog.records import Model


def check_model(place: object, stored: Model | None, digest: str, name: str) -> None:
    """Raises: ModelMismatch: the vectors of a gallery are of another model than this one."""
    if stored is not None and stored.digest != digest:
        raise ModelMismatch(
            f"{place} was enrolled with {stored.name!r} ({stored.digest[:12]}), but {name!r} "
            f"({digest[:12]}) is loaded. Pass --model with the name or file of the first, or enroll "
            "into a new gallery."
        )


def check_vector(embedding: NDArray[np.float32], size: int) -> None:
    """Raises: DataError: a vector is not finite, not of unit length or of another size."""
    vector = np.asarray(embedding, np.float32)
    if vector.shape != (size,) or not np.isfinite(vector).all():
        raise DataError(
            f"A template must be {size} finite numbers, but has shape {vector.shape} or holds NaN."
        )
    if abs(float(np.linalg.norm(vector)) - 1) > 1e-3:
        raise DataError(f"A template must have unit length, not {np.linalg.norm(vector):.4f}. Normalise it.")


def checked_probes(probes: ArrayLike, k: int) -> NDArray[np.float32]:
    """(B, D) probes that can be searched. Raises: DataError: not finite vectors; ConfigError: k < 1."""
    if k < 1:
        raise ConfigError(f"k is {k}; give the number of candidates wanted, at least 1.")
    queries = np.ascontiguousarray(probes, dtype=np.float32)
    if queries.ndim != 2 or not np.isfinite(queries).all():
        raise DataError(f"Probes must be finite vectors (B, D); these are {queries.shape} or hold NaN.")
    return queries


def check_size(queries: NDArray[np.float32], size: int) -> None:
    """Raises: DataError: probes have another number of numbers than the gallery's vectors."""
    if queries.shape[1] != size:
        raise DataError(f"Probes have {queries.shape[1]} numbers, the gallery's {size}.")
