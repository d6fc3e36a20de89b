"""Nearest rows with FAISS: exact up to tens of thousands, short codes beyond.

Rows bear numbers of the caller's. Both kinds add, remove and search; only the second is worth keeping.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # SWIG types, on Python 3.12 and later
    import faiss

Found = tuple[NDArray[np.float32], NDArray[np.int64]]  # (B, depth) cosines, best first, and row numbers or -1
FLAT_LIMIT = 10_000  # rows up to which exact search is used: at 10,000 it takes 0.12 ms, codes 0.09
KEPT = 0.75  # share of the components that codes stand for
ROWS_A_LIST = 8_000  # on average
FEWEST_LISTS = 64  # under that there is one: all codes are looked at
OUTGROWN = 4  # times as many lists as there are: time to learn anew
TAUGHT_BY = 20_000  # rows, or 50 a list
LOOKED_AT = 0.72  # share of the lists that a search visits


class RowsIndex(Protocol):
    """Rows under numbers, added, removed and searched: what another kind of index would have to be."""

    exact: bool  # whether the similarities found are those of the rows
    _index: Any  # of a class of FAISS

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def add(self, numbers: NDArray[np.int64], rows: NDArray[np.float32]) -> None:
        """Add rows (N, D) under numbers (N,) that are not in use."""
        self._index.add_with_ids(np.ascontiguousarray(rows, np.float32), numbers)

    def remove(self, numbers: NDArray[np.int64]) -> None:
        """Drop the rows of these numbers (N,)."""
        if len(numbers):
            self._index.remove_ids(faiss.IDSelectorBatch(numbers))

    def numbers(self) -> NDArray[np.int64]:
        """Those of all rows."""

    def is_outgrown(self, rows: int) -> bool:
        """Whether an index for so many rows should be made anew."""

    def search(self, queries: NDArray[np.float32], depth: int) -> Found:
        """The rows with the highest inner products with queries (B, D), as far as this kind finds them."""
        found: Found = self._index.search(queries, min(depth, len(self)))
        return found


class FlatIndex(RowsIndex):
    """All rows are compared: exact."""

    exact = True

    def __init__(self, size: int) -> None:
        """
        Args:
            size: numbers in a row (D).
        """
        self._index = faiss.IndexIDMap(faiss.IndexFlatIP(size))

    def numbers(self) -> NDArray[np.int64]:
        """Those of all rows."""
        return np.array(faiss.vector_to_array(self._index.id_map), np.int64)

    def is_outgrown(self, rows: int) -> bool:
        """Whatever their number, all are compared."""
        return True


class InvertedIndex(RowsIndex):
    """Rows as short codes; very many in lists by their nearest centre, most of which are looked at.

    Only the person is near a face, so lists save little: what is quick is to compare codes of four bits in
    registers (Andre et al., "Cache locality is not enough", VLDB 2015). A code stands for two of the leading
    principal components, paired so that all pairs spread alike (Ge et al., "Optimized product quantization",
    CVPR 2013, section 4.2). Similarities are those of the codes: compute those of the rows that matter again.
    """

    exact = False

    def __init__(self, rows: NDArray[np.float32], *, index: Any = None) -> None:
        """
        Args:
            rows: (N, D) to learn components, centres and codes from; they are not added.
        """
        self._index = _taught(rows) if index is None else index
        self._lists: Any = faiss.extract_index_ivf(self._index)
        self._lists.nprobe = max(1, math.ceil(self._lists.nlist * LOOKED_AT))

    def numbers(self) -> NDArray[np.int64]:
        """Those of all rows."""
        lists = self._lists.invlists
        found = [
            faiss.rev_swig_ptr(lists.get_ids(one), lists.list_size(one)).copy()
            for one in range(self._lists.nlist)
            if lists.list_size(one)
        ]
        return np.concatenate([np.zeros(0, np.int64), *found])

    def is_outgrown(self, rows: int) -> bool:
        """Whether so many rows are to be in far more lists."""
        return _lists_for(rows) > OUTGROWN * int(self._lists.nlist)

    def to_bytes(self) -> bytes:
        """What `from_bytes` reads."""
        return bytes(faiss.serialize_index(self._index))

    @classmethod
    def from_bytes(cls, content: bytes) -> InvertedIndex:
        """An index from bytes that `to_bytes` gave: others may crash FAISS, so check their digest first."""
        index = faiss.deserialize_index(np.frombuffer(content, np.uint8))
        return cls(np.zeros((0, index.d), np.float32), index=index)


def _taught(rows: NDArray[np.float32]) -> Any:
    lists = _lists_for(len(rows))
    chosen = np.random.default_rng(0).permutation(len(rows))[: max(TAUGHT_BY, 50 * lists)]
    sample = np.ascontiguousarray(rows[chosen], np.float32)
    components = _components(sample)
    kept, size = components.shape
    rotation = faiss.LinearTransform(size, kept, False)
    faiss.copy_array_to_vector(components.ravel(), rotation.A)
    rotation.is_trained = True
    codes = faiss.index_factory(kept, f"IVF{lists},PQ{kept // 2}x4fs", faiss.METRIC_INNER_PRODUCT)
    index = faiss.IndexPreTransform(rotation, codes)
    index.train(sample)
    return index


def _lists_for(rows: int) -> int:
    lists = rows // ROWS_A_LIST
    return lists if lists >= FEWEST_LISTS else 1


def _components(sample: NDArray[np.float32]) -> NDArray[np.float32]:
    """(K, D) leading principal components, each strong one beside a weak one."""
    values, axes = np.linalg.eigh(np.cov(sample.T))
    half = max(1, int(KEPT * len(values)) // 2)
    leading = axes[:, ::-1][:, : 2 * half].T
    pairs = np.stack([leading[:half], leading[half:][::-1]], axis=1)
    return np.ascontiguousarray(pairs.reshape(2 * half, -1), np.float32)


def flat_bytes(rows: NDArray[np.float32]) -> bytes:
    """A file of FAISS: an exact index of inner products over rows (N, D)."""
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(np.ascontiguousarray(rows, np.float32))
    return bytes(faiss.serialize_index(index))
