"""`recog bench throughput`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.cli.common import keeper, out_option
from generative.cli.train import KINDS
from recog.cli.options import device_option, json_option


@click.command()
@click.argument("kinds", nargs=-1, type=click.Choice(KINDS), metavar="[KIND]...")
@click.option("--steps", default=48, show_default=True, type=click.IntRange(min=2), help="Of each run.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1), help="Runs of each mode.")
@out_option
@device_option
@json_option
def throughput(
    kinds: tuple[str, ...], steps: int, rounds: int, out: Path, device: str, as_json: bool
) -> None:
    """How many faces an hour each network learns from: in half precision, by layout, and plainly.

    \b
    Example:
      recog bench throughput gan vae
    """
    from benchmarks.generation.throughput import throughput as measure
    from recog.embedding import Embedder

    embedder = Embedder.load("bundled", device)
    measure(kinds or KINDS, embedder, steps=steps, rounds=rounds, kept=keeper(out, as_json), device=device)
