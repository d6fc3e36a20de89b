"""`recog train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from recog.cli.options import device_option, json_option

if TYPE_CHECKING:
    from recog.training import CropSet


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Run directory; the same call resumes it."
)
@click.option(
    "--synthetic",
    type=click.Path(path_type=Path),
    help="Folder of made-up crops, as `recog generate` writes.",
)
@click.option(
    "--synthetic-share", type=float, help="Part of each batch taken from --synthetic, 0..1 [default: 0.25]."
)
@click.option("--backbone", default="regnetx_002", show_default=True, help="Any timm backbone.")
@click.option("--loss", type=click.Choice(["cosface", "arcface"]), default="cosface", show_default=True)
@click.option("--margin", type=float, help="Cosine for cosface [0.2], rad for arcface [0.3].")
@click.option("--size", default=112, show_default=True, help="Side of the crops, px.")
@click.option("--embedding-size", default=128, show_default=True)
@click.option("--batch-size", default=128, show_default=True, help="Crops a step.")
@click.option("--kimg", default=500.0, show_default=True, help="Length of the run, thousands of crops.")
@click.option("--learning-rate", default=3e-3, show_default=True, help="Of AdamW, at its peak.")
@click.option(
    "--augmentation",
    type=click.Choice(["none", "flip", "classic", "strong", "damage"]),
    default="strong",
    show_default=True,
)
@click.option("--ema-halflife-kimg", default=0.0, show_default=True, help="Of averaged weights; 0: none.")
@click.option("--start", type=click.Path(path_type=Path), help="Weights to fine-tune instead of random ones.")
@click.option("--roles", type=click.Path(path_type=Path), help="CSV identity,role; with --role.")
@click.option("--role", help="Train on the identities of this role only.")
@click.option("--seed", default=0, show_default=True)
@device_option
@json_option
def train(
    folder: Path,
    out: Path,
    synthetic: Path | None,
    synthetic_share: float | None,
    backbone: str,
    loss: str,
    margin: float | None,
    size: int,
    embedding_size: int,
    batch_size: int,
    kimg: float,
    learning_rate: float,
    augmentation: str,
    ema_halflife_kimg: float,
    start: Path | None,
    roles: Path | None,
    role: str | None,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """Train an embedder on FOLDER of aligned crops, one sub-folder a person.

    \b
    Example:
      recog train crops/ --out runs/mine --kimg 200
      recog query photo.jpg --model runs/mine --gallery mine.gallery
    """
    from recog.cli.options import emit
    from recog.training import TrainConfig, open_crops
    from recog.training import train as run_training
    from recog.training.processes import is_main_process

    if synthetic_share is not None and synthetic is None:
        raise click.UsageError("--synthetic-share needs --synthetic.")
    config = TrainConfig(
        backbone=backbone,
        loss=loss,
        margin=margin if margin is not None else {"cosface": 0.2, "arcface": 0.3}[loss],
        image_size=size,
        embedding_size=embedding_size,
        batch_size=batch_size,
        total_kimg=kimg,
        learning_rate=learning_rate,
        augmentation=augmentation,
        ema_halflife_kimg=ema_halflife_kimg,
        synthetic_share=(0.25 if synthetic_share is None else synthetic_share) if synthetic else 0.0,
        seed=seed,
    )
    crops = chosen_crops(folder, size, roles, role)
    made = open_crops(synthetic, size=size) if synthetic else None
    embedder = run_training(config, crops, run_dir=out, synthetic=made, device=device, start=start)
    result = {"weights": str(out / "final.safetensors"), "model": embedder.digest, "steps": config.steps}
    if is_main_process():
        emit(result, as_json, text=f"{result['weights']}  {embedder.digest[:12]}  {config.steps} steps")


def chosen_crops(folder: Path, size: int, roles: Path | None, role: str | None) -> CropSet:
    """The crops of a folder, or of those of its identities that have the role.

    Raises: click.UsageError: one of roles and role without the other; DataError.
    """
    from recog.training.data import open_crops, with_role

    if (roles is None) != (role is None):
        raise click.UsageError("--roles and --role go together.")
    if roles is None or role is None:
        return open_crops(folder, size=size)
    return open_crops(folder, size=size, identities=with_role(folder, roles, role))
