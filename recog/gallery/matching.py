"""Which people a probe looks like: all templates of a gallery in memory, searched with FAISS."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.gallery.ranking import Scored, best_people
from recog.gallery.slots import Slots
from recog.index import FLAT_LIMIT, FlatIndex, InvertedIndex, RowsIndex

SHORTLIST = 256  # rows of an inexact index whose similarities are computed again, at least
AT_ONCE = 65_536  # rows or people, while an index is built


@dataclass(frozen=True, slots=True)
class Cursor:
    """How much of a gallery is known."""

    epoch: int = -1  # of the template numbers
    templates: int = 0  # highest number known
    removals: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What happened to the templates of a gallery."""

    revision: int
    until: Cursor
    first: int  # slots 0..first-1 are known already
    owners: NDArray[np.int64]  # (N,) whose template each later slot holds, 0 for an empty one
    vectors: NDArray[np.floating]  # (N, D)
    removed: NDArray[np.int64]  # (R, 2) template and identity numbers


class Matcher:
    """All templates of a gallery at one moment. Not safe to share between threads.

    Rows of the index bear even numbers for templates (twice the slot) and odd ones for centres (twice the
    identity's number and one) of people with several.
    """

    def __init__(self) -> None:
        self.revision, self.cursor = -1, Cursor()
        self._slots = Slots()
        self._index: RowsIndex = FlatIndex(0)

    @property
    def size(self) -> int:
        """Numbers in a vector (D)."""
        return int(self._slots.vectors.shape[1])

    @property
    def inverted(self) -> InvertedIndex | None:
        """The index, where it is worth keeping."""
        return self._index if isinstance(self._index, InvertedIndex) else None

    # ---------------------------------------------------------------- following the gallery

    def adopt(self, index: InvertedIndex, cursor: Cursor) -> None:
        """Begin with an index that was kept, made at a cursor; `apply` brings the templates."""
        self._index, self.cursor = index, cursor

    def apply(self, changes: Changes) -> None:
        """Take in what happened since `cursor`."""
        if changes.until.epoch != self.cursor.epoch:
            self._index = FlatIndex(changes.vectors.shape[1])
            self.cursor = Cursor(changes.until.epoch)
        gone = changes.removed[changes.removed[:, 0] <= self.cursor.templates]
        if changes.first:
            self._slots.empty(gone[:, 0] - 1)
            self._slots.append(changes.owners, changes.vectors)
        else:
            self._slots = Slots(changes.owners, changes.vectors)
        self._reindex(gone, np.arange(self.cursor.templates, len(self._slots.owners)))
        self.revision, self.cursor = changes.revision, changes.until

    def _reindex(self, gone: NDArray[np.int64], late: NDArray[np.int64]) -> None:
        new = late[self._slots.owners[late] > 0]
        rows = len(self._index) + len(new)
        if rows > FLAT_LIMIT and self._index.is_outgrown(rows):
            self._build()
            return
        touched = np.union1d(gone[:, 1], self._slots.owners[new])
        self._index.remove(np.concatenate([2 * (gone[:, 0] - 1), 2 * touched + 1]))
        self._index.add(2 * new, self._slots.vectors[new].astype(np.float32))
        self._add_centres(touched)

    def _build(self) -> None:
        filled = np.flatnonzero(self._slots.owners)
        self._index = InvertedIndex(self._slots.vectors[filled])
        for part in _parts(filled):
            self._index.add(2 * part, self._slots.vectors[part].astype(np.float32))
        for part in _parts(np.unique(self._slots.owners[filled])):
            self._add_centres(part)

    def _add_centres(self, people: NDArray[np.int64]) -> None:
        several = np.diff(self._slots.of(people)[1]) > 1
        if several.any():
            self._index.add(2 * people[several] + 1, self._slots.centres(people[several]))

    def is_sound(self) -> bool:
        """Whether the index holds the rows that a new one would hold."""
        filled = np.flatnonzero(self._slots.owners)
        people, counts = np.unique(self._slots.owners[filled], return_counts=True)
        wanted = np.concatenate([2 * filled, 2 * people[counts > 1] + 1])
        return np.array_equal(np.sort(self._index.numbers()), np.sort(wanted))

    # ---------------------------------------------------------------- searching

    def search(self, queries: NDArray[np.float32], k: int) -> list[Scored]:
        """The k most similar people of each query (B, D); fewer where fewer are enrolled."""
        answers: list[Scored] = [[] for _ in queries]
        open_ = np.arange(len(queries))
        depth = max(32, 4 * k) if self._index.exact else max(SHORTLIST, 8 * k)
        while len(open_) and len(self._index):
            similarities, rows = self._index.search(queries[open_], depth)
            unsure = []
            for place, found, numbers in zip(open_.tolist(), similarities, rows, strict=True):
                if self._index.exact:
                    answers[place], sure = self._rank(queries[place], found, numbers, k)
                else:
                    answers[place], sure = self._rescore(queries[place], numbers, k)
                if not sure and depth < len(self._index):
                    unsure.append(place)
            open_, depth = np.array(unsure, np.int64), 4 * depth
        return answers

    def _rank(
        self, query: NDArray[np.float32], found: NDArray[np.float32], rows: NDArray[np.int64], k: int
    ) -> tuple[Scored, bool]:
        """The best people among rows that come best first, and whether none outside can be better."""
        scored, sure = best_people(
            self._people(rows), found, k, lambda people: self._slots.similarities(query, people)
        )
        return scored, sure

    def _rescore(self, query: NDArray[np.float32], rows: NDArray[np.int64], k: int) -> tuple[Scored, bool]:
        """The best people among rows that codes found, and whether those are enough."""
        people = np.unique(self._people(rows[rows >= 0]))
        found = self._slots.similarities(query, people)
        order = np.argsort(-found, kind="stable")[:k]
        return list(zip(people[order].tolist(), found[order].tolist(), strict=True)), len(people) >= k

    def _people(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Whose rows these are."""
        template = rows % 2 == 0
        return np.where(template, self._slots.owners[np.where(template, rows // 2, 0)], rows // 2)


def _parts(numbers: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return np.split(numbers, range(AT_ONCE, len(numbers), AT_ONCE))
