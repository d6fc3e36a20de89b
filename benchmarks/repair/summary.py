"""Rows of repaired faces -> tables and sentences of the report."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.repair.bench import AUTO, OURS, OWN, PROJECTED, B
from benchmarks.repair.cases import WHOLE
from benchmarks.rows import Row
from benchmarks.summaries import Section, Table, by_protocol, number, one_a_line

PSNR = "PSNR, dB"
ALIKE = f"cosine to the clean face, {B}"
GAINED = f"TAR gained, {OWN}"
COLUMNS = (
    PSNR,
    "SSIM",
    ALIKE,
    f"TAR@FMR=1e-3, {B}",
    f"rank-1, {B}",
    f"restored fraction, {B}",
    f"TAR@FMR=1e-3, {OWN}",
    GAINED,
    f"{GAINED}, both vectors",
    "damage named rightly",
)
OWN_METHODS = (OURS, AUTO, PROJECTED)


def repairs(section: Section, chosen: Sequence[Row]) -> None:
    """A line an arm, what happens to undamaged faces, and what follows for each damage."""
    for (data, protocol), rows in by_protocol(chosen).items():
        lines = one_a_line(rows)
        title = f"{data}: {protocol}"
        cells = {(row.arm, row.metric): number(row) for row in lines}
        arms = list(dict.fromkeys(row.arm for row in lines))
        body = [[arm, *(cells.get((arm, metric), "") for metric in COLUMNS)] for arm in arms]
        section.tables.append(Table(title, ["", *COLUMNS], body))
        harm = [row for row in lines if row.arm == f"{WHOLE}, {OURS}" and row.metric not in COLUMNS]
        if harm:
            told = [[row.metric, number(row)] for row in harm]
            section.tables.append(Table(f"Faces that were whole, repaired. {title}", ["", ""], told))
        section.text += [f"{data}, {protocol.partition(';')[0]}. {line}" for line in _verdicts(lines)]


def _verdicts(lines: Sequence[Row]) -> list[str]:
    """For each damage: the margin over the best baseline, and whether the bundled model gains by repair."""
    found = []
    for (case, seed), rows in _by_case(lines).items():
        psnr = {row.details["method"]: row.value for row in rows if row.metric == PSNR}
        others = {method: value for method, value in psnr.items() if method not in OWN_METHODS}
        if OURS not in psnr or not others or case == WHOLE:
            continue
        best = max(others, key=lambda method: others[method])
        margin = f"{psnr[OURS] - others[best]:+.1f} dB beside the best baseline ({best})"
        gains = [row for row in rows if row.metric == GAINED and row.details["method"] == OURS]
        fillers = [_filler(rows)] if PROJECTED in psnr else []
        auto = [_auto(row.details["auto"]) for row in gains[:1] if "auto" in row.details]
        found.append(
            f"{case}{seed}: {'; '.join([margin, _gain(gains[0] if gains else None), *fillers, *auto])}."
        )
    return found


def _by_case(lines: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Rows by case, and by seed where there are several."""
    several = len({row.seed for row in lines}) > 1
    found: dict[tuple[str, str], list[Row]] = {}
    for row in lines:
        seed = f", seed {row.seed}" if several else ""
        found.setdefault((row.details["case"], seed), []).append(row)
    return found


def _filler(rows: Sequence[Row]) -> str:
    """Which of the two is nearer to the clean face: by its pixels, and by whom it shows."""
    cells = {(row.details["method"], row.metric): row.value for row in rows}
    pixels, person = (cells[OURS, metric] - cells[PROJECTED, metric] for metric in (PSNR, ALIKE))
    said = f"{pixels:+.1f} dB, {person:+.2f} in cosine by {B}"
    if pixels > 0 and person > 0:
        return f"the network does better than the VAE ({said})"
    if pixels < 0 and person < 0:
        return f"the VAE does better than the network ({said})"
    return f"network and VAE each have something to be said for them ({said} for the network)"


def _auto(repairs: bool) -> str:
    if repairs:
        return "where it helps, it is repaired"
    return "where it helps, it is left as it is"


def _gain(row: Row | None) -> str:
    """Whether repair beats the decisive line: the same model on the damaged face."""
    if row is None or row.ci95 is None:
        return "whether the bundled model gains by it is not known"
    low, high = (100 * edge for edge in row.ci95)
    said = f"{100 * row.value:+.1f} points of TAR, 95 % interval {low:+.1f} to {high:+.1f}"
    if low > 0:
        return f"the bundled model, which learned from damaged faces, gains by repair ({said})"
    if high < 0:
        return f"the bundled model does better on the damaged face as it is ({said})"
    return f"whether the bundled model gains by repair is undecided ({said})"
