"""`recog bench report`: every table, plot and sentence from the rows, and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from benchmarks import plots, rows
from benchmarks.augment import summary as arms
from benchmarks.generation import summary
from benchmarks.repair.summary import repairs
from benchmarks.rows import FIGURES, Row
from benchmarks.summaries import (
    Figure,
    Section,
    by_protocol,
    differentials,
    discarded,
    grid,
    history,
    is_share,
    latest,
    one_a_line,
    ranked,
    sized,
)
from recog.checkpoints import write_atomically

TITLES = {
    "verify": "Same person or not",
    "identify": "Who is it, and are strangers refused",
    "quality": "Does quality foretell misses",
    "generate": "Faces that are made up",
    "edit": "Photos that are edited or anonymized",
    "repair": "What repair gives back",
    "throughput": "How many faces an hour networks learn from",
    "techniques": "What techniques are worth to generators",
    "backbones": "Backbones after learning from the same crops",
    "augment": "What synthetic faces do to recognition",
    "enrich": "What made-up templates do for galleries",
    "speed": "Speed",
    "search": "Large galleries",
}


@dataclass(frozen=True)
class Report:
    """Sections in order, and the pictures they show by file name."""

    sections: list[Section]
    pictures: dict[str, bytes]


def write(results: Path, out: Path) -> list[Path]:
    """Render the rows of a folder.

    Returns: the files written: report.md, report.html and figures/*.png. The same rows give the same bytes.
    Raises: DataError: no rows there; WriteFailed.
    """
    report = build(rows.read_folder(results), results)
    contents = {
        "report.md": render_page("report.md.j2", sections=report.sections).encode(),
        "report.html": render_page("report.html.j2", sections=report.sections).encode(),
        **report.pictures,
    }
    for name, content in contents.items():
        write_atomically(out / name, content)
    return [out / name for name in contents]


def build(measured: Sequence[Row], results: Path | None = None) -> Report:
    """Sections and pictures of these rows.

    Args:
        results: folder of the rows, for pictures that benchmarks left there.
    """
    kept = latest(measured)
    pictures: dict[str, bytes] = {}
    sections = []
    for bench in sorted({row.bench for row in kept}, key=_rank):
        chosen = [row for row in kept if row.bench == bench]
        section = Section(TITLES.get(bench, bench))
        _MAKERS.get(bench, _plain)(section, chosen, pictures)
        if results is not None:
            _kept(section, chosen, pictures, results)
        sections.append(section)
    sections.append(Section("What was run", tables=[history(kept)]))
    return Report(sections, pictures)


def render_page(template: str, **content: object) -> str:
    """A template of this package, filled in."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("benchmarks", "templates"),
        autoescape=template.endswith(".html.j2"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["cell"] = lambda text: str(text).replace("|", "\\|").replace("\n", " ")
    return environment.get_template(template).render(content)


def _plain(section: Section, chosen: Sequence[Row], pictures: dict[str, bytes]) -> None:
    """A table and a plot for each data set and protocol; models are the lines."""
    for (data, protocol), found in by_protocol(chosen).items():
        lines = one_a_line(found)
        title = f"{data}: {protocol}"
        overall = [row for row in lines if "group" not in row.details]
        by_group = [row for row in lines if "group" in row.details]
        section.tables.append(grid(overall, f"{title} (n = {_counts(overall)})"))
        if by_group:
            section.tables.append(differentials(by_group, title))
        for kind, picture in _drawn(overall, title).items():
            _show(section, pictures, f"{chosen[0].bench} {kind}{data} {protocol}", title, picture)


def _drawn(found: Sequence[Row], title: str) -> dict[str, bytes]:
    """The plots that these rows can give, by kind."""
    curves = [row for row in found if "roc" in row.details]
    by_size = sized(found)
    by_discard = discarded(found)
    drawn = {}
    if by_size:
        drawn["by size "] = plots.lines(by_size, title, "people enrolled", "%", log=True)
    elif by_discard:
        drawn["discard "] = plots.lines(
            by_discard, title, "pairs with the worst photos discarded, %", "FNMR, %", log=False
        )
    elif any(is_share(row.metric) for row in found):
        drawn[""] = plots.intervals(found, title)
    if curves:
        drawn["roc "] = plots.det(curves, title)
    largest = ranked(found)
    if largest:
        drawn["cmc "] = plots.identification(largest, title)
    return drawn


def _augment(section: Section, chosen: Sequence[Row], pictures: dict[str, bytes]) -> None:
    for caption, picture in arms.augment(section, chosen).items():
        _show(section, pictures, f"{chosen[0].bench} {caption}", caption, picture)


def _techniques(section: Section, chosen: Sequence[Row], pictures: dict[str, bytes]) -> None:
    for caption, picture in summary.techniques(section, chosen).items():
        _show(section, pictures, f"techniques {caption}", caption, picture)


def _generators(section: Section, chosen: Sequence[Row], pictures: dict[str, bytes]) -> None:
    section.tables += summary.generators(chosen)


def _kept(section: Section, chosen: Sequence[Row], pictures: dict[str, bytes], results: Path) -> None:
    """Show what benchmarks left beside their rows."""
    for file, caption in summary.kept_pictures(chosen).items():
        if (results / file).is_file():
            pictures[file] = (results / file).read_bytes()
            section.figures.append(Figure(file, caption))
        else:
            section.text.append(f"{file} is not beside the rows any more: {caption}")


def _repairs(section: Section, chosen: Sequence[Row], pictures: dict[str, bytes]) -> None:
    repairs(section, chosen)


_MAKERS = {
    "augment": _augment,
    "enrich": _augment,
    "techniques": _techniques,
    "generate": _generators,
    "edit": _generators,
    "repair": _repairs,
}


def _show(section: Section, pictures: dict[str, bytes], name: str, caption: str, picture: bytes) -> None:
    """Add a picture under a file name that is readable and its own."""
    file = f"{FIGURES}/{rows.slug(name)[:48]}-{rows.plan_hash({'name': name})[:6]}.png"
    pictures[file] = picture
    section.figures.append(Figure(file, caption))


def _counts(found: Sequence[Row]) -> str:
    return ", ".join(f"{n:,}" for n in sorted({row.n for row in found}))


def _rank(bench: str) -> tuple[int, str]:
    order = list(TITLES)
    return (order.index(bench) if bench in order else len(order), bench)


__all__ = ["Report", "build", "render_page", "write"]
