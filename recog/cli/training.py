"""`recog train`."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recog.cli.options import check_roles, role_option, roles_option
from recog.cli.runs import emit_run, out_option, run_options
from recog.training.config import LOSSES, TrainConfig

if TYPE_CHECKING:
    from recog.training import CropSet

DEFAULTS = TrainConfig()
AUTO = "auto"
SHARE = 0.25  # of each batch, from a folder of made-up crops


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@out_option
@click.option(
    "--synthetic",
    metavar="FOLDER|auto",
    help="Folder of made-up crops, as `recog generate` writes; auto: make some in OUT, if that was seen "
    "to help with so many photos.",
)
@click.option(
    "--synthetic-share",
    type=float,
    help=f"Part of each batch taken from --synthetic, 0..1.  [default: {SHARE}; auto: as measured]",
)
@roles_option
@role_option
@click.option("--loss", type=click.Choice(LOSSES), default=DEFAULTS.loss, show_default=True)
@click.option("--margin", type=float, help="Cosine for cosface, rad for arcface.  [default: 0.2 and 0.3]")
@click.option("--embedding-size", default=DEFAULTS.embedding_size, show_default=True, help="Numbers a face.")
@run_options(DEFAULTS)
def train(
    folder: Path,
    out: Path,
    synthetic: str | None,
    synthetic_share: float | None,
    roles: Path | None,
    role: str | None,
    margin: float | None,
    start: Path | None,
    device: str,
    as_json: bool,
    **settings: Any,
) -> None:
    """Train an embedder on FOLDER of aligned crops, one sub-folder a person.

    \b
    Example:
      recog train crops/ --out runs/mine --kimg 200
      recog train crops/ --out runs/mine --kimg 120 --synthetic auto
      recog query photo.jpg --model runs/mine --gallery mine.gallery
    """
    from recog.training import open_crops
    from recog.training import train as run_training

    check_roles(roles, role)
    if synthetic_share is not None and synthetic is None:
        raise click.UsageError("--synthetic-share needs --synthetic.")
    config = TrainConfig(margin=margin, synthetic_share=synthetic_share or 0.0, **settings)
    crops = open_crops(folder, size=config.image_size, roles=roles, role=role)
    made_up, share = Path(synthetic) if synthetic else None, SHARE
    if synthetic == AUTO:
        made_up, share = _made_up(crops, out, config.seed, device)
    made = open_crops(made_up, size=config.image_size) if made_up is not None else None
    share = share if synthetic_share is None else synthetic_share
    config = replace(config, synthetic_share=share if made is not None else 0.0)
    embedder = run_training(config, crops, run_dir=out, synthetic=made, device=device, start=start)
    emit_run(out, embedder.digest, config.steps, as_json)


def _made_up(crops: CropSet, out: Path, seed: int, device: str) -> tuple[Path | None, float]:
    """A folder of what helps with such crops, if anything does, and its part of each batch.

    By name: this package does not depend on the one that makes faces.
    """
    advice = import_module("generative.advice")
    found = advice.advised(crops)
    click.echo(found.reason, err=True)
    if found.synthesis is None:
        return None, 0.0
    return advice.follow(found.synthesis, out / advice.SUB_FOLDER, seed, device), found.synthesis.share
