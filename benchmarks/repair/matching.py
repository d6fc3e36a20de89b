"""Who is recognised on damaged and on repaired faces: only probes are damaged, templates stay as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks import stats
from benchmarks.metrics import Ranking
from benchmarks.rows import Measurement

FMR = 1e-3
LEAST_LOSS = 0.05  # of TAR: where damage costs less, a restored fraction divides by next to nothing
Vectors = NDArray[np.float32]  # (N, D) unit
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Matches:
    """What a recogniser says of N probes against all templates."""

    matched: NDArray[np.bool_]  # (M,) mated pairs at or above the threshold of FMR
    first: NDArray[np.bool_]  # (N,) probes whose nearest template is the person's

    @property
    def tar(self) -> float:
        """Share of mated pairs that match."""
        return float(self.matched.mean())


class Matcher:
    """Compares probes of people with templates of the same people, every pair."""

    def __init__(self, whose: Labels, templates: Vectors, known: Labels) -> None:
        """
        Args:
            whose: (N,) the person on each probe. templates, known: (T, D) vectors, and whose they are.
        """
        self.whose, self.templates, self.known = whose, templates, known
        self.mated = whose[:, None] == known[None]
        self.people = np.repeat(whose, self.mated.sum(axis=1))  # (M,) of each mated pair

    def __call__(self, probes: Vectors) -> Matches:
        """Matches of (N, D) probes, at the threshold where 1 in 1,000 pairs of strangers matches among them.

        Raises: TooFewPairs: fewer than 1,000 pairs of strangers.
        """
        scores = probes @ self.templates.T
        threshold = Ranking(scores.ravel(), self.mated.ravel()).threshold_at_fmr(FMR)
        return Matches(scores[self.mated] >= threshold, self.known[scores.argmax(axis=1)] == self.whose)

    def measured(self, found: Matches, by: str) -> list[Measurement]:
        """TAR and rank-1 with intervals over people."""
        tar = stats.share_interval(found.matched, self.people)
        first = stats.share_interval(found.first, self.whose)
        return [
            Measurement(f"TAR@FMR=1e-3, {by}", found.tar, len(found.matched), tar),
            Measurement(f"rank-1, {by}", float(found.first.mean()), len(found.first), first),
        ]

    def restored(self, clean: Matches, damaged: Matches, repaired: Matches, by: str) -> list[Measurement]:
        """How much of the TAR that damage takes repair gives back, and the TAR it adds, over people.

        The fraction is left out where damage costs less than LEAST_LOSS.
        """
        parts = [one.matched.astype(np.float64) for one in (clean, damaged, repaired)]
        rows = np.stack([np.ones(len(self.people)), *parts], axis=1)

        def gained(sums: NDArray[np.floating]) -> float:
            return float((sums[3] - sums[2]) / sums[0])

        def fraction(sums: NDArray[np.floating]) -> float:
            lost = sums[1] - sums[2]
            return float((sums[3] - sums[2]) / lost) if lost > 0 else float("nan")

        total = rows.sum(axis=0)
        metrics = {f"TAR gained, {by}": gained}
        if clean.tar - damaged.tar >= LEAST_LOSS:
            metrics[f"restored fraction, {by}"] = fraction
        return [
            Measurement(name, value(total), len(rows), stats.over_people_sums(value, rows, self.people))
            for name, value in metrics.items()
        ]


def cosines(one: Vectors, other: Vectors) -> NDArray[np.float64]:
    """(N,) row by row."""
    found: NDArray[np.float64] = (one.astype(np.float64) * other).sum(axis=1)
    return found
