"""Rows of one plan, by arm and seed."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.augment.plan import CLASSIC
from benchmarks.rows import Row

Seeds = dict[int, Row]


def by_arm(rows: Sequence[Row], metric: str) -> dict[str, Seeds]:
    """Rows by seed by arm, in order of appearance; of an arm that was changed the last recipe's."""
    last = {row.arm: row.details.get("recipe") for row in rows}
    found: dict[str, Seeds] = {}
    for row in rows:
        if row.metric == metric and row.seed is not None and row.details.get("recipe") == last[row.arm]:
            found.setdefault(row.arm, {})[row.seed] = row
    return found


def values_of(rows: Sequence[Row], metric: str) -> dict[str, dict[int, float]]:
    """Value by seed by arm."""
    return {
        arm: {seed: row.value for seed, row in seeds.items()} for arm, seeds in by_arm(rows, metric).items()
    }


def baseline_of(rows: Sequence[Row]) -> str:
    """The arm that the others are held against."""
    return str(next((row.details["baseline"] for row in rows if "baseline" in row.details), CLASSIC))
