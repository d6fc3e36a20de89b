"""Options and output that the benchmark commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recog.cli.options import emit

if TYPE_CHECKING:
    from benchmarks.rows import Row

path_type = click.Path(path_type=Path)
out_option = click.option(
    "--out",
    type=path_type,
    default=Path("recog-results"),
    show_default=True,
    help="Folder of results: rows are appended to <bench>.jsonl in it.",
)
roles_option = click.option("--roles", type=path_type, help="CSV with columns identity,role.")


def print_rows(rows: Iterable[Row], as_json: bool) -> None:
    """Print rows as they come."""
    for row in rows:
        emit(row.to_json(), as_json, sentence(row))


def keeper(out: Path, as_json: bool) -> Callable[[list[Row]], None]:
    """What takes rows as they come: appends them to the folder of results, and prints them."""
    from benchmarks import rows

    def kept(found: list[Row]) -> None:
        print_rows(rows.append_all(out, found), as_json)

    return kept


def sentence(row: Row) -> str:
    """A row as a line for people."""
    interval = "" if row.ci95 is None else f" ({row.ci95[0]:.4f} .. {row.ci95[1]:.4f})"
    seed = "" if row.seed is None else f", seed {row.seed}"
    return f"{row.arm}{seed}: {row.metric} {row.value:.4f}{interval}, n {row.n}; {row.data}"
