"""Who is recognised on damaged and on repaired faces: only probes are damaged, templates stay as they are."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks import stats
from benchmarks.metrics import Ranking
from benchmarks.rows import Measurement

FMR = 1e-3
SPARE = 10  # times as many of the highest scores of strangers as match: resamples need more than the first
RESAMPLES = 500
LEAST_LOSS = 0.05  # of TAR: where damage costs less, a restored fraction divides by next to nothing
Vectors = NDArray[np.float32]  # (N, D) unit
Labels = NDArray[np.int64]
Floats = NDArray[np.floating]


class Matches:
    """What a recogniser says of N probes against all templates."""

    def __init__(self, matcher: Matcher, probes: Vectors) -> None:
        """Raises: TooFewPairs: fewer than 1,000 pairs of strangers."""
        self._matcher = matcher
        scores = probes @ matcher.templates.T
        self.threshold = Ranking(scores.ravel(), matcher.mated.ravel()).threshold_at_fmr(FMR)
        self.mated = scores[matcher.mated]  # (M,)
        self.first = matcher.known[scores.argmax(axis=1)] == matcher.whose  # (N,)
        strangers = np.where(matcher.mated, -np.inf, scores).ravel()
        kept = min(matcher.strangers, math.ceil(SPARE * FMR * matcher.strangers))
        highest = np.argpartition(-strangers, kept - 1)[:kept]
        self._highest = highest[np.argsort(-strangers[highest], kind="stable")]
        self._strangers = strangers[self._highest]

    @property
    def matched(self) -> NDArray[np.bool_]:
        """(M,) mated pairs at or above the threshold."""
        matched: NDArray[np.bool_] = self.mated >= self.threshold
        return matched

    @property
    def tar(self) -> float:
        """Share of mated pairs that match."""
        return float(self.matched.mean())

    def tar_of(self, times: Floats) -> float:
        """The TAR where the people (P,) count so often, at the threshold that suits them."""
        matcher = self._matcher
        probe, template = np.divmod(self._highest, len(matcher.known))
        weights = times[matcher.probe_codes[probe]] * times[matcher.template_codes[template]]
        allowed = int((np.cumsum(weights) <= FMR * matcher.stranger_weight(times) * (1 + 1e-9)).sum())
        refused = self._strangers[min(allowed, len(self._strangers) - 1)]  # the first stranger too many
        counts = times[matcher.mated_codes]
        return float(counts @ (self.mated > refused) / counts.sum()) if counts.any() else float("nan")

    def at(self, threshold: float) -> tuple[float, float]:
        """TAR and FMR at a threshold that was chosen elsewhere; of the FMR no more than SPARE times `FMR`."""
        above = int((self._strangers >= threshold).sum())
        return float((self.mated >= threshold).mean()), above / self._matcher.strangers


class Matcher:
    """Compares probes of people with templates of the same people, every pair."""

    def __init__(self, whose: Labels, templates: Vectors, known: Labels) -> None:
        """
        Args:
            whose: (N,) the person on each probe. templates, known: (T, D) vectors, and whose they are.
        """
        self.whose, self.templates, self.known = whose, templates, known
        self.mated = whose[:, None] == known[None]
        self.strangers = int((~self.mated).sum())
        names = np.unique(np.concatenate([whose, known]))
        self.people = len(names)
        self.probe_codes, self.template_codes = (np.searchsorted(names, x) for x in (whose, known))
        self.mated_codes = self.probe_codes[np.nonzero(self.mated)[0]]  # (M,) person of each mated pair
        self._probes, self._templates = (
            np.bincount(codes, minlength=self.people).astype(np.float64)
            for codes in (self.probe_codes, self.template_codes)
        )

    def __call__(self, probes: Vectors) -> Matches:
        """Matches of (N, D) probes, at the threshold where 1 in 1,000 pairs of strangers matches among them.

        Raises: TooFewPairs: fewer than 1,000 pairs of strangers.
        """
        return Matches(self, probes)

    def stranger_weight(self, times: Floats) -> float:
        """How many pairs of strangers there are where people count so often."""
        every = (times @ self._probes) * (times @ self._templates)
        return float(every - (times**2) @ (self._probes * self._templates))

    def measured(self, found: Matches, by: str, clean: Matches | None = None) -> list[Measurement]:
        """TAR and rank-1 with intervals over people; beside `clean`, also at the threshold of clean faces."""
        (tar,) = self._intervals(lambda times: np.array([found.tar_of(times)]))
        first = stats.share_interval(found.first, self.whose)
        measurements = [
            Measurement(f"TAR@FMR=1e-3, {by}", found.tar, len(found.mated), tar),
            Measurement(f"rank-1, {by}", float(found.first.mean()), len(found.first), first),
        ]
        if clean is None:
            return measurements
        fixed, false = found.at(clean.threshold)
        return [
            *measurements,
            Measurement(f"TAR at the clean faces' threshold, {by}", fixed, len(found.mated)),
            Measurement(f"FMR at the clean faces' threshold, {by}", false, self.strangers),
        ]

    def restored(self, clean: Matches, damaged: Matches, repaired: Matches, by: str) -> list[Measurement]:
        """How much of the TAR that damage takes repair gives back, and the TAR it adds.

        Intervals are over people, each at thresholds of its own. The fraction is left out where damage costs
        less than LEAST_LOSS.
        """

        def gains(times: Floats) -> Floats:
            whole, worst, better = (one.tar_of(times) for one in (clean, damaged, repaired))
            lost = whole - worst
            return np.array([better - worst, (better - worst) / lost if lost > 0 else np.nan])

        gained, fraction = self._intervals(gains)
        value, lost = repaired.tar - damaged.tar, clean.tar - damaged.tar
        found = [Measurement(f"TAR gained, {by}", value, len(repaired.mated), gained)]
        if lost >= LEAST_LOSS:
            found.append(Measurement(f"restored fraction, {by}", value / lost, len(repaired.mated), fraction))
        return found

    def _intervals(self, statistic: Callable[[Floats], Floats]) -> list[stats.Interval | None]:
        """Over people, of functions of how often each counts."""

        def of(drawn: NDArray[np.integer]) -> Floats:
            return statistic(np.bincount(drawn, minlength=self.people).astype(np.float64))

        return stats.bootstrap(of, self.people, resamples=RESAMPLES)


def cosines(one: Vectors, other: Vectors) -> NDArray[np.float64]:
    """(N,) row by row."""
    found: NDArray[np.float64] = (one.astype(np.float64) * other).sum(axis=1)
    return found
