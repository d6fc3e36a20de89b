"""`recog generate pack`."""

from __future__ import annotations

from pathlib import Path

import click

from generative.cli.options import path_type, spread_option
from recog.cli.options import emit, json_option


@click.command()
@click.argument("generator")
@click.option("--out", type=path_type, required=True, help="The weights file to write.")
@spread_option
@json_option
def pack(generator: str, out: Path, spread: float | None, as_json: bool) -> None:
    """Turn a run of a GENERATOR into weights to ship, in half precision.

    With --spread, faces are made of noise that is so much longer than in training: how varied they should be
    is best chosen on people whom nobody learned from, by `recog bench generate`.

    \b
    Example:
      recog generate pack runs/gan --spread 1.2 --out gan.safetensors
    """
    import torch

    from generative.models import GENERATORS
    from generative.synthesis import BUNDLED
    from recog import checkpoints

    found = checkpoints.load(checkpoints.find(generator, BUNDLED, "generator"), kind=tuple(GENERATORS))
    config = found.config if spread is None else {**found.config, "spread": spread}
    digest = checkpoints.save(out, kind=found.kind, config=config, tensors=found.tensors, dtype=torch.float16)
    emit({"weights": str(out), "generator": digest}, as_json, f"{out}  {digest[:12]}")
