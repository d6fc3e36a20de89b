"""Rows of arms -> tables, verdicts, plots: which of them help, by how much, and how surely."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks import plots, stats
from benchmarks.augment.arms import Declared, declarations
from benchmarks.augment.costs import COST
from benchmarks.augment.curves import exchanges, learning_curves, of_several_sizes, sizes_table
from benchmarks.augment.effects import Effect, Verdict
from benchmarks.augment.verdicts import effects_of, false_alarms, points, power
from benchmarks.rows import Row
from benchmarks.summaries import Section, Table, by_plan, quantity

MOST_SIZES = 3  # of people and photos that explored plans of one kind are told by; more share one table
MOST_COLUMNS = 6  # arms of a plot of seeds; more have their effects plotted only


def augment(section: Section, chosen: Sequence[Row]) -> dict[str, bytes]:
    """What was confirmed, then what was explored, then what depends on how many photos there are, then costs.

    Returns: pictures by caption.
    """
    pictures: dict[str, bytes] = {}
    explained: set[str] = set()
    measured = [row for row in chosen if row.metric != COST]
    families = _families(measured)
    in_curves = {
        key: of_several_sizes(alike) for key, alike in families.items() if _sizes(alike) > MOST_SIZES
    }
    for told in sorted(_told(measured), key=lambda one: not one.declared.confirms):
        data, plan, rows, declared = told.data, told.plan, told.rows, told.declared
        title = f"{data}: {told.protocol}"
        values = declared.values(rows, declared.metric)
        elsewhere = in_curves.get((data, rows[0].details.get("family", "")), set())
        if not declared.confirms and values.keys() <= elsewhere:
            continue  # all of it stands in the table of several sizes
        plan_said = f"plan {plan}" + (f", declaration {told.place + 1}" if told.place else "")
        where = f"{title}, {plan_said}"
        if plan_said not in explained:  # of its first exam
            section.tables += recipes(rows, declared, f"What was compared in {plan_said}")
            explained.add(plan_said)
        section.tables.append(arms_table(rows, declared, f"What it came to, {where}"))
        section.text += [f"{data}. {sentence}" for sentence in sentences(rows, declared)]
        if len(values) <= MOST_COLUMNS:
            pictures[where] = plots.arms(values, declared.baseline, declared.metric, title)
        found = effects_of(rows, declared)
        if found:
            pictures[f"Effects. {where}"] = _forest(found, declared, title)
    for (data, _), alike in families.items():
        pictures |= _several_sizes(section, data, alike)
    table = cost(chosen)
    if table is not None:
        section.tables.append(table)
    return pictures


def confirmed(chosen: Sequence[Row]) -> list[Table]:
    """What the arms of each confirming declaration reach on each exam, and add to the baseline.

    Declarations of which runs are missing are left out.
    """
    found: dict[tuple[object, ...], tuple[Declared, dict[str, list[Row]]]] = {}
    for told in _told([row for row in chosen if row.metric != COST]):
        if told.declared.confirms and told.declared.whole(told.rows):
            _, exams = found.setdefault((told.plan, told.place), (told.declared, {}))
            exams[told.data] = told.rows
    return [_confirmed(declared, exams) for declared, exams in found.values()]


class _Told(NamedTuple):
    """What was declared of a plan, with the rows of one exam."""

    plan: str
    data: str
    protocol: str
    place: int  # of the declaration, among those of the plan
    declared: Declared
    rows: list[Row]


def _told(measured: Sequence[Row]) -> Iterator[_Told]:
    for (plan, data, protocol), rows in by_plan(measured).items():
        for place, declared in enumerate(declarations(rows)):
            yield _Told(plan, data, protocol, place, declared, rows)


def _confirmed(declared: Declared, exams: Mapping[str, Sequence[Row]]) -> Table:
    cells: dict[str, dict[str, str]] = {}
    seeds = set()
    for data, rows in exams.items():
        effect = {one.arm: one for one in effects_of(rows, declared)}
        seeds |= {one.seeds for one in effect.values()}
        for arm, values in declared.values(rows, declared.metric).items():
            mean = _mean(values.values(), interval=False)
            if arm in effect:
                added = points(effect[arm].mean, effect[arm].simultaneous, digits=1)
                mean += f": {added}, {_verdict(effect[arm])}"
            cells.setdefault(arm, {})[data] = mean
    every = [row for rows in exams.values() for row in rows]
    learned = f"{every[0].details['people']} people x {every[0].details['photos']} photos"
    regimes = _regimes(every)
    caption = (
        f"{declared.metric} of networks that learned from {learned}, and from what was added to them; points "
        f"beside {declared.baseline} over {min(seeds, default=0)} paired seeds, 95 % intervals that hold "
        "for all together" + (". Some rows were there when this was declared" if declared.again else "")
    )
    arms = sorted(cells, key=lambda arm: arm != declared.baseline)
    body = [[arm + regimes.get(arm, ""), *(cells[arm].get(data, "") for data in exams)] for arm in arms]
    return Table(caption, ["", *exams], body)


def _families(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """By data and family, what explores: rows of plans that differ in numbers of people and photos only."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if "family" in row.details and not row.details["declaration"]["confirms"]:
            found.setdefault((row.data, row.details["family"]), []).append(row)
    return found


def _sizes(rows: Sequence[Row]) -> int:
    return len({(row.details["people"], row.details["photos"]) for row in rows})


def _several_sizes(section: Section, data: str, rows: Sequence[Row]) -> dict[str, bytes]:
    """What more people and photos would do, and what made-up ones are worth; pictures by caption."""
    if not of_several_sizes(rows):
        return {}
    first, curves = rows[0], learning_curves(rows)
    title = f"{data}: {first.details['declaration']['metric']} by real photos of each person"
    where = f"{title}, family {first.details['family']}"
    worth = exchanges(rows)
    section.tables.append(sizes_table(rows, worth, f"{where} (explored; the recipes are those of its plans)"))
    for arm in dict.fromkeys(one.arm for one in worth):
        of_arm = [one for one in worth if one.arm == arm]
        least, most = (pick(of_arm, key=lambda one: one.worth) for pick in (min, max))
        section.text.append(
            f"{data}. {arm}: made-up photos do as much as {least.said()} (people: {least.people}, photos: "
            f"{least.photos}) to {most.said()} ({most.people}, {most.photos}) more real ones of each person."
        )
    return {where: plots.panels(curves, title, "real photos of each person", "%")} if curves else {}


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


def arms_table(rows: Sequence[Row], declared: Declared, caption: str) -> Table:
    """Mean of each arm over seeds, with differences and verdicts of the metric that was declared."""
    found = {effect.arm: effect for effect in effects_of(rows, declared)}
    others = [metric for metric in dict.fromkeys(row.metric for row in rows) if metric != declared.metric]
    beside = {metric: declared.values(rows, metric) for metric in others}
    body = [
        [
            arm,
            str(found[arm].seeds if arm in found else len(seeds)),
            _mean(seeds.values()),
            *_cells(found.get(arm)),
            *(_mean(beside[metric].get(arm, {}).values(), interval=False) for metric in others),
        ]
        for arm, seeds in declared.values(rows, declared.metric).items()
    ]
    judged = [declared.metric, f"difference from {declared.baseline}, points", "all together", "p, Holm"]
    return Table(caption, ["arm", "seeds", *judged, "verdict", *others], body)


def _cells(effect: Effect | None) -> list[str]:
    if effect is None:
        return ["", "", "", ""]
    edges = points(effect.mean, effect.ci95), points(None, effect.simultaneous)
    return [*edges, f"{effect.adjusted:.3f}", _verdict(effect)]


def _verdict(effect: Effect) -> str:
    margin = f" {100 * effect.margin:g} points" if effect.verdict is Verdict.NOTHING else ""
    return f"{effect.verdict.value}{margin}"


def sentences(rows: Sequence[Row], declared: Declared) -> list[str]:
    """What each arm came to, those that nothing is decided of in one; then what so many seeds can find."""
    regimes = _regimes(rows)
    values = declared.values(rows, declared.metric)
    found = {effect.arm: effect for effect in effects_of(rows, declared)}
    decided = {arm: effect for arm, effect in found.items() if effect.verdict is not Verdict.UNDECIDED}
    said = [
        f"{arm}{regimes.get(arm, '')}: {declared.metric} {_mean(values[arm].values())} over "
        f"{_seeds(effect.seeds)}, {points(effect.mean, None)} points from {declared.baseline}, all arms "
        f"together {points(None, effect.simultaneous)}: {effect.sentence()}."
        for arm, effect in decided.items()
    ]
    said += [
        f"{arm}: {declared.metric} {_mean(seeds.values())} over {_seeds(len(seeds))}."
        for arm, seeds in values.items()
        if arm not in found
    ]
    if open_ := {arm: effect for arm, effect in found.items() if arm not in decided}:
        listed = (
            f"{arm}{regimes.get(arm, '')} {points(effect.mean, effect.simultaneous)}"
            for arm, effect in open_.items()
        )
        few = min(effect.seeds for effect in open_.values())
        said.append(
            f"Undecided, by {_seeds(few)}: {', '.join(listed)} points of {declared.metric} from "
            f"{declared.baseline}."
        )
    if declared.again:
        said.append(
            "Some of these rows were there when this was declared: it explores, and confirms nothing."
        )
    return [*said, *power(rows, declared), *false_alarms(rows, declared)]


def _regimes(rows: Sequence[Row]) -> dict[str, str]:
    """By arm with made-up faces, what to say behind its name."""
    return {row.arm: f" ({row.regime} regime)" for row in rows if row.regime}


def _seeds(count: int) -> str:
    return f"{count} seed{'s' if count > 1 else ''}"


def _forest(found: Sequence[Effect], declared: Declared, title: str) -> bytes:
    def scaled(interval: stats.Interval | None) -> stats.Interval | None:
        return None if interval is None else (100 * interval[0], 100 * interval[1])

    lines = [(one.arm, 100 * one.mean, scaled(one.ci95), scaled(one.simultaneous)) for one in found]
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


def _mean(values: Iterable[float], *, interval: bool = True) -> str:
    array = np.array(list(values))
    if not len(array):
        return ""
    spread = stats.t_interval(array) if interval and len(array) > 1 else None
    return quantity(float(array.mean()), spread, share=True)
