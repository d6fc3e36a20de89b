"""Rows of one plan as they were declared: who was compared, at which seeds, by which metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.augment.plan import CLASSIC
from benchmarks.rows import Row

MARGIN = 0.005
Seeds = dict[int, Row]


@dataclass(frozen=True)
class Declared:
    """What was written down before rows were measured."""

    arms: Mapping[str, str | None]  # recipe by arm
    seeds: range | None  # None: all there are
    baseline: str
    margin: float
    metric: str
    confirms: bool
    again: bool = False  # some of these seeds' rows were there when it was declared

    def by_arm(self, rows: Sequence[Row], metric: str) -> dict[str, Seeds]:
        """Rows by seed by arm, in the order declared."""
        found: dict[str, Seeds] = {arm: {} for arm in self.arms}
        for row in rows:
            fits = row.arm in self.arms and row.details.get("recipe") == self.arms[row.arm]
            inside = row.seed is not None and (self.seeds is None or row.seed in self.seeds)
            if row.metric == metric and fits and inside and row.seed is not None:
                found[row.arm][row.seed] = row
        return {arm: seeds for arm, seeds in found.items() if seeds}

    def values(self, rows: Sequence[Row], metric: str) -> dict[str, dict[int, float]]:
        """Value by seed by arm."""
        found = self.by_arm(rows, metric)
        return {arm: {seed: row.value for seed, row in seeds.items()} for arm, seeds in found.items()}

    def whole(self, rows: Sequence[Row]) -> bool:
        """Whether each arm has run with each of the seeds, as far as these were written down."""
        found = self.by_arm(rows, self.metric)
        wanted = set() if self.seeds is None else set(self.seeds)
        return all(wanted <= found.get(arm, {}).keys() for arm in self.arms)


def declarations(rows: Sequence[Row]) -> Iterator[Declared]:
    """All that were made of one plan, in order of appearance; of rows that carry none, one that holds all."""
    said = {row.details["declaration"]["digest"]: row.details["declaration"] for row in rows if _has(row)}
    before: set[tuple[str, str, int]] = set()
    for one in said.values():
        seeds = range(*one["seeds"])
        asked = {(arm, recipe, seed) for arm, recipe in one["arms"].items() for seed in seeds}
        yield Declared(
            arms=one["arms"],
            seeds=seeds,
            baseline=one["baseline"],
            margin=one["margin"],
            metric=one["metric"],
            confirms=one["confirms"],
            again=bool(asked & before),
        )
        before |= asked
    if not said and rows:
        recipes = {row.arm: row.details.get("recipe") for row in rows}
        first = rows[0]
        yield Declared(
            arms=recipes,
            seeds=None,
            baseline=first.details.get("baseline", CLASSIC),
            margin=first.details.get("margin", MARGIN),
            metric=first.metric,
            confirms=False,
        )


def _has(row: Row) -> bool:
    return "declaration" in row.details
