"""What more photos are worth, and how many of them made-up ones stand for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from benchmarks import stats
from benchmarks.augment.arms import Declared, Seeds, declarations
from benchmarks.augment.verdicts import effects_of, points
from benchmarks.metrics import Floats
from benchmarks.rows import Row
from benchmarks.summaries import Table, quantity
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

    def said(self) -> str:
        """How many they are, in words."""
        bound = {1: "at least ", -1: "at most ", 0: ""}[self.beyond]
        interval = "" if self.ci95 is None else f" [{self.ci95[0]:.1f}, {self.ci95[1]:.1f}]"
        return f"{bound}{round(self.worth, 1) + 0.0:.1f}{interval}"  # no -0.0


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
    """Mean in percent by photos of each person: by number of people, a curve for each arm."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for people, by_photos in _by_size(rows).items():
        curves: dict[str, list[tuple[float, float]]] = {}
        for photos, (_, arms) in by_photos.items():
            for arm, runs in arms.items():
                mean = float(np.mean([row.value for row in runs.values()]))
                curves.setdefault(arm, []).append((float(photos), 100 * mean))
        found[f"{people} people"] = {arm: points for arm, points in curves.items() if len(points) > 1}
    return {name: curves for name, curves in found.items() if curves}


def of_several_sizes(rows: Sequence[Row]) -> set[str]:
    """Arms that were run with several numbers of people or photos; rows as for `exchanges`."""
    sizes = [arms for by_photos in _by_size(rows).values() for _, arms in by_photos.values()]
    times = Counter(arm for arms in sizes for arm in arms)
    return {arm for arm, count in times.items() if count > 1}


def sizes_table(rows: Sequence[Row], exchanged: Iterable[Exchange], caption: str) -> Table:
    """What the arms that were run with several sizes reach, and what they add; rows as for `exchanges`."""
    shown = of_several_sizes(rows)
    worth = {(one.arm, one.people, one.photos): one.said() for one in exchanged}
    body, metric = [], ""
    for people, by_photos in _by_size(rows).items():
        for photos, (declared, arms) in by_photos.items():
            metric = declared.metric
            of_size = [row for runs in arms.values() for row in runs.values()]
            added = {effect.arm: points(effect.mean, effect.ci95) for effect in effects_of(of_size, declared)}
            for arm in filter(shown.__contains__, arms):
                mean = quantity(float(np.mean([row.value for row in arms[arm].values()])), None, share=True)
                size = [str(people), str(photos), arm, str(len(arms[arm])), mean]
                body.append([*size, added.get(arm, ""), worth.get((arm, people, photos), "")])
    head = ["people", "photos of each", "arm", "seeds", metric, "difference, points", "worth, real photos"]
    return Table(caption, head, body)
