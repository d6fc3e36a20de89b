"""Intervals and tests: folds, proportions, bootstraps over identities, paired seeds."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.metrics import Bools, Floats, Ranking
from recog.errors import DataError

Interval = tuple[float, float]
Indices = NDArray[np.integer]
RARE = 10  # people flagged, or not: of fewer a bootstrap knows too little


def t_interval(values: Floats) -> Interval:
    """95 % interval of a mean (Student's t; folds share training pairs, so of them it is slightly narrow).

    Raises: DataError: fewer than two values.
    """
    if len(values) < 2:
        raise DataError("An interval of a mean needs at least two values.")
    if np.ptp(values) <= 1e-12 * np.abs(values).max():  # t of what differs by rounding divides by zero
        return float(values[0]), float(values[0])
    interval = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    return float(interval.low), float(interval.high)


def proportion_interval(count: int, total: int) -> Interval:
    """95 % Clopper-Pearson interval of `count` of `total`.

    Raises: DataError: nothing was counted.
    """
    if total < 1:
        raise DataError("A proportion of nothing has no interval.")
    interval = stats.binomtest(count, total).proportion_ci(0.95, method="exact")
    return float(interval.low), float(interval.high)


def share_interval(
    flags: Bools, people: NDArray[np.generic], *, resamples: int = 1000, seed: int = 0
) -> Interval:
    """95 % interval of a share, by resampling people: what one person's photos say is not independent.

    Where hardly anybody, or nearly everybody, is flagged the resamples see too little spread; then the
    interval reaches as far as Clopper-Pearson's of as many people at least.

    Args:
        flags: (N,) what is counted. people: (N,) whose it is.
    Raises: DataError: nothing was counted.
    """
    names, codes = np.unique(people, return_inverse=True)
    if not len(names):
        raise DataError("A proportion of nothing has no interval.")
    hits, counts = np.bincount(codes, flags, len(names)), np.bincount(codes, minlength=len(names))
    drawn = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=resamples
    )
    low, high = np.quantile((drawn @ hits) / (drawn @ counts), [0.025, 0.975])
    return _widened((float(low), float(high)), hits, counts)


def _widened(interval: Interval, hits: Floats | Indices, counts: Floats | Indices) -> Interval:
    """The interval of a share; where hardly anybody has a hit (or a miss), no narrower than is known of them.

    Args:
        hits, counts: (P,) what each person has of either.
    """
    if min((hits > 0).sum(), (hits < counts).sum()) >= RARE:
        return interval
    share = round(float(hits.sum() / counts.sum()) * len(hits))
    exact = proportion_interval(share, len(hits))
    return min(interval[0], exact[0]), max(interval[1], exact[1])


def tar_intervals(
    scores: Floats,
    mated: Bools,
    identities: tuple[Indices, Indices],
    fmrs: Sequence[float],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> list[Interval | None]:
    """95 % intervals of TAR at each FMR, by resampling identities.

    Pairs that share a person are not independent, so people are drawn with replacement and not pairs. A mated
    pair counts as often as its person was drawn, a non-mated one as often as both people together, which errs
    on the wide side where few pairs share people (Owen 2007, The pigeonhole bootstrap): by about a third on
    LFW's list. Where fewer than ten people are ever missed, or ever found, the resamples see too little
    spread, and the interval reaches as far as Clopper-Pearson's of as many people at least.

    Args:
        identities: two (N,) arrays, the person on each side of each pair as a number 0..people-1.
        fmrs: false-match rates as fractions.
    Returns: None where resamples often lack pairs of a kind: there are too few people for an interval.
    Raises: TooFewPairs: see `Ranking.tar_at_fmr`.
    """
    left, right = identities
    ranking = Ranking(scores, mated)
    people = int(max(left.max(), right.max())) + 1

    def rates(drawn: Indices) -> Floats:
        times = np.bincount(drawn, minlength=people).astype(np.float64)
        weights = np.where(mated, times[left], times[left] * times[right])
        if not weights[mated].any() or not weights[~mated].any():
            return np.full(len(fmrs), np.nan)
        return np.array([ranking.tar_at_fmr(fmr, weights) for fmr in fmrs])

    found = bootstrap(rates, people, resamples=resamples, seed=seed)
    _, whose = np.unique(left[mated], return_inverse=True)
    counts = np.bincount(whose)
    hits = [np.bincount(whose, scores[mated] >= ranking.threshold_at_fmr(fmr)) for fmr in fmrs]
    return [
        None if interval is None else _widened(interval, some, counts)
        for interval, some in zip(found, hits, strict=True)
    ]


def over_people(
    statistic: Callable[[Floats], float],
    people: NDArray[np.generic],
    *,
    resamples: int = 500,
    seed: int = 0,
) -> Interval | None:
    """95 % interval of a statistic of rows, by resampling people: photos of one person are not independent.

    Args:
        statistic: (N,) how often each row counts -> its value; NaN where it is not defined.
        people: (N,) whose row it is.
    Returns: as `bootstrap`.
    """
    names, codes = np.unique(people, return_inverse=True)

    def of(drawn: Indices) -> Floats:
        return np.array([statistic(np.bincount(drawn, minlength=len(names))[codes].astype(np.float64))])

    return bootstrap(of, len(names), resamples=resamples, seed=seed)[0]


def over_people_sums(
    statistic: Callable[[Floats], float],
    rows: Floats,
    people: NDArray[np.generic],
    *,
    resamples: int = 500,
    seed: int = 0,
) -> Interval | None:
    """As `over_people`, of a statistic that is a function of sums over rows, as means and ratios are.

    What each person adds is summed once: a thousand times quicker for many photos.

    Args:
        statistic: (K,) sums -> its value; NaN where it is not defined.
        rows: (N, K) what each row adds. people: (N,) whose row it is.
    """
    names, codes = np.unique(people, return_inverse=True)
    sums = np.zeros((len(names), rows.shape[1]))
    np.add.at(sums, codes, rows)

    def of(drawn: Indices) -> Floats:
        return np.array([statistic(sums[drawn].sum(axis=0))])

    return bootstrap(of, len(names), resamples=resamples, seed=seed)[0]


def bootstrap(
    statistic: Callable[[Indices], Floats], items: int, *, resamples: int = 1000, seed: int = 0
) -> list[Interval | None]:
    """95 % BCa intervals (Efron 1987) of a vector of statistics of `items` things drawn with replacement.

    Where BCa is not defined, because all resamples fall on one side of the value (a TAR of 1.0), the interval
    is that of the percentiles.

    Args:
        statistic: indices drawn -> (K,) values; NaN where it is not defined.
    Returns: None for fewer than two things, or where more than one in twenty resamples is not defined.
    """
    if items < 2:
        return [None] * len(statistic(np.arange(items)))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # scipy warns of the degenerate case that is handled below
        result = stats.bootstrap(
            (np.arange(items),),
            statistic,
            n_resamples=resamples,
            vectorized=False,
            method="BCa",
            rng=np.random.default_rng(seed),
        )
    low, high = (np.atleast_1d(edge) for edge in result.confidence_interval)
    spread = np.atleast_2d(result.bootstrap_distribution)
    known = np.isfinite(spread).mean(axis=-1) > 0.95
    percentiles = np.full((2, len(spread)), np.nan)
    percentiles[:, known] = np.nanpercentile(spread[known], [2.5, 97.5], axis=-1)
    defined = np.isfinite(low) & np.isfinite(high)
    low, high = np.where(defined, low, percentiles[0]), np.where(defined, high, percentiles[1])
    parts = zip(low, high, known, strict=True)
    return [(float(a), float(b)) if usable else None for a, b, usable in parts]


def sign_flip(differences: Floats, seed: int = 0) -> float:
    """scipy's paired permutation test against zero: exact up to 13 pairs, sampled above.

    Args:
        differences: (n,), a pair each. Returns: two-sided; never below 2 ** (1 - n), 1 for a single pair.
    """
    if len(differences) < 2:
        return 1.0
    result = stats.permutation_test(
        (differences, np.zeros_like(differences)),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=9999,
        rng=np.random.default_rng(seed),
    )
    return max(float(result.pvalue), 2.0 ** (1 - len(differences)))
