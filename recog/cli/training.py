"""`recog train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from recog.cli.options import check_roles, role_option, roles_option
from recog.cli.runs import emit_run, out_option, run_options
from recog.training.config import LOSSES, TrainConfig

DEFAULTS = TrainConfig()


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@out_option
@click.option(
    "--synthetic",
    type=click.Path(path_type=Path),
    help="Folder of made-up crops, as `recog generate` writes.",
)
@click.option(
    "--synthetic-share", type=float, help="Part of each batch taken from --synthetic, 0..1 [default: 0.25]."
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
    synthetic: Path | None,
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
      recog query photo.jpg --model runs/mine --gallery mine.gallery
    """
    from recog.training import open_crops
    from recog.training import train as run_training

    check_roles(roles, role)
    if synthetic_share is not None and synthetic is None:
        raise click.UsageError("--synthetic-share needs --synthetic.")
    if synthetic:
        settings["synthetic_share"] = 0.25 if synthetic_share is None else synthetic_share
    config = TrainConfig(margin=margin, **settings)
    crops = open_crops(folder, size=config.image_size, roles=roles, role=role)
    made = open_crops(synthetic, size=config.image_size) if synthetic else None
    embedder = run_training(config, crops, run_dir=out, synthetic=made, device=device, start=start)
    emit_run(out, embedder.digest, config.steps, as_json)
