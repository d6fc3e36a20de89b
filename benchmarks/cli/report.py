"""`recog bench report`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.cli.common import path_type
from recog.cli.options import emit, json_option


@click.command()
@click.option(
    "--results",
    type=path_type,
    default=Path("recog-results"),
    show_default=True,
    help="Folder with <bench>.jsonl.",
)
@click.option("--out", type=path_type, help="Where the report goes.  [default: the folder of results]")
@json_option
def report(results: Path, out: Path | None, as_json: bool) -> None:
    """Render measured rows as report.md, report.html and figures.

    \b
    Example:
      recog bench report --results recog-results
    """
    from benchmarks.report import write

    for file in write(results, out or results):
        emit({"file": str(file)}, as_json, str(file))
