"""`recog generate pack`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from generative.cli.options import path_type, spread_option
from recog.cli.options import emit, json_option


@click.command()
@click.argument("generator")
@click.option("--out", type=path_type, required=True, help="The weights file to write.")
@spread_option
@click.option(
    "--helps",
    metavar="DAMAGE",
    multiple=True,
    help="Of a repairer: damage after whose repair more people are recognised; again for others.",
)
@json_option
def pack(generator: str, out: Path, spread: float | None, helps: tuple[str, ...], as_json: bool) -> None:
    """Turn a run of a GENERATOR, or of a repairer, into weights to ship, in half precision.

    With --spread, faces are made of noise that is so much longer than in training: how varied they should be
    is best chosen on people whom nobody learned from, by `recog bench generate`. With --helps,
    `Repairer.where_it_helps` repairs what suffers from these damages only: `recog bench repair` says which.

    \b
    Example:
      recog generate pack runs/gan --spread 1.2 --out gan.safetensors
      recog generate pack runs/repairer --helps mask --helps hole --out repairer.safetensors
    """
    import torch

    from generative.models import GENERATORS
    from generative.synthesis import BUNDLED
    from recog import checkpoints

    found = checkpoints.load(
        checkpoints.find(generator, BUNDLED, "generator"), kind=(*GENERATORS, "repairer")
    )
    if spread is not None and found.kind == "repairer":
        raise click.UsageError("--spread is for generators.")
    _check(helps, found.kind, found.config)
    said = {"helps": list(helps)} if helps else {}
    config = {**found.config, **said, **({} if spread is None else {"spread": spread})}
    digest = checkpoints.save(out, kind=found.kind, config=config, tensors=found.tensors, dtype=torch.float16)
    emit({"weights": str(out), "generator": digest}, as_json, f"{out}  {digest[:12]}")


NOTHING = "nothing"  # of `damage.KINDS`: what needs no repair


def _check(helps: tuple[str, ...], kind: str, config: Mapping[str, Any]) -> None:
    if helps and kind != "repairer":
        raise click.UsageError("--helps is for repairers.")
    told = [name for name in config.get("network", {}).get("damages", ()) if name != NOTHING]
    unknown = [name for name in helps if name not in told]
    if unknown:
        names = ", ".join(told) or "none"
        raise click.UsageError(f"--helps {unknown[0]}: this repairer tells these damages apart: {names}.")
