"""`recog bench repair`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.cli.common import keeper, out_option, path_type
from recog.cli.options import check_roles, device_option, json_option, roles_option


@click.command()
@click.argument("cases", nargs=-1, metavar="[CASE]...")
@click.option("--data", type=path_type, required=True, help="Aligned crops, one sub-folder an identity.")
@roles_option
@click.option("--role", help="Of --data, the identities of this role only, with --roles.")
@click.option("--training", type=path_type, help="Crops of other people, for eigenfaces.")
@click.option("--training-role", help="Of --training, the identities of this role only, with --roles.")
@click.option("--weights", default="bundled", show_default=True, help="Repairer: bundled, a file or run.")
@click.option(
    "--generator", default="bundled-vae", show_default=True, help="VAE for projection; none: without."
)
@click.option(
    "--model", default="bundled", show_default=True, help="Embedder that learned from damaged faces, too."
)
@click.option("--judges", type=path_type, help="Folder of judges [default: those of this package].")
@click.option("--size", default=64, show_default=True, help="Side of the faces, px.")
@click.option("--most", type=click.IntRange(2), help="Faces that are damaged, at most [default: all].")
@click.option(
    "--pictures", type=path_type, help="Also write grids here: of real people, so keep them private."
)
@click.option("--seed", default=0, show_default=True)
@out_option
@device_option
@json_option
def repair(
    cases: tuple[str, ...],
    data: Path,
    roles: Path | None,
    role: str | None,
    training: Path | None,
    training_role: str | None,
    weights: str,
    generator: str,
    model: str,
    judges: Path | None,
    size: int,
    most: int | None,
    pictures: Path | None,
    seed: int,
    out: Path,
    device: str,
    as_json: bool,
) -> None:
    """Damage faces in known ways, repair them, and measure who is recognised.

    CASE is a damage and its strength, as "4x down"; all of them without any. Cases that are in OUT already
    are not measured again.

    \b
    Example:
      recog bench repair --data crops --training others --size 64
      recog bench repair --data crops "sunglasses, to be found" --pictures runs/pictures
    """
    if (role or training_role) and roles is None:
        raise click.UsageError("--role and --training-role need --roles.")
    check_roles(roles, role or training_role)
    import numpy as np

    from benchmarks import rows
    from benchmarks.choices import chosen
    from benchmarks.judging.judges import Judges
    from benchmarks.materials import name_of
    from benchmarks.repair.bench import Models
    from benchmarks.repair.bench import repair as measure
    from benchmarks.repair.cases import CASES
    from benchmarks.repair.classical import Eigenfaces
    from generative.projection import Projector
    from generative.repair import Repairer
    from generative.synthesis import Synthesizer
    from recog.embedding import Embedder
    from recog.errors import DataError
    from recog.training.data import open_crops

    wanted = chosen(CASES, cases, "case")
    judged = roles if role else None
    crops = open_crops(data, size=size, roles=judged, role=role)
    eigenfaces = None
    if training is not None:
        taken = roles if training_role else None
        others = open_crops(training, size=size, roles=taken, role=training_role)
        if both := {*others.identities} & {*crops.identities}:
            raise DataError(
                f"{len(both)} people are in --data and in --training, as {min(both)!r}: give roles."
            )
        eigenfaces = Eigenfaces(np.asarray(others.images), seed)
    embedder = Embedder.load(model, device)
    models = Models(
        Repairer.load(weights, device),
        Judges.load(judges, device),
        embedder,
        None if generator == "none" else Projector.load(generator, embedder, device),
        eigenfaces,
        Synthesizer.load("bundled-gan", embedder, device) if model == "bundled" else None,
    )
    done = frozenset(row.plan for row in rows.read(rows.file_of(out, "repair")))
    measure(
        wanted,
        crops,
        models,
        name_of(data, judged, role or ""),
        seed=seed,
        kept=keeper(out, as_json),
        most=most,
        done=done,
        pictures=pictures,
        out=out,
        device=device,
    )
