"""Rows of arms -> tables, verdicts, plots: which of them help, by how much, and how surely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks import plots, stats
from benchmarks.augment.arms import baseline_of, by_arm, values_of
from benchmarks.augment.costs import COST
from benchmarks.augment.curves import exchanges, learning_curves
from benchmarks.augment.effects import Effect, Runs, detectable, effects
from benchmarks.rows import Row
from benchmarks.summaries import Section, Table, by_plan, quantity
from recog.errors import ConfigError

MARGIN = 0.005
SCALE = 10_000  # of the resampled rates that rows carry


def augment(section: Section, chosen: Sequence[Row]) -> dict[str, bytes]:
    """Arms by seeds for each plan and exam, what each adds to the baseline, then what it cost.

    Returns: pictures by caption.
    """
    pictures: dict[str, bytes] = {}
    for (plan, data, protocol), rows in by_plan(row for row in chosen if row.metric != COST).items():
        title = f"{data}: {protocol}"
        for metric in dict.fromkeys(row.metric for row in rows):
            section.tables.append(arms_table(rows, metric, f"{metric}, {title}, plan {plan}"))
        headline = rows[0].metric
        said = (*sentences(rows, headline), *power(rows, headline))
        section.text += [f"{data}. {sentence}" for sentence in said]
        where = f"{title}, plan {plan}"
        pictures[where] = plots.arms(values_of(rows, headline), baseline_of(rows), headline, title)
        found = effects_of(rows, headline)
        if found:
            pictures[f"Effects. {where}"] = _forest(found, headline, baseline_of(rows), title)
    pictures |= _across_plans(section, [row for row in chosen if row.metric != COST])
    table = cost(chosen)
    if table is not None:
        section.tables.append(table)
    return pictures


def _across_plans(section: Section, rows: Sequence[Row]) -> dict[str, bytes]:
    """What more real photos would do, where plans differ in how many there are; pictures by caption."""
    pictures = {}
    for data in dict.fromkeys(row.data for row in rows):
        of_data = [row for row in rows if row.data == data]
        metric = of_data[0].metric
        section.text += [f"{data}. {one.sentence()}." for one in exchanges(of_data, metric)]
        curves = learning_curves(of_data, metric)
        if curves:
            title = f"{data}: {metric} by real photos of each person"
            pictures[title] = plots.lines(
                curves, title, "real photos of each person", f"{metric}, %", log=True
            )
    return pictures


def effects_of(rows: Sequence[Row], metric: str) -> list[Effect]:
    """Each arm against the baseline, at the seeds that all of them have."""
    arms = by_arm(rows, metric)
    baseline = arms.pop(baseline_of(rows), {})
    compared = {arm: seeds for arm, seeds in arms.items() if seeds.keys() & baseline.keys()}
    if not compared:
        return []
    shared = set(baseline).intersection(*compared.values())
    if not shared:
        return []
    margin = float(next((row.details["margin"] for row in rows if "margin" in row.details), MARGIN))
    seeds = sorted(shared)
    return effects(
        {arm: _runs(found, seeds) for arm, found in compared.items()}, _runs(baseline, seeds), margin=margin
    )


def _runs(found: Mapping[int, Row], seeds: Sequence[int]) -> Runs:
    values = np.array([found[seed].value for seed in seeds])
    lists = [found[seed].details.get("resampled", []) for seed in seeds]
    known = (
        np.array(lists, np.float64).reshape(len(seeds), -1) if len({len(one) for one in lists}) == 1 else None
    )
    if known is None or (known < 0).any():
        return Runs(values, np.zeros((len(seeds), 0)))
    return Runs(values, known / SCALE)


def arms_table(rows: Sequence[Row], metric: str, caption: str) -> Table:
    """Mean of each arm over seeds, its paired difference from the baseline, and the verdict."""
    baseline = baseline_of(rows)
    found = {effect.arm: effect for effect in effects_of(rows, metric)}
    body = [
        [arm, str(len(seeds)), _mean([row.value for row in seeds.values()]), *_cells(found.get(arm))]
        for arm, seeds in by_arm(rows, metric).items()
    ]
    head = [
        "arm",
        "seeds",
        metric,
        f"difference from {baseline}, points",
        "all together",
        "p, Holm",
        "verdict",
    ]
    return Table(caption, head, body)


def _cells(effect: Effect | None) -> list[str]:
    if effect is None:
        return ["", "", "", ""]
    return [
        f"{100 * effect.mean:+.2f}{_interval(effect.ci95)}",
        _interval(effect.simultaneous).strip(),
        f"{effect.adjusted:.3f}",
        effect.verdict.value
        + (f" {100 * effect.margin:g} points" if effect.verdict.value.endswith("than") else ""),
    ]


def _interval(interval: stats.Interval | None) -> str:
    return "" if interval is None else f" [{100 * interval[0]:+.2f}, {100 * interval[1]:+.2f}]"


def sentences(rows: Sequence[Row], metric: str) -> list[str]:
    """One sentence an arm: what was seen, and what follows."""
    regimes = {row.arm: row.regime for row in rows if row.regime}
    found = {effect.arm: effect for effect in effects_of(rows, metric)}
    said = []
    for arm, seeds in by_arm(rows, metric).items():
        regime = f" (generator: {regimes[arm]} regime)" if arm in regimes else ""
        text = (
            f"{arm}{regime}: {metric} {_mean([row.value for row in seeds.values()])} over {len(seeds)} seeds"
        )
        if arm in found:
            effect = found[arm]
            interval = _interval(effect.simultaneous)
            beside = f", {100 * effect.mean:+.2f} points from {baseline_of(rows)}"
            text += f"{beside}{f', all arms together{interval}' if interval else ''}: {effect.sentence()}"
        said.append(text + ".")
    return said


def power(rows: Sequence[Row], metric: str) -> list[str]:
    """What so many seeds can find, by how much their differences vary."""
    arms = by_arm(rows, metric)
    baseline = arms.pop(baseline_of(rows), {})
    spreads = [
        float(np.std([seeds[seed].value - baseline[seed].value for seed in shared], ddof=1))
        for seeds in arms.values()
        if len(shared := sorted(seeds.keys() & baseline.keys())) > 1
    ]
    if not spreads:
        return []
    seeds, deviation = len(baseline), float(np.median(spreads))
    try:
        least = detectable(deviation, seeds, len(spreads))
    except ConfigError as error:
        return [str(error)]
    return [
        f"{seeds} seeds find effects of {100 * least:.1f} points four times in five, where differences vary "
        f"by {100 * deviation:.1f} points between seeds and {len(spreads)} arms are compared."
    ]


def _forest(found: Sequence[Effect], metric: str, baseline: str, title: str) -> bytes:
    def points(interval: stats.Interval | None) -> stats.Interval | None:
        return None if interval is None else (100 * interval[0], 100 * interval[1])

    lines = [(one.arm, 100 * one.mean, points(one.ci95), points(one.simultaneous)) for one in found]
    return plots.forest(lines, 100 * found[0].margin, f"{metric}: difference from {baseline}, points", title)


def cost(rows: Sequence[Row]) -> Table | None:
    """Estimated before the run, beside what runs took."""
    estimates = {row.arm: row for row in rows if row.metric == COST}
    taken: dict[str, dict[tuple[int | None, str], float]] = {}
    for row in rows:
        if row.metric != COST:
            taken.setdefault(row.arm, {})[(row.seed, row.plan)] = row.seconds
    if not estimates and not taken:
        return None
    body = []
    for arm in dict.fromkeys([*estimates, *taken]):
        seen = list(taken.get(arm, {}).values())
        estimate = estimates.get(arm)
        body.append([
            arm,
            f"{estimate.value:.0f} s" if estimate else "",
            str(estimate.details.get("steps", "")) if estimate else "",
            f"{np.mean(seen):.0f} s" if seen else "",
            str(len(seen)),
        ])  # fmt: skip
    return Table("Cost of one run", ["arm", "estimated", "steps", "taken, exams included", "runs"], body)


def _mean(values: Sequence[float]) -> str:
    array = np.array(values)
    return quantity(float(array.mean()), stats.t_interval(array) if len(array) > 1 else None, share=True)
