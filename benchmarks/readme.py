"""The README's figures, from the committed rows and from nothing else (cog calls this)."""

from __future__ import annotations

from pathlib import Path

from benchmarks import rows
from benchmarks.report import build
from benchmarks.summaries import Section, Table

SHOWN = 3  # tables a bench


def figures(results: Path | str) -> str:
    """Markdown with the first tables of the verify and identify sections and the sentences of augment.

    Raises: DataError: no rows in the folder.
    """
    sections = build(rows.read_folder(Path(results))).sections
    return "\n".join(_section(section) for section in sections[:-1])  # the last one lists what was run


def _section(section: Section) -> str:
    parts = [f"**{section.title}**", *section.text]
    if not section.text:
        parts += [_table(table) for table in section.tables[:SHOWN]]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    lines = [table.head, ["---"] * len(table.head), *table.body]
    return f"{table.caption}\n\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
