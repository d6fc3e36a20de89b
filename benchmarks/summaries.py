"""Rows -> what they say: tables and sentences, descriptive and no more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.rows import Row

Cells = list[str]
PERCENT = frozenset({"accuracy", "AUC"})
SHARES = (
    *("TAR", "FMR", "FNMR", "FPIR", "FNIR", "failure", "rank-", "recall@", "precision,", "recall,"),
    *("coverage,", "classification accuracy", "face found", "found at", "verified", "cosine 0."),
)
PARTS = ("balanced accuracy", "stranger's")  # how metrics end that are shares, too
SMALLEST = 1e-3  # of p-values: less is printed as less


@dataclass(frozen=True)
class Table:
    """A table of text."""

    caption: str
    head: Cells
    body: list[Cells]


@dataclass(frozen=True)
class Figure:
    """A picture that `benchmarks.plots` draws."""

    file: str  # relative to the report
    caption: str


@dataclass
class Section:
    """One heading of the report."""

    title: str
    text: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)


def latest(rows: Iterable[Row]) -> list[Row]:
    """Of rows that measured the same thing under the same plan only the last, in order of measuring."""
    kept: dict[tuple[object, ...], Row] = {}
    for row in rows:
        what = (row.bench, row.plan, row.data, row.protocol, row.arm, row.metric, row.seed)
        kept.pop(what, None)  # what was measured again moves to the end
        kept[what] = row
    return list(kept.values())


def number(row: Row) -> str:
    """The value as the report prints it: shares in percent, with the interval."""
    if row.metric.endswith(" p") and row.value < SMALLEST:
        return f"< {SMALLEST:g}"
    return quantity(row.value, row.ci95, share=is_share(row.metric))


def is_share(metric: str) -> bool:
    """Whether a metric is a fraction that is read as a percentage."""
    return metric in PERCENT or metric.startswith(SHARES) or metric.endswith(PARTS)


def quantity(value: float, ci95: tuple[float, float] | None, *, share: bool) -> str:
    """For example 99.38 % [99.05, 99.71]."""
    scale, unit, digits = (100.0, " %", 2) if share else (1.0, "", 3)
    interval = "" if ci95 is None else f" [{ci95[0] * scale:.{digits}f}, {ci95[1] * scale:.{digits}f}]"
    return f"{value * scale:.{digits}f}{unit}{interval}"


def grid(rows: Sequence[Row], caption: str) -> Table:
    """One line an arm, one column a metric."""
    metrics = list(dict.fromkeys(row.metric for row in rows))
    cells = {(row.arm, row.metric): number(row) for row in rows}
    arms = list(dict.fromkeys(row.arm for row in rows))
    return Table(
        caption, ["", *metrics], [[arm, *(cells.get((arm, m), "") for m in metrics)] for arm in arms]
    )


def differentials(rows: Sequence[Row], caption: str) -> Table:
    """Error rates of the rows that are of one group each: one line an arm and group, one column a rate."""
    rates = list(dict.fromkeys(row.details["rate"] for row in rows))
    cells = {(row.arm, row.details["group"], row.details["rate"]): number(row) for row in rows}
    groups = list(dict.fromkeys((row.arm, row.details["group"]) for row in rows))
    body = [[*line, *(cells.get((*line, rate), "") for rate in rates)] for line in groups]
    return Table(f"By group, at one threshold for all; {caption}", ["", "pairs of", *rates], body)


def of_last_plans(rows: Sequence[Row]) -> list[Row]:
    """The rows of each arm's last plan.

    An arm that was measured again, with other weights say, must not keep some of its old figures. Some plans
    have the seed in them, so that each seed has a last one.
    """
    model = {row.arm: row.model for row in rows}
    last = {(row.arm, row.seed): row.plan for row in rows}
    return [row for row in rows if row.model == model[row.arm] and row.plan == last[row.arm, row.seed]]


def one_a_line(rows: Sequence[Row]) -> list[Row]:
    """The rows of each arm's last plan, arms told apart by seed where there are several seeds."""
    rows = of_last_plans(rows)
    several = len({row.seed for row in rows}) > 1
    named = [replace(row, arm=f"{row.arm}, seed {row.seed}") if several else row for row in rows]
    return list({(row.arm, row.metric): row for row in named}.values())


def by_protocol(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    """Rows of the same data and protocol, in order of appearance."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.data, row.protocol), []).append(row)
    return found


def by_plan(rows: Iterable[Row]) -> dict[tuple[str, str, str], list[Row]]:
    """Rows of the same plan, data and protocol, in order of appearance."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.plan, row.data, row.protocol), []).append(row)
    return found


def sized(rows: Sequence[Row]) -> dict[str, list[tuple[float, float]]]:
    """Misses by the number of people in the gallery, a curve a model and metric: (people, percent)."""
    found: dict[str, list[tuple[float, float]]] = {}
    several = len({row.seed for row in rows}) > 1
    for row in rows:
        first = row.metric == "rank-1"
        if "people" in row.details and (first or row.metric.startswith("FNIR at")):
            model = row.details["name"] + (f", seed {row.seed}" if several else "")
            metric, share = ("miss at rank 1", 1 - row.value) if first else (row.metric, row.value)
            found.setdefault(f"{model}: {metric}", []).append((float(row.details["people"]), 100 * share))
    return {name: sorted(points) for name, points in found.items() if len(points) > 1}


def ranked(rows: Sequence[Row]) -> list[Row]:
    """Of the rows that carry a CMC, each model's with the largest gallery."""
    largest: dict[str, Row] = {}
    for row in rows:
        if "cmc" in row.details:
            name = row.details["name"]
            if name not in largest or row.details["people"] > largest[name].details["people"]:
                largest[name] = row
    return list(largest.values())


def discarded(rows: Sequence[Row]) -> dict[str, list[tuple[float, float]]]:
    """Miss rates by the share of photos discarded, a curve an arm: (percent, percent)."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if "discarded" in row.details:
            found.setdefault(row.arm, []).append((100 * row.details["discarded"], 100 * row.value))
    return {name: sorted(points) for name, points in found.items()}


def history(rows: Iterable[Row]) -> Table:
    """What was run, with which code, on what, and how long it took."""
    runs: dict[tuple[str, str, str, str], dict[tuple[str | int | None, ...], float]] = {}
    for row in rows:
        runs.setdefault((row.bench, row.command, row.commit, row.device), {})[_timed(row)] = row.seconds
    body = [[*key, _duration(sum(units.values()))] for key, units in runs.items()]
    return Table("What was run", ["bench", "command", "commit", "device", "time"], body)


def _timed(row: Row) -> tuple[str | int | None, ...]:
    """What the seconds of a row are of: rows that share them say them once each."""
    parts = {
        "augment": (row.arm,),
        "enrich": (row.arm,),
        "backbones": (row.arm, row.metric if row.metric.startswith("ms a face") else "distilled and judged"),
        "speed": (row.protocol,),
        "generate": (row.arm,),
        "edit": (row.arm,),
        "throughput": (row.arm.partition(",")[0],),
    }
    return row.plan, row.seed, *parts.get(row.bench, ())


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
