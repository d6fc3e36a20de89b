"""`recog generate train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from generative.cli.options import path_type, seed_option
from recog.cli.options import check_roles, device_option, emit, json_option, role_option, roles_option


@click.command()
@click.argument("kind", type=click.Choice(["gan", "vae", "repairer"]))
@click.option("--data", type=path_type, required=True, help="Aligned crops, one sub-folder an identity.")
@click.option("--out", type=path_type, required=True, help="Run directory; the same call resumes it.")
@roles_option
@role_option
@click.option("--attributes", type=path_type, help="CSV with CelebA's attributes; without it there are none.")
@click.option(
    "--model",
    help="The embedder that conditions (gan, vae) or guides (repairer: optional) [default: bundled].",
)
@click.option("--total-kimg", type=float, help="Length of the run, thousands of faces seen.")
@click.option("--batch-size", type=int, help="Faces a step.")
@click.option("--image-size", type=int, help="Side of the faces, px.")
@click.option("--learning-rate", type=float)
@click.option("--snapshot-kimg", type=float, help="Between saved states and sample grids.")
@click.option("--r1-gamma", type=float, help="gan: weight of the R1 penalty.")
@click.option(
    "--augment",
    help="gan: parts of DiffAugment, separated by commas, or none [default: colour,translation,cutout].",
)
@click.option("--identity-weight", type=float, help="Weight of the identity term; 0 switches it off.")
@click.option("--identity-every", type=int, help="Steps between uses of the identity term, which is slow.")
@seed_option
@device_option
@json_option
def train(
    kind: str,
    data: Path,
    out: Path,
    roles: Path | None,
    role: str | None,
    attributes: Path | None,
    model: str | None,
    r1_gamma: float | None,
    augment: str | None,
    identity_weight: float | None,
    identity_every: int | None,
    device: str,
    as_json: bool,
    **changes: Any,
) -> None:
    """Train a generator (gan, vae) or a repairer on a folder of aligned crops.

    \b
    Example:
      recog generate train gan --data crops/ --out runs/gan --total-kimg 300
      recog generate train repairer --data crops/ --out runs/repairer
    """
    import logging

    from generative import presets
    from generative.data import open_faces
    from generative.training import train as run_training
    from recog.embedding import Embedder

    check_roles(roles, role)
    if kind != "gan" and (r1_gamma is not None or augment is not None):
        raise click.UsageError("--r1-gamma and --augment belong to gan.")
    logging.getLogger("generative").setLevel(logging.INFO)  # hours of silence help nobody
    config = presets.pace(kind, **changes)
    settings = presets.settings(
        kind,
        r1_gamma=r1_gamma,
        augment=None if augment is None else tuple(p for p in augment.split(",") if p != "none"),
        identity_weight=identity_weight,
        identity_every=identity_every,
    )
    guided = kind != "repairer" or model is not None
    embedder = Embedder.load(model or "bundled", device) if guided else None
    conditions = None if kind == "repairer" else embedder
    faces = open_faces(
        data, size=config.image_size, embedder=conditions, roles=roles, role=role, attributes=attributes
    )
    objective = presets.objective(config, faces, embedder, settings)
    weights = run_training(config, faces, objective, out, device)
    record = {"kind": kind, "weights": str(weights), "faces": len(faces), "total_kimg": config.total_kimg}
    emit(record, as_json, f"{weights}  {config.total_kimg:g} kimg of {len(faces)} faces")
