"""Rows of repaired faces -> tables and sentences of the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.repair.bench import AUTO, DAMAGED, OURS, OWN, PROJECTED, B
from benchmarks.repair.cases import WHOLE
from benchmarks.rows import Row
from benchmarks.summaries import Section, Table, by_protocol, number, one_a_line

PSNR = "PSNR, dB"
ALIKE = f"cosine to the clean face, {B}"
RESTORED = f"restored fraction, {B}"
GAINED = f"TAR gained, {OWN}"
COLUMNS = (
    PSNR,
    "SSIM",
    ALIKE,
    f"TAR@FMR=1e-3, {B}",
    f"rank-1, {B}",
    RESTORED,
    f"TAR@FMR=1e-3, {OWN}",
    GAINED,
    f"{GAINED}, both vectors",
    "damage named rightly",
)
OWN_METHODS = (OURS, AUTO, PROJECTED)
HEAD = ["", "damaged, dB", "best baseline, dB", "repaired, dB", RESTORED, GAINED, "bundled model", "auto"]
GAINS, LOSES, UNDECIDED = "gains", "loses", "undecided"
Case = Sequence[Row]  # of one damage, strength and seed


def repairs(section: Section, chosen: Sequence[Row]) -> None:
    """What follows for each damage, then a line an arm, and what happens to undamaged faces."""
    for (data, protocol), rows in by_protocol(chosen).items():
        lines = one_a_line(rows)
        title = f"{data}: {protocol}"
        cases = _cases(lines)
        if cases:
            section.tables.append(_table(cases, f"What follows for each damage. {title}"))
        cells = {(row.arm, row.metric): number(row) for row in lines}
        arms = list(dict.fromkeys(row.arm for row in lines))
        section.tables.append(
            Table(title, ["", *COLUMNS], [[arm, *(cells.get((arm, m), "") for m in COLUMNS)] for arm in arms])
        )
        section.tables += _harm(lines, title)
        what = f"{data}, {protocol.partition(',')[0]}"
        section.text += [f"{what}. {said}" for said in (_decisive(cases), _fillers(cases)) if said]


def in_short(chosen: Sequence[Row]) -> list[Table]:
    """What follows for each damage, and what happens to undamaged faces, for each data set and protocol."""
    found = []
    for (data, protocol), rows in by_protocol(chosen).items():
        lines, title = one_a_line(rows), f"{data}: {protocol}"
        found += [_table(_cases(lines), title), *_harm(lines, title)]
    return found


def _harm(lines: Sequence[Row], title: str) -> list[Table]:
    harm = [row for row in lines if row.arm == f"{WHOLE}, {OURS}" and row.metric not in COLUMNS]
    told = [[row.metric, number(row)] for row in harm]
    return [Table(f"Faces that were whole, repaired. {title}", ["", ""], told)] if told else []


def _table(cases: Mapping[str, Case], caption: str) -> Table:
    told = f"{caption}. Baselines are told what is covered"
    return Table(told, HEAD, [[name, *_followed(case)] for name, case in cases.items()])


def _cases(lines: Sequence[Row]) -> dict[str, Case]:
    """Rows by damage, and by seed where there are several; those with a baseline."""
    several = len({row.seed for row in lines}) > 1
    found: dict[str, list[Row]] = {}
    for row in lines:
        seed = f", seed {row.seed}" if several else ""
        found.setdefault(row.details["case"] + seed, []).append(row)
    return {name: case for name, case in found.items() if OURS in _by_method(case, PSNR) and _baselines(case)}


def _by_method(case: Case, metric: str) -> dict[str, Row]:
    return {row.details["method"]: row for row in case if row.metric == metric}


def _baselines(case: Case) -> dict[str, float]:
    """PSNR of what there was before; nothing where faces were whole."""
    if any(row.details["case"] == WHOLE for row in case):
        return {}
    found = {method: row.value for method, row in _by_method(case, PSNR).items()}
    return {method: value for method, value in found.items() if method not in OWN_METHODS}


def _followed(case: Case) -> list[str]:
    """The cells of `HEAD` for one damage."""
    psnr, others = _by_method(case, PSNR), _baselines(case)
    best = max(others, key=lambda method: others[method])
    ours = psnr[OURS].value
    gain, restored = (_by_method(case, metric).get(OURS) for metric in (GAINED, RESTORED))
    return [
        f"{psnr[DAMAGED].value:.1f}" if DAMAGED in psnr else "",
        f"{others[best]:.1f} ({best})",
        f"{ours:.1f} ({ours - others[best]:+.1f})",
        number(restored) if restored else "damage costs too little",
        number(gain) if gain else "",
        _verdict(gain),
        {True: "repairs", False: "leaves it", None: ""}[gain.details.get("auto") if gain else None],
    ]


def _verdict(gain: Row | None) -> str:
    """Whether repair beats the decisive line: the same model on the damaged face."""
    if gain is None or gain.ci95 is None:
        return "not known"
    low, high = gain.ci95
    return GAINS if low > 0 else LOSES if high < 0 else UNDECIDED


def _decisive(cases: Mapping[str, Case]) -> str:
    """With which damages repair beats the decisive line, and with which it does not."""
    verdicts = {name: _verdict(_by_method(case, GAINED).get(OURS)) for name, case in cases.items()}
    parts = {
        GAINS: "knows more people after repair",
        LOSES: "knows more people on the damaged faces as they are",
        UNDECIDED: "shows no difference that its interval leaves no doubt of",
    }
    said = [
        f"{text}: {_listed(name for name, verdict in verdicts.items() if verdict == which)}"
        for which, text in parts.items()
        if which in verdicts.values()
    ]
    return f"The bundled model, which learned from damaged faces, {'; it '.join(said)}." if said else ""


def _fillers(cases: Mapping[str, Case]) -> str:
    """Which of the two that repair, network or VAE, is nearer to the clean face, damage by damage."""
    sides: dict[str, list[str]] = {}
    for name, case in cases.items():
        if PROJECTED in _by_method(case, PSNR):
            sides.setdefault(_nearer(case), []).append(name)
    said = [f"{side} with {_listed(names)}" for side, names in sides.items()]
    return f"Nearer to the clean faces, by pixels and by {B}, is {'; '.join(said)}." if said else ""


def _nearer(case: Case) -> str:
    found = [_by_method(case, metric) for metric in (PSNR, ALIKE)]
    ours = [cells[OURS].value > cells[PROJECTED].value for cells in found]
    if len(set(ours)) > 1:
        return "the network by one and the VAE by the other"
    return "the network" if ours[0] else "the VAE"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(name.replace(", ", " ") for name in names)
