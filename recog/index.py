"""Exact cosine search with FAISS, derived from the gallery and rebuilt when that changes."""

from __future__ import annotations

import threading
import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recog.errors import ConfigError, DataError
from recog.gallery import Gallery
from recog.types import Candidate

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # SWIG types, on Python 3.12 and later
    import faiss


class SearchIndex:
    """Nearest enrolled people of probe vectors. Safe to share between threads."""

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._lock = threading.Lock()
        self._revision = -1
        self._codes = np.zeros(0, np.int64)  # (N,) index into _names
        self._names: NDArray[np.str_] = np.zeros(0, np.str_)
        self._most_templates = 0
        self._index = faiss.IndexFlatIP(0)

    def search(self, probes: ArrayLike, k: int = 5) -> list[list[Candidate]]:
        """The k most similar people of each probe, each with the best of their templates.

        Args:
            probes: (B, D) unit vectors.
            k: candidates wanted; fewer come back when fewer people are enrolled.
        Raises: DataError: a probe is not finite or of another size; ConfigError: k < 1.
        """
        if k < 1:
            raise ConfigError(f"k is {k}; give the number of candidates wanted, at least 1.")
        queries = np.ascontiguousarray(probes, dtype=np.float32)
        if queries.ndim != 2 or not np.isfinite(queries).all():
            raise DataError(f"Probes must be finite vectors (B, D); these are {queries.shape} or hold NaN.")
        with self._lock:
            self._refresh()
            if not len(self._codes):
                return [[] for _ in queries]
            if queries.shape[1] != self._index.d:
                raise DataError(f"Probes have {queries.shape[1]} numbers, the gallery's {self._index.d}.")
            # k - 1 people can fill at most this many places before the k-th shows up
            depth = min((k - 1) * self._most_templates + 1, len(self._codes))
            similarities, rows = self._index.search(queries, depth)
            return [self._best(*found, k) for found in zip(similarities, rows, strict=True)]

    def _refresh(self) -> None:
        if self._gallery.revision == self._revision:
            return
        snapshot = self._gallery.snapshot()
        self._names, self._codes = np.unique(np.array(snapshot.identities, np.str_), return_inverse=True)
        self._most_templates = int(np.bincount(self._codes).max(initial=0))
        self._index = faiss.IndexFlatIP(snapshot.embeddings.shape[1])
        self._index.add(np.ascontiguousarray(snapshot.embeddings))
        self._revision = snapshot.revision

    def _best(self, similarities: NDArray[np.float32], rows: NDArray[np.int64], k: int) -> list[Candidate]:
        people, first = np.unique(self._codes[rows], return_index=True)  # rows come best first
        order = np.argsort(first)[:k]
        return [Candidate(str(self._names[people[i]]), float(similarities[first[i]])) for i in order]
