"""Rows of arms -> what each adds to the baseline, and how much such runs can find at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks import stats
from benchmarks.augment.arms import Declared
from benchmarks.augment.effects import Effect, Runs, detectable, deviation_of, effects, false_positives
from benchmarks.rows import Row
from recog.errors import ConfigError

SCALE = 10_000  # of the resampled rates that rows carry
TRIALS = 100  # A/A
LEAST_TRIAL = 6  # seeds: fewer can find nothing
UNDEFINED = 0.05  # share of resamples: where more are not defined, people are too few for an interval


def effects_of(rows: Sequence[Row], declared: Declared) -> list[Effect]:
    """Each arm against the baseline, at the seeds that both have."""
    arms = declared.by_arm(rows, declared.metric)
    baseline = arms.pop(declared.baseline, {})
    pairs = {}
    for arm, found in arms.items():
        seeds = sorted(found.keys() & baseline.keys())
        if seeds:
            pairs[arm] = runs(found, seeds) - runs(baseline, seeds)
    return effects(pairs, margin=declared.margin)


def runs(found: Mapping[int, Row], seeds: Sequence[int]) -> Runs:
    """Values by seed, and on resampled people where the rows carry them."""
    values = np.array([found[seed].value for seed in seeds])
    lists = [found[seed].details.get("resampled", []) for seed in seeds]
    if len({len(one) for one in lists}) != 1 or not lists[0]:
        return Runs(values, np.zeros((len(seeds), 0)))
    resampled = np.array(lists, np.float64)
    known = (resampled >= 0).all(axis=0)  # the same people are drawn for all runs
    if known.mean() < 1 - UNDEFINED:
        return Runs(values, np.full((len(seeds), 1), np.nan))
    return Runs(values, resampled[:, known] / SCALE)


def power(rows: Sequence[Row], declared: Declared) -> list[str]:
    """What so many seeds can find, by how much their differences vary."""
    arms = declared.by_arm(rows, declared.metric)
    baseline = arms.pop(declared.baseline, {})
    spreads, counts = [], []
    for found in arms.values():
        shared = sorted(found.keys() & baseline.keys())
        if len(shared) > 1:
            spreads.append(deviation_of(runs(found, shared) - runs(baseline, shared)))
            counts.append(len(shared))
    if not spreads:
        return []
    seeds, deviation = min(counts), float(np.median(spreads))
    try:
        least = detectable(deviation, seeds, len(spreads))
    except ConfigError as error:
        return [str(error)]
    return [
        f"{seeds} seeds find effects of {100 * least:.1f} points about four times in five, where differences "
        f"vary by {100 * deviation:.1f} points (over seeds and people) and {len(spreads)} arms are compared."
    ]


def false_alarms(rows: Sequence[Row], declared: Declared) -> list[str]:
    """A/A: how often arms that are the baseline, but for chance, would be said to differ from it."""
    arms = declared.by_arm(rows, declared.metric)
    baseline = arms.pop(declared.baseline, {})
    twins = {row.details.get("twin") for row in baseline.values()} - {None}
    found = []
    for arm, of_arm in arms.items():
        seeds = sorted(of_arm.keys() & baseline.keys())
        taken = len(seeds) // 2
        if twins != {of_arm[seed].details.get("twin") for seed in seeds} or taken < LEAST_TRIAL:
            continue
        alarms = false_positives(runs(of_arm, seeds), runs(baseline, seeds), seeds=taken, trials=TRIALS)
        found.append(
            f"{arm} is {declared.baseline} but for chance: of {TRIALS} trials with {taken} of its seeds "
            f"each, {alarms} find an effect."
        )
    return found


def points(difference: float | None, interval: stats.Interval | None, *, digits: int = 2) -> str:
    """For example +2.00 [+1.50, +2.50]: of fractions, in points; either may be left out."""
    mean = [] if difference is None else [f"{100 * difference:+.{digits}f}"]
    if interval is None:
        return " ".join(mean)
    low, high = (f"{100 * edge:+.{digits}f}" for edge in interval)
    return " ".join([*mean, f"[{low}, {high}]"])
