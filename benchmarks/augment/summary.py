"""Rows of arms -> tables, verdicts, plots: which of them help, by how much, and how surely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks import plots, stats
from benchmarks.augment.arms import Declared, declarations
from benchmarks.augment.costs import COST
from benchmarks.augment.curves import exchanges, learning_curves
from benchmarks.augment.effects import (
    Effect,
    Runs,
    Verdict,
    detectable,
    deviation_of,
    effects,
    false_positives,
)
from benchmarks.rows import Row
from benchmarks.summaries import Section, Table, by_plan, quantity
from recog.errors import ConfigError

SCALE = 10_000  # of the resampled rates that rows carry
TRIALS = 100  # A/A
LEAST_TRIAL = 6  # seeds: fewer can find nothing
UNDEFINED = 0.05  # share of resamples: where more are not defined, people are too few for an interval


def augment(section: Section, chosen: Sequence[Row]) -> dict[str, bytes]:
    """Arms by seeds for each plan, exam and declaration, what each adds to the baseline, then what it cost.

    Returns: pictures by caption.
    """
    pictures: dict[str, bytes] = {}
    measured = [row for row in chosen if row.metric != COST]
    for (plan, data, protocol), rows in by_plan(measured).items():
        for place, declared in enumerate(declarations(rows)):
            title = f"{data}: {protocol}"
            where = f"{title}, plan {plan}" + (f", declaration {place + 1}" if place else "")
            metrics = dict.fromkeys([declared.metric, *(row.metric for row in rows)])
            section.tables += recipes(rows, declared, f"What was compared, {where}")
            section.tables += [arms_table(rows, declared, metric, f"{metric}, {where}") for metric in metrics]
            section.text += [f"{data}. {sentence}" for sentence in sentences(rows, declared)]
            values = declared.values(rows, declared.metric)
            pictures[where] = plots.arms(values, declared.baseline, declared.metric, title)
            found = effects_of(rows, declared)
            if found:
                pictures[f"Effects. {where}"] = _forest(found, declared, title)
    pictures |= _across_plans(section, measured)
    table = cost(chosen)
    if table is not None:
        section.tables.append(table)
    return pictures


def _across_plans(section: Section, rows: Sequence[Row]) -> dict[str, bytes]:
    """What more real photos would do, where plans differ in how many there are; pictures by caption."""
    pictures = {}
    families = dict.fromkeys((row.data, row.details["family"]) for row in rows if "family" in row.details)
    for data, family in families:
        alike = [row for row in rows if row.data == data and row.details.get("family") == family]
        section.text += [f"{data}. {one.sentence()}." for one in exchanges(alike)]
        for metric, curves in learning_curves(alike).items():
            title = f"{data}: {metric} by real photos of each person, {family}"
            axes = "real photos of each person", f"{metric}, %"
            pictures[title] = plots.lines(curves, title, *axes, log=True)
    return pictures


def recipes(rows: Sequence[Row], declared: Declared, caption: str) -> list[Table]:
    """What each arm learns from and how, where rows say it; what all share is in the caption."""
    found = declared.by_arm(rows, declared.metric)
    one = {arm: next(iter(seeds.values())).details for arm, seeds in found.items()}
    said = {arm: details["how"] for arm, details in one.items() if "how" in details}
    if not said:
        return []
    body = [
        [arm, _settings(how["arm"]) or "as all", str(one[arm]["steps"]), str(one[arm]["synthetic_crops"])]
        for arm, how in said.items()
    ]
    shared = _settings(next(iter(said.values()))["all"]) or "the defaults"
    head = ["arm", "what is its own", "gradient steps", "made-up faces"]
    return [Table(f"{caption}; all: {shared}", head, body)]


def _settings(said: Mapping[str, object]) -> str:
    """Nested settings in one line, without quotes and brackets where they say nothing."""
    parts = []
    for name, value in said.items():
        if isinstance(value, Mapping):
            parts.append(f"{name} ({_settings(value)})")
        else:
            parts.append(f"{name} {value}")
    return ", ".join(parts)


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


def arms_table(rows: Sequence[Row], declared: Declared, metric: str, caption: str) -> Table:
    """Mean of each arm over seeds; of the metric that was declared also differences and verdicts."""
    judged = metric == declared.metric
    found = {effect.arm: effect for effect in effects_of(rows, declared)} if judged else {}
    body = [
        [
            arm,
            str(found[arm].seeds if arm in found else len(seeds)),
            _mean([row.value for row in seeds.values()]),
            *(_cells(found.get(arm)) if judged else []),
        ]
        for arm, seeds in declared.by_arm(rows, metric).items()
    ]
    beside = [f"difference from {declared.baseline}, points", "all together", "p, Holm", "verdict"]
    return Table(caption, ["arm", "seeds", metric, *(beside if judged else [])], body)


def _cells(effect: Effect | None) -> list[str]:
    if effect is None:
        return ["", "", "", ""]
    margin = f" {100 * effect.margin:g} points" if effect.verdict is Verdict.NOTHING else ""
    return [
        f"{100 * effect.mean:+.2f}{_interval(effect.ci95)}",
        _interval(effect.simultaneous).strip(),
        f"{effect.adjusted:.3f}",
        f"{effect.verdict.value}{margin}",
    ]


def _interval(interval: stats.Interval | None) -> str:
    return "" if interval is None else f" [{100 * interval[0]:+.2f}, {100 * interval[1]:+.2f}]"


def sentences(rows: Sequence[Row], declared: Declared) -> list[str]:
    """One sentence an arm: what was seen, and what follows; then what so many seeds can find."""
    regimes = {row.arm: row.regime for row in rows if row.regime}
    found = {effect.arm: effect for effect in effects_of(rows, declared)}
    said = []
    for arm, seeds in declared.by_arm(rows, declared.metric).items():
        regime = f" (generator: {regimes[arm]} regime)" if arm in regimes else ""
        mean = _mean([row.value for row in seeds.values()])
        text = f"{arm}{regime}: {declared.metric} {mean} over {len(seeds)} seeds"
        if arm in found:
            effect = found[arm]
            interval = _interval(effect.simultaneous)
            text += f", {100 * effect.mean:+.2f} points from {declared.baseline}"
            text += f"{f', all arms together{interval}' if interval else ''}: {effect.sentence()}"
        said.append(text + ".")
    if declared.again:
        said.append(
            "Some of these rows were there when this was declared: it explores, and confirms nothing."
        )
    return [*said, *power(rows, declared), *false_alarms(rows, declared)]


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


def _forest(found: Sequence[Effect], declared: Declared, title: str) -> bytes:
    def points(interval: stats.Interval | None) -> stats.Interval | None:
        return None if interval is None else (100 * interval[0], 100 * interval[1])

    lines = [(one.arm, 100 * one.mean, points(one.ci95), points(one.simultaneous)) for one in found]
    unit = f"{declared.metric}: difference from {declared.baseline}, points"
    return plots.forest(lines, 100 * declared.margin, unit, title)


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
