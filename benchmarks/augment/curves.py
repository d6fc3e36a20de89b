"""What more photos are worth, and how many of them made-up ones stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from benchmarks import stats
from benchmarks.augment.arms import Declared, Seeds, declarations
from benchmarks.metrics import Floats
from benchmarks.rows import Row
from recog.errors import DataError


@dataclass(frozen=True)
class Exchange:
    """How many more real photos of each person would have done as much as an arm's made-up ones."""

    arm: str
    people: int
    photos: int  # real ones of each person that the arm has
    made_up: float  # synthetic crops of each person who is learned from
    worth: float  # real photos of each person; below 0: they do harm
    ci95: stats.Interval | None
    beyond: int  # 1: better than all that was measured without it, -1: worse; then it is worth more, or less

    def sentence(self) -> str:
        """What it comes to, in words."""
        bound = {1: "at least ", -1: "at most ", 0: ""}[self.beyond]
        interval = "" if self.ci95 is None else f" [{self.ci95[0]:.1f}, {self.ci95[1]:.1f}]"
        size = f"{self.arm}, {self.people} people of {self.photos} photos"
        made = f"{self.made_up:.0f} made-up photos a person"
        worth = f"{bound}{round(self.worth, 1) + 0.0:.1f}{interval}"  # no -0.0
        return f"{size}: {made} are worth {worth} real ones, over these seeds"


def exchanges(rows: Sequence[Row]) -> list[Exchange]:
    """For each arm with made-up faces, by what the baseline reaches with other numbers of photos.

    Args:
        rows: of one exam, of plans that differ in people and photos only.
    """
    found = []
    for people, by_photos in _by_size(rows).items():
        real = {
            k: arms[declared.baseline]
            for k, (declared, arms) in by_photos.items()
            if declared.baseline in arms
        }
        if len(real) < 2:
            continue
        for photos, (declared, arms) in by_photos.items():
            for arm, runs in arms.items():
                made = max(row.details.get("synthetic_crops", 0) for row in runs.values())
                seeds = sorted(set(runs).intersection(*(set(one) for one in real.values())))
                if arm == declared.baseline or not made or not seeds:
                    continue
                curve = np.array([[real[k][seed].value for seed in seeds] for k in real])
                values = np.array([runs[seed].value for seed in seeds])
                found.append(
                    Exchange(arm, people, photos, made / people, *worth_of(list(real), curve, values, photos))
                )
    return found


def _by_size(rows: Sequence[Row]) -> dict[int, dict[int, tuple[Declared, dict[str, Seeds]]]]:
    """What was declared last of each number of people and photos: arms by seed, of the metric declared."""
    found: dict[int, dict[int, tuple[Declared, dict[str, Seeds]]]] = {}
    sizes = sorted({(row.details["people"], row.details["photos"]) for row in rows})
    for people, photos in sizes:
        of_size = [row for row in rows if (row.details["people"], row.details["photos"]) == (people, photos)]
        *_, declared = declarations(of_size)
        found.setdefault(people, {})[photos] = declared, declared.by_arm(of_size, declared.metric)
    return found


def worth_of(
    counts: Sequence[int], curve: Floats, values: Floats, photos: int
) -> tuple[float, stats.Interval | None, int]:
    """Real photos of each person that an arm's gain stands for.

    Args:
        counts: (C,) photos of each person, ascending.
        curve: (C, S) what the baseline reaches with them.
        values: (S,) what the arm reaches with `photos` of them.
    Returns: photos more than `photos`; a 95 % interval over seeds; 1 where the arm lies above the whole
    curve, -1 below, 0 within.
    Raises: DataError: fewer than two counts, or shapes do not fit.
    """
    if len(counts) < 2 or curve.shape != (len(counts), len(values)):
        raise DataError(f"{len(counts)} counts, {curve.shape} of a curve and {values.shape} do not fit.")
    places = np.log(np.asarray(counts, np.float64))

    def worth(drawn: NDArray[np.integer]) -> Floats:
        # more photos never do harm: what says otherwise is chance
        heights = isotonic_regression(curve[:, drawn].mean(axis=1)).x
        first = np.concatenate([[True], np.diff(heights) > 1e-12])  # the fewest photos that reach a height
        place = np.interp(values[drawn].mean(), heights[first], places[first])
        return np.array([np.exp(place) - photos])

    means, mean = curve.mean(axis=1), float(values.mean())
    (interval,) = stats.bootstrap(worth, len(values)) if len(values) > 2 else (None,)
    beyond = int(mean > means.max()) - int(mean < means.min())
    return float(worth(np.arange(len(values)))[0]), interval, beyond


def learning_curves(rows: Sequence[Row]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Mean in percent by photos of each person: by metric, a curve for each arm and number of people."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for people, by_photos in _by_size(rows).items():
        for photos, (declared, arms) in by_photos.items():
            curves = found.setdefault(declared.metric, {})
            for arm, runs in arms.items():
                mean = float(np.mean([row.value for row in runs.values()]))
                curves.setdefault(f"{arm}, {people} people", []).append((float(photos), 100 * mean))
    kept = {
        metric: {name: points for name, points in curves.items() if len(points) > 1}
        for metric, curves in found.items()
    }
    return {metric: curves for metric, curves in kept.items() if curves}
