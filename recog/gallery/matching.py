"""Which people a probe looks like: all templates of a gallery in memory, searched with FAISS."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.gallery.ranking import Scored, best_people, centres, similarities
from recog.index import FLAT_LIMIT, FlatIndex, InvertedIndex

SHORTLIST = 128  # rows of an inexact index whose similarities are computed again, at least
LATE = 10_000  # templates that may come before all are sorted by owner again
OUTGROWN = 4  # times as many rows as an inverted index learned from: it learns anew


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
        self._owners = np.zeros(0, np.int64)  # (N,) by slot; 0: empty
        self._vectors: NDArray[np.floating] = np.zeros((0, 0), np.float32)
        self._order = np.zeros(0, np.int64)  # slots by owner, as of the last sorting
        self._begins = np.zeros(1, np.int64)  # where each owner's slots begin in that order, by number
        self._late: dict[int, list[int]] = {}  # slots filled since, by owner
        self._index: FlatIndex | InvertedIndex = FlatIndex(0)
        self._learned_from = 0  # rows, of an inverted index

    @property
    def size(self) -> int:
        """Numbers in a vector (D)."""
        return int(self._vectors.shape[1])

    @property
    def inverted(self) -> InvertedIndex | None:
        """The index, where it is worth keeping."""
        return self._index if isinstance(self._index, InvertedIndex) else None

    # ---------------------------------------------------------------- following the gallery

    def adopt(self, index: InvertedIndex, cursor: Cursor) -> None:
        """Begin with an index that was kept, made at a cursor; `apply` brings the templates."""
        self._index, self._learned_from, self.cursor = index, len(index), cursor

    def apply(self, changes: Changes) -> None:
        """Take in what happened since `cursor`."""
        if changes.until.epoch != self.cursor.epoch:
            self._index, self._learned_from = FlatIndex(changes.vectors.shape[1]), 0
            self.cursor = Cursor(changes.until.epoch)
        gone = changes.removed[changes.removed[:, 0] <= self.cursor.templates]
        if changes.first:
            known = gone[:, 0] - 1
            self._owners[known], self._vectors[known] = 0, 0
            self._owners = np.concatenate([self._owners, changes.owners])
            self._vectors = np.concatenate([self._vectors, changes.vectors])
        else:
            self._owners, self._vectors = changes.owners, changes.vectors
        self._group(changes.first)
        self._reindex(gone, np.arange(self.cursor.templates, len(self._owners)))
        self.revision, self.cursor = changes.revision, changes.until

    def _group(self, first: int) -> None:
        """Note whose the slots from `first` on are."""
        late = first + np.flatnonzero(self._owners[first:])
        if first and len(self._late) + len(late) <= LATE:
            for slot in late.tolist():
                self._late.setdefault(int(self._owners[slot]), []).append(slot)
            return
        self._late = {}
        filled = np.flatnonzero(self._owners)
        self._order = filled[np.argsort(self._owners[filled], kind="stable")]
        self._begins = np.append(0, np.cumsum(np.bincount(self._owners[filled])))

    def _reindex(self, gone: NDArray[np.int64], late: NDArray[np.int64]) -> None:
        new = late[self._owners[late] > 0]
        rows = len(self._index) + len(new)
        if rows > FLAT_LIMIT and rows > OUTGROWN * self._learned_from:
            self._build()
            return
        touched = np.union1d(gone[:, 1], self._owners[new])
        self._index.remove(np.concatenate([2 * (gone[:, 0] - 1), 2 * touched + 1]))
        self._index.add(2 * new, self._vectors[new].astype(np.float32))
        self._add_centres(touched)

    def _build(self) -> None:
        filled = np.flatnonzero(self._owners)
        self._index = InvertedIndex(self._vectors[filled])
        self._index.add(2 * filled, self._vectors[filled].astype(np.float32))
        self._add_centres(np.unique(self._owners[filled]))
        self._learned_from = len(self._index)

    def _add_centres(self, people: NDArray[np.int64]) -> None:
        several = np.diff(self._slots(people)[1]) > 1
        if several.any():
            slots, starts = self._slots(people[several])
            self._index.add(2 * people[several] + 1, centres(self._vectors[slots].astype(np.float32), starts))

    def is_sound(self) -> bool:
        """Whether the index holds the rows that a new one would hold."""
        filled = np.flatnonzero(self._owners)
        people, counts = np.unique(self._owners[filled], return_counts=True)
        wanted = np.concatenate([2 * filled, 2 * people[counts > 1] + 1])
        return np.array_equal(np.sort(self._index.numbers()), np.sort(wanted))

    # ---------------------------------------------------------------- templates by person

    def _slots(self, people: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The slots of people, one after the other, and (P + 1,) where each begins."""
        last = len(self._begins) - 1  # people who came later have none in that order
        low, high = (self._begins[np.minimum(people + one, last)] for one in (0, 1))
        counts = high - low
        which = np.repeat(np.arange(len(people)), counts)
        ends = np.cumsum(counts)
        slots = self._order[np.arange(len(which)) + np.repeat(low - (ends - counts), counts)]
        if self._late:
            found = [(i, s) for i, p in enumerate(people.tolist()) for s in self._late.get(p, ())]
            late = np.array(found, np.int64).reshape(-1, 2)
            which, slots = np.append(which, late[:, 0]), np.append(slots, late[:, 1])
        still = self._owners[slots] == people[which]
        which, slots = which[still], slots[still]
        order = np.argsort(which, kind="stable")
        starts = np.append(0, np.cumsum(np.bincount(which, minlength=len(people))))
        return slots[order], starts

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
            self._people(rows), found, k, lambda people: self._similarities(query, people)
        )
        return scored, sure

    def _rescore(self, query: NDArray[np.float32], rows: NDArray[np.int64], k: int) -> tuple[Scored, bool]:
        """The best people among rows that codes found, and whether those are enough."""
        people = np.unique(self._people(rows[rows >= 0]))
        found = self._similarities(query, people)
        order = np.argsort(-found, kind="stable")[:k]
        return list(zip(people[order].tolist(), found[order].tolist(), strict=True)), len(people) >= k

    def _people(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Whose rows these are."""
        template = rows % 2 == 0
        return np.where(template, self._owners[np.where(template, rows // 2, 0)], rows // 2)

    def _similarities(self, query: NDArray[np.float32], people: NDArray[np.int64]) -> NDArray[np.float32]:
        slots, starts = self._slots(people)
        return similarities(self._vectors[slots].astype(np.float32), starts, query)
