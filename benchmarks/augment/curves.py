"""What more photos are worth, and how many of them made-up ones stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks import stats
from benchmarks.augment.arms import baseline_of, by_arm
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
    beyond: bool  # better (or worse) than all that was measured without: worth more than is said

    def sentence(self) -> str:
        """What it comes to, in words."""
        bound = "at least " if self.beyond and self.worth > 0 else "at most " if self.beyond else ""
        interval = "" if self.ci95 is None else f" [{self.ci95[0]:.1f}, {self.ci95[1]:.1f}]"
        size = f"{self.arm}, {self.people} people of {self.photos} photos"
        made = f"{self.made_up:.0f} made-up photos a person"
        return f"{size}: {made} are worth {bound}{self.worth:.1f}{interval} real ones"


def exchanges(rows: Sequence[Row], metric: str) -> list[Exchange]:
    """For each arm with made-up faces, by what the baseline reaches with other numbers of photos.

    Args:
        rows: of one data set and exam, of plans that differ in people and photos only.
    """
    measured = [row for row in rows if row.metric == metric and "photos" in row.details]
    baseline = baseline_of(measured)
    found = []
    for people in sorted({row.details["people"] for row in measured}):
        of_size = [row for row in measured if row.details["people"] == people]
        by_photos = {
            photos: by_arm([row for row in of_size if row.details["photos"] == photos], metric)
            for photos in sorted({row.details["photos"] for row in of_size})
        }
        real = {photos: arms[baseline] for photos, arms in by_photos.items() if baseline in arms}
        if len(real) < 2:
            continue
        for photos, arms in by_photos.items():
            for arm, runs in arms.items():
                crops = {row.details.get("synthetic_crops", 0) for row in runs.values()}
                if arm == baseline or not max(crops):
                    continue
                seeds = sorted(set(runs).intersection(*(set(one) for one in real.values())))
                if not seeds:
                    continue
                curve = np.array([[real[k][seed].value for seed in seeds] for k in real])
                values = np.array([runs[seed].value for seed in seeds])
                worth, interval, beyond = worth_of(list(real), curve, values, photos)
                made = max(crops) / people
                found.append(Exchange(arm, people, photos, made, worth, interval, beyond))
    return found


def worth_of(
    counts: Sequence[int], curve: Floats, values: Floats, photos: int
) -> tuple[float, stats.Interval | None, bool]:
    """Real photos of each person that an arm's gain stands for.

    Args:
        counts: (C,) photos of each person, ascending. curve: (C, S) what the baseline reaches with them.
        values: (S,) what the arm reaches with `photos` of them.
    Returns: photos more than `photos`; a 95 % interval over seeds; whether the arm lies outside the curve.
    Raises: DataError: fewer than two counts, or shapes do not fit.
    """
    if len(counts) < 2 or curve.shape != (len(counts), len(values)):
        raise DataError(f"{len(counts)} counts, {curve.shape} of a curve and {values.shape} do not fit.")
    places = np.log(np.asarray(counts, np.float64))

    def worth(drawn: NDArray[np.integer]) -> Floats:
        # more photos never do harm: what says otherwise is chance
        heights = np.maximum.accumulate(curve[:, drawn].mean(axis=1))
        return np.array([np.exp(np.interp(values[drawn].mean(), heights, places)) - photos])

    everyone = np.arange(len(values))
    means, mean = curve.mean(axis=1), float(values.mean())
    (interval,) = stats.bootstrap(worth, len(values)) if len(values) > 2 else (None,)
    return float(worth(everyone)[0]), interval, not means.min() <= mean <= means.max()


def learning_curves(rows: Sequence[Row], metric: str) -> Mapping[str, list[tuple[float, float]]]:
    """Mean of the metric, in percent, by photos of each person: a curve for each arm and number of people."""
    found: dict[str, list[tuple[float, float]]] = {}
    measured = [row for row in rows if row.metric == metric and "photos" in row.details]
    for people in sorted({row.details["people"] for row in measured}):
        for photos in sorted({row.details["photos"] for row in measured if row.details["people"] == people}):
            of_size = [
                row for row in measured if row.details["people"] == people and row.details["photos"] == photos
            ]
            for arm, runs in by_arm(of_size, metric).items():
                mean = float(np.mean([row.value for row in runs.values()]))
                found.setdefault(f"{arm}, {people} people", []).append((float(photos), 100 * mean))
    return {name: points for name, points in found.items() if len(points) > 1}
