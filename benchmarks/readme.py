"""The README's figures, from the committed rows and from nothing else (cog calls this)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import rows
from benchmarks.report import build
from benchmarks.rows import Row
from benchmarks.summaries import Table, latest, number


@dataclass(frozen=True)
class Column:
    """A column of the table of models."""

    head: str
    bench: str
    protocol: str  # a pattern that is found in it
    metric: str

    def holds(self, row: Row) -> bool:
        """Whether a row is one of this column."""
        same = row.bench == self.bench and row.metric == self.metric
        return same and re.search(self.protocol, row.protocol) is not None


TAR = "TAR@FMR=1e-3"
DETECTED = "MTCNN|own detection"
MODELS = (
    Column("LFW accuracy", "verify", DETECTED, "accuracy"),
    Column(f"LFW {TAR}", "verify", DETECTED, TAR),
    Column(f"CelebA {TAR}", "verify", "aligned crops$", TAR),
    Column("8x down", "verify", "damaged: 8x down", TAR),
    Column("30 % covered", "verify", "damaged: 30 % covered", TAR),
    Column("motion blur", "verify", "damaged: motion blur", TAR),
    Column("noise", "verify", "damaged: noise", TAR),
    Column("ms a face, 1 thread", "speed", "1 at once, 1 thread", "ms a face"),
)
GALLERY = ("rank-1", "FNIR at FPIR 1 %", "FPIR, 1 % wanted")


def figures(results: Path | str) -> str:
    """Markdown: a line a model, a line a size of gallery, and what synthesis did.

    Raises: DataError: no rows in the folder.
    """
    measured = rows.read_folder(Path(results))
    kept = latest(measured)
    tables = [_markdown(table) for table in (models(kept), *galleries(kept)) if table.body]
    said = [
        "\n".join([f"**{section.title}**", "", *(f"- {text}" for text in section.text)])
        for section in build(measured).sections
        if section.text
    ]
    return "\n\n".join([*tables, *said]) + "\n"


def models(measured: Sequence[Row]) -> Table:
    """A line a model that was asked whether photos show one person: the latest figure of each kind."""
    cells = {(row.arm, col.head): number(row) for row in measured for col in MODELS if col.holds(row)}
    arms = list(dict.fromkeys(row.arm for row in measured if row.bench == "verify"))
    heads = [column.head for column in MODELS if any((arm, column.head) in cells for arm in arms)]
    return _table("Same person or not", cells, arms, heads)


def galleries(measured: Sequence[Row]) -> list[Table]:
    """For each data set of open sets a line a model and size of gallery."""
    found: dict[str, list[Row]] = {}
    for row in measured:
        if row.metric in GALLERY and "people" in row.details:
            found.setdefault(row.data, []).append(row)
    return [
        _table(
            f"Who is it, and are strangers refused ({data})",
            {(row.arm, row.metric): number(row) for row in chosen},
            list(dict.fromkeys(row.arm for row in chosen)),
            GALLERY,
        )
        for data, chosen in found.items()
    ]


def _table(
    caption: str, cells: Mapping[tuple[str, str], str], lines: Sequence[str], heads: Sequence[str]
) -> Table:
    return Table(
        caption, ["", *heads], [[line, *(cells.get((line, head), "") for head in heads)] for line in lines]
    )


def _markdown(table: Table) -> str:
    lines = [table.head, ["---"] * len(table.head), *table.body]
    return f"**{table.caption}**\n\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
