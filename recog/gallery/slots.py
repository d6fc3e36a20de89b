"""All templates of a gallery in memory, by slot and by person."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from recog.gallery import ranking

Kind = TypeVar("Kind", bound=np.generic)
LATE = 10_000  # people who may get templates before all are sorted by owner again
ROOM = 1.1  # times what is needed, where slots have to move to a larger place


class Slots:
    """Slot i holds template number i + 1 of the gallery."""

    def __init__(
        self, owners: NDArray[np.int64] | None = None, vectors: NDArray[np.floating] | None = None
    ) -> None:
        """
        Args:
            owners: (N,) whose each template is; 0: empty. vectors: (N, D).
        """
        self._owners = np.zeros(0, np.int64) if owners is None else owners
        self._vectors: NDArray[np.floating] = np.zeros((0, 0), np.float32) if vectors is None else vectors
        self._used = len(self._owners)  # of what may be longer, so that not each new template moves all
        self._late: dict[int, list[int]] = {}  # slots filled since the last sorting, by owner
        self._sort()

    @property
    def owners(self) -> NDArray[np.int64]:
        """(N,) by slot; 0: empty."""
        return self._owners[: self._used]

    @property
    def vectors(self) -> NDArray[np.floating]:
        """(N, D) by slot; zeros where empty."""
        return self._vectors[: self._used]

    def append(self, owners: NDArray[np.int64], vectors: NDArray[np.floating]) -> None:
        """More slots; arguments as above."""
        first, self._used = self._used, self._used + len(owners)
        if self._used > len(self._owners):
            self._owners = _with_room(self._owners[:first], self._used)
            self._vectors = _with_room(self._vectors[:first], self._used)
        self._owners[first : self._used], self._vectors[first : self._used] = owners, vectors
        late = first + np.flatnonzero(owners)
        if len(self._late) + len(late) > LATE:
            self._sort()
            return
        for slot in late.tolist():
            self._late.setdefault(int(self._owners[slot]), []).append(slot)

    def empty(self, slots: NDArray[np.int64]) -> None:
        """Forget what is in these."""
        self._owners[slots], self._vectors[slots] = 0, 0

    def _sort(self) -> None:
        self._late = {}
        filled = np.flatnonzero(self.owners)
        self._order = filled[np.argsort(self.owners[filled], kind="stable")]  # slots by owner
        # where each owner's begin in that order, by number
        self._begins = np.append(0, np.cumsum(np.bincount(self.owners[filled])))

    # ---------------------------------------------------------------- by person

    def of(self, people: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The slots of people, one after the other, and (P + 1,) where each begins."""
        last = len(self._begins) - 1  # people who came later have none in that order
        low, high = (self._begins[np.minimum(people + one, last)] for one in (0, 1))
        counts = high - low
        if not self._late and (counts == 1).all():  # as in most galleries, and much quicker
            slots = self._order[low]
            if np.array_equal(self.owners[slots], people):
                return slots, np.arange(len(people) + 1)
        which = np.repeat(np.arange(len(people)), counts)
        ends = np.cumsum(counts)
        slots = self._order[np.arange(len(which)) + np.repeat(low - (ends - counts), counts)]
        if self._late:
            found = [(i, s) for i, p in enumerate(people.tolist()) for s in self._late.get(p, ())]
            late = np.array(found, np.int64).reshape(-1, 2)
            which, slots = np.append(which, late[:, 0]), np.append(slots, late[:, 1])
        still = self.owners[slots] == people[which]
        which, slots = which[still], slots[still]
        order = np.argsort(which, kind="stable")
        starts = np.append(0, np.cumsum(np.bincount(which, minlength=len(people))))
        return slots[order], starts

    def centres(self, people: NDArray[np.int64]) -> NDArray[np.float32]:
        """(P, D) unit vectors of people who are here."""
        slots, starts = self.of(people)
        return ranking.centres(self._vectors[slots].astype(np.float32), starts)

    def similarities(self, query: NDArray[np.float32], people: NDArray[np.int64]) -> NDArray[np.float32]:
        """(P,) of people who are here, to a query (D,)."""
        slots, starts = self.of(people)
        return ranking.similarities(self._vectors[slots].astype(np.float32, copy=False), starts, query)


def _with_room(values: NDArray[Kind], used: int) -> NDArray[Kind]:
    """The same at the beginning of a longer array."""
    larger = np.zeros((int(ROOM * used) + 1, *values.shape[1:]), values.dtype)
    larger[: len(values)] = values
    return larger
