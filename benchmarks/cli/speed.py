"""`recog bench speed`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.cli.common import out_option, print_rows
from recog.cli.options import json_option


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL MODEL...")
@click.option("--yardstick-name", help="What reports call the last model.", show_default="its own name")
@click.option("--rounds", default=200, show_default=True, help="Of one face at once.")
@out_option
@json_option
def speed(models: tuple[str, ...], yardstick_name: str | None, rounds: int, out: Path, as_json: bool) -> None:
    """Time MODELs in turn, all as ONNX on the CPU; ratios are to the last one.

    \b
    Example:
      recog bench speed bundled other.onnx
    """
    from benchmarks import rows
    from benchmarks.speed import speed as measure

    names = {models[-1]: yardstick_name} if yardstick_name else None
    print_rows(rows.append_all(out, measure(models, rounds=rounds, names=names)), as_json)
