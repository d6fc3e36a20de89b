"""Rows of made-up faces -> tables, sentences and plots of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from benchmarks import plots, stats
from benchmarks.generation.bench import REAL
from benchmarks.generation.showing import HALVED
from benchmarks.generation.techniques import ARMS, REFERENCE, STOPPED, VAE_GAN
from benchmarks.rows import Row
from benchmarks.summaries import Section, Table, by_protocol, number, of_last_plans, one_a_line

KID = "KID, recogniser B"
COLUMNS = (  # of the table of techniques
    KID,
    "FID, recogniser B",
    "precision, recogniser B",
    "recall, recogniser B",
    "coverage, recogniser B",
    "KID, autoencoder",
    "identity AUC",
    *(f"{name} as asked, balanced accuracy" for name in HALVED),
)

SEEDS = (
    "An arm of one seed has the interval of its faces alone, which says nothing of the network that another "
    "seed would train; an arm of three or more has Student's over them, an arm of two has none."
)


def techniques(section: Section, chosen: Sequence[Row]) -> dict[str, bytes]:
    """A line a technique, beside the reference and what real photos reach; plots by caption.

    Returns: pictures by caption.
    """
    pictures = {}
    for (data, protocol), rows in by_protocol(chosen).items():
        lines = _over_seeds(rows)
        values = _values(lines)
        arms = sorted(values, key=_place)
        title = f"{data}: {protocol}"
        section.tables.append(Table(title, ["", *COLUMNS], [_line(arm, lines, COLUMNS) for arm in arms]))
        section.text += _beside_reference(values, data)
        distances = [row for arm in arms for row in lines if row.arm == arm and row.metric == KID]
        if distances:
            pictures[f"{KID}. {title}"] = plots.distances(distances, title)
    return pictures


def generators(chosen: Sequence[Row], metrics: Sequence[str] = ()) -> list[Table]:
    """A table for each data set and protocol: a column a generator, real photos first, a line a metric."""
    tables = []
    for (data, protocol), rows in by_protocol(chosen).items():
        lines = one_a_line(rows)
        arms = list(dict.fromkeys(row.arm for row in lines))
        cells = {(row.metric, row.arm): number(row) for row in lines}
        body = [
            [metric, *(cells.get((metric, arm), "") for arm in arms)]
            for metric in dict.fromkeys(row.metric for row in lines)
            if metric in metrics or not metrics
        ]
        tables.append(Table(f"{data}: {protocol}", ["", *arms], body))
    return tables


def kept_pictures(chosen: Sequence[Row]) -> dict[str, str]:
    """Captions by file, of the pictures that lie beside the rows."""
    found: dict[str, str] = {}
    for row in chosen:
        found.update(row.details.get("pictures", {}))
    return found


def _over_seeds(rows: Sequence[Row]) -> list[Row]:
    """One row an arm and metric: over several seeds their mean, with Student's interval of three or more."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in of_last_plans(rows):
        found.setdefault((row.arm, row.metric), []).append(row)
    kept = []
    for several in found.values():
        last = list({row.seed: row for row in several}.values())
        values = np.array([row.value for row in last])
        if len(last) > 1:
            interval = stats.t_interval(values) if len(last) > 2 else None  # of two it says next to nothing
            n = sum(row.n for row in last)
            kept.append(replace(last[-1], value=float(values.mean()), ci95=interval, n=n))
        else:
            kept.append(last[0])
    return kept


def _values(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        found.setdefault(row.arm, {})[row.metric] = row.value
    return found


def _place(arm: str) -> tuple[int, str]:
    order = [REAL, *ARMS]
    return (order.index(arm) if arm in order else len(order), arm)


def _line(arm: str, rows: Sequence[Row], columns: Sequence[str]) -> list[str]:
    own = {row.metric: row for row in rows if row.arm == arm}
    if STOPPED in own and own[STOPPED].value:
        return [arm, f"stopped: {own[STOPPED].details.get('why', '')}", *[""] * (len(columns) - 1)]
    return [arm, *(number(own[column]) if column in own else "" for column in columns)]


def _beside_reference(values: Mapping[str, Mapping[str, float]], data: str) -> list[str]:
    """How much of the reference's distance, less what other photos of the same people have, is left."""
    floor, reference = values.get(REAL, {}).get(KID), values.get(REFERENCE, {}).get(KID)
    if floor is None or reference is None or reference <= floor:
        return []
    left = {
        arm: (found[KID] - floor) / (reference - floor)
        for arm, found in values.items()
        if arm not in (REAL, REFERENCE) and KID in found
    }
    if not left:
        return []
    best = min(left, key=lambda arm: left[arm])
    combined = f", {VAE_GAN} {100 * left[VAE_GAN]:.0f} %" if VAE_GAN in left and best != VAE_GAN else ""
    halved = sum(share <= 0.5 for share in left.values())
    stopped = [arm for arm, found in values.items() if found.get(STOPPED)]
    tried = len(left) + len(stopped)
    said = (
        f"{data}: of the {REFERENCE}'s {KID} ({reference:.3f}, of which {floor:.3f} is what other photos "
        f"of the same people have), {best} leaves {100 * left[best]:.0f} %{combined}; {halved} of {tried} "
        "techniques at least halve it."
    )
    if stopped:
        said += f" Stopped before the end: {', '.join(stopped)}."
    return [said + " " + SEEDS]
