"""Plots of rows, as PNG. The same rows give the same bytes."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks import stats
from benchmarks.rows import Row
from benchmarks.summaries import is_share

COLOURS = ("#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860", "#da8bc3", "#8c8c8c")
DPI = 100
MOST_ACROSS = 3  # panels
TITLE_CHARACTERS = 12  # an inch of a line
ARM_CHARACTERS = 14  # a line, below a column
LABEL_CHARACTERS = 20  # a line under a panel


def intervals(rows: Sequence[Row], title: str) -> bytes:
    """A panel a metric: each arm's value with its 95 % interval."""
    names = [m for m in dict.fromkeys(row.metric for row in rows) if is_share(m)]
    figure, axes = _panels(len(names), height=1.2 + 0.35 * len({row.arm for row in rows}))
    for axis, metric in zip(axes, names, strict=True):
        chosen = [row for row in rows if row.metric == metric]
        for place, row in enumerate(reversed(chosen)):
            low, high = row.ci95 or (row.value, row.value)
            axis.plot([100 * low, 100 * high], [place, place], color="#888888", lw=2)
            axis.plot(100 * row.value, place, "o", color=COLOURS[0])
        axis.set_yticks(range(len(chosen)), [_short(row.arm) for row in reversed(chosen)])
        axis.set_ylim(-0.6, len(chosen) - 0.4)
        axis.set_xlabel(_wrapped(f"{metric}, %", LABEL_CHARACTERS))
        axis.locator_params(axis="x", nbins=2)
    return _png(figure, title)


def distances(rows: Sequence[Row], title: str) -> bytes:
    """One metric of several arms, smaller is better: a bar each, with its interval."""
    figure, (axis,) = _panels(1, height=1.2 + 0.3 * len(rows))
    figure.set_figwidth(7)
    for place, row in enumerate(reversed(rows)):
        low, high = row.ci95 or (row.value, row.value)
        axis.barh(place, row.value, color=COLOURS[0], height=0.7)
        axis.plot([low, high], [place, place], color="black", lw=1)
    axis.set_yticks(range(len(rows)), [row.arm for row in reversed(rows)], fontsize=8)
    axis.set_xlabel(rows[0].metric)
    axis.grid(alpha=0.3, axis="x")
    return _png(figure, title)


def det(rows: Sequence[Row], title: str) -> bytes:
    """ROC and DET curves of the rows that carry one: a line a model."""
    figure, (roc, errors) = _panels(2, height=3.4)
    for place, row in enumerate(rows):
        fmr, tar = np.array(row.details["roc"]).T
        colour = COLOURS[place % len(COLOURS)]
        roc.semilogx(fmr, 100 * tar, color=colour, label=_short(row.arm))
        errors.loglog(fmr, np.maximum(1 - tar, 1e-4), color=colour)
    roc.set_ylabel("TAR, %")
    errors.set_ylabel("FNMR")
    for axis in (roc, errors):
        axis.set_xlabel("FMR")
        axis.grid(alpha=0.3)
    roc.legend(fontsize=7)
    return _png(figure, title)


def identification(rows: Sequence[Row], title: str) -> bytes:
    """CMC and FNIR by FPIR of the rows that carry them: a line a model and gallery."""
    figure, (cmc, errors) = _panels(2, height=3.4)
    for place, row in enumerate(rows):
        colour = COLOURS[place % len(COLOURS)]
        ranks, found = np.array(row.details["cmc"]).T
        cmc.semilogx(ranks, 100 * found, "o-", ms=3, color=colour, label=_short(row.arm))
        if row.details["det"]:
            fpir, fnir = np.array(row.details["det"]).T
            errors.loglog(fpir, np.maximum(fnir, 1e-4), "o-", ms=3, color=colour)
    cmc.set_xlabel("rank")
    cmc.set_ylabel("identified, %")
    errors.set_xlabel("FPIR")
    errors.set_ylabel("FNIR")
    for axis in (cmc, errors):
        axis.grid(alpha=0.3)
    cmc.legend(fontsize=7)
    return _png(figure, title)


def lines(
    curves: Mapping[str, Sequence[tuple[float, float]]], title: str, x: str, y: str, *, log: bool
) -> bytes:
    """Named curves of (x, y in percent)."""
    figure, (axis,) = _panels(1, height=3.4)
    for place, (name, points) in enumerate(curves.items()):
        across, up = zip(*points, strict=True)
        axis.plot(across, up, "o-", ms=3, color=COLOURS[place % len(COLOURS)], label=name)
    if log:
        axis.set_xscale("log")
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.grid(alpha=0.3)
    _names_beside(figure, [axis])
    return _png(figure, title)


def panels(
    curves: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], title: str, x: str, y: str
) -> bytes:
    """A panel a name, each with named curves of (x, y in percent) over the same range."""
    names = list(dict.fromkeys(name for of_panel in curves.values() for name in of_panel))
    figure, axes = _panels(len(curves), height=3.0)
    every = [up for of_panel in curves.values() for points in of_panel.values() for _, up in points]
    for axis, (panel, of_panel) in zip(axes, curves.items(), strict=True):
        for name, points in of_panel.items():
            across, up = zip(*points, strict=True)
            colour = COLOURS[names.index(name) % len(COLOURS)]
            axis.plot(across, up, "o-", ms=3, color=colour, label=name)
        axis.set_title(panel, fontsize=9)
        axis.set_xlabel(x)
        axis.set_ylim(0, 1.05 * max(every))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel(y)
    _names_beside(figure, axes)
    return _png(figure, title)


def arms(values: Mapping[str, Mapping[int, float]], baseline: str, metric: str, title: str) -> bytes:
    """Left: each arm's seeds, mean and interval. Right: differences from the baseline, seed by seed.

    Args:
        values: by seed by arm.
    """
    shared = {arm: sorted(seeds.keys() & values.get(baseline, {}).keys()) for arm, seeds in values.items()}
    others = [arm for arm, seeds in shared.items() if arm != baseline and seeds]
    figure, axes = _panels(2 if others else 1, height=3.4)
    for place, seeds in enumerate(values.values()):
        _column(axes[0], place, 100 * np.array(list(seeds.values())))
    axes[0].set_xticks(range(len(values)), _named(values), fontsize=8)
    axes[0].set_ylabel(f"{metric}, %")
    for place, arm in enumerate(others):
        differences = np.array([values[arm][seed] - values[baseline][seed] for seed in shared[arm]])
        _column(axes[1], place, 100 * differences)
    if others:
        axes[1].axhline(0, color="black", lw=0.8)
        axes[1].set_xticks(range(len(others)), _named(others), fontsize=8)
        axes[1].set_xlim(-0.5, len(others) - 0.5)
        axes[1].set_ylabel(f"difference from {baseline}, points")
    return _png(figure, title)


def forest(
    effects: Sequence[tuple[str, float, stats.Interval | None, stats.Interval | None]],
    margin: float,
    unit: str,
    title: str,
) -> bytes:
    """A line an arm: its effect, the interval of it alone (thick) and that of all together (thin).

    Args:
        effects: name, value, and the two intervals, in points.
        margin: effects that are smaller do not matter: the grey band.
    """
    figure = Figure(figsize=(7.2, 1.2 + 0.42 * len(effects)), layout="constrained", dpi=DPI)
    axis = figure.add_subplot()
    axis.axvspan(-margin, margin, color="0.9", lw=0)
    axis.axvline(0, color="black", lw=0.8)
    for place, (_, value, alone, together) in enumerate(effects):
        colour = COLOURS[place % len(COLOURS)]
        for interval, width in ((together, 1.2), (alone, 4.0)):
            if interval is not None:
                axis.plot(interval, [place, place], color=colour, lw=width, solid_capstyle="butt")
        axis.plot(value, place, "D", color=colour, mec="white", ms=7)
    axis.set_yticks(range(len(effects)), [name for name, *_ in effects], fontsize=8)
    axis.set_ylim(len(effects) - 0.5, -0.5)
    axis.set_xlabel(unit)
    axis.grid(axis="x", alpha=0.3)
    return _png(figure, title)


def _named(arms: Iterable[str]) -> list[str]:
    return [_wrapped(arm.replace("+", "+ "), ARM_CHARACTERS) for arm in arms]


def _column(axis: Axes, place: int, values: np.ndarray) -> None:
    """Points of all seeds, mean and t interval."""
    colour = COLOURS[place % len(COLOURS)]
    spread = np.linspace(-0.12, 0.12, len(values)) if len(values) > 1 else np.zeros(1)
    axis.plot(place + spread, values, "o", color=colour, alpha=0.5, ms=4)
    if len(values) > 1:
        low, high = stats.t_interval(values)
        axis.plot([place + 0.25] * 2, [low, high], color=colour, lw=2)
    axis.plot(place + 0.25, values.mean(), "D", color=colour, ms=5)


def _panels(count: int, *, height: float) -> tuple[Figure, list[Axes]]:
    across = min(count, MOST_ACROSS)
    down = -(-count // across)
    figure = Figure(figsize=(max(4.2, 3.6 * across), height * down), layout="constrained", dpi=DPI)
    return figure, [figure.add_subplot(down, across, place + 1) for place in range(count)]


def _names_beside(figure: Figure, axes: Iterable[Axes]) -> None:
    """The names of all curves, each once, beside them."""
    figure.set_figwidth(figure.get_figwidth() + 2.4)
    handles = {
        text: line for axis in axes for line, text in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), fontsize=7, loc="outside right center")


def _short(text: str) -> str:
    return text if len(text) <= 28 else text[:26] + "…"


def _png(figure: Figure, title: str) -> bytes:
    figure.suptitle(_wrapped(title, int(TITLE_CHARACTERS * figure.get_figwidth())), fontsize=10)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})  # no version: the same bytes everywhere
    return buffer.getvalue()


def _wrapped(text: str, characters: int) -> str:
    """A text in lines that fit the picture's width, or a panel's."""
    return textwrap.fill(text, characters)
