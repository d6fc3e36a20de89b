"""`recog generate train`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from generative.cli.options import path_type, seed_option
from recog.cli.options import check_roles, device_option, emit, json_option, role_option, roles_option

if TYPE_CHECKING:
    from generative.data import FaceData
    from generative.training import GeneratorConfig
    from recog.embedding import Embedder

KINDS = ("gan", "vae", "vae-gan", "dcgan", "repairer", "reader")


def pace_options(command: Callable[..., None]) -> Callable[..., None]:
    """Length and pace of a run; None leaves what is usual for the kind."""
    options = (
        click.option("--total-kimg", type=float, help="Length of the run, thousands of faces seen."),
        click.option("--batch-size", type=int, help="Faces a step."),
        click.option(
            "--image-size",
            type=int,
            help="Side of the faces, px; of generators 32, 56, 64, 112, 128, or another that 4 or 7 px "
            "double to [default: 64; repairer: 112].",
        ),
        click.option("--learning-rate", type=float),
        click.option("--ema-halflife-kimg", type=float, help="Of averaged weights; 0: none."),
        click.option(
            "--balanced-share",
            type=float,
            help="Part of a batch that is drawn by attribute or age, so that rare ones are learned.",
        ),
        click.option("--snapshot-kimg", type=float, help="Between saved states and sample grids."),
        click.option("--bf16/--no-bf16", default=None, help="Half precision where the device has it."),
        click.option("--channels-last/--no-channels-last", default=None, help="Layout of maps in memory."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def objective_options(command: Callable[..., None]) -> Callable[..., None]:
    """What is minimised; None leaves what is usual for the kind."""
    options = (
        click.option(
            "--loss", help="Adversarial: non-saturating, least-squares, wasserstein, hinge, relativistic."
        ),
        click.option("--label-smoothing", type=float, help="One-sided, of adversarial losses with a target."),
        click.option(
            "--penalty",
            help="Gradient penalty on the discriminator: none, r1, r1+r2, interpolated (WGAN-GP, for "
            "wasserstein) [default: r1; dcgan: none].",
        ),
        click.option(
            "--penalty-weight", type=float, help="Of the gradient penalty [default: 0.05; interpolated: 10]."
        ),
        click.option(
            "--penalty-every",
            type=int,
            help="Steps between gradient penalties; the weight is multiplied by as many "
            "[default: 16; interpolated: 1].",
        ),
        click.option("--spectral-norm", is_flag=True, default=None, help="Of the discriminator's weights."),
        click.option("--augment", help="Parts of DiffAugment, separated by commas, or none."),
        click.option(
            "--grow",
            is_flag=True,
            default=None,
            help="gan: progressive growing, from 16 px (28 px where 7 doubles to --image-size).",
        ),
        click.option(
            "--map-critics",
            is_flag=True,
            default=None,
            help="Also discriminate the embedder's feature maps (projected GAN).",
        ),
        click.option(
            "--block", help="The generator's convolutions: normalised, styled [default: normalised]."
        ),
        click.option(
            "--attribute-weight",
            type=float,
            help="Of the discriminator's own attribute classifier, where attributes are known.",
        ),
        click.option(
            "--reader-weight",
            type=float,
            help="Of the attribute loss: how far generated faces are, for --reader, from the attributes they "
            "were made for.",
        ),
        click.option(
            "--conditioning-ramp",
            type=float,
            help="First part of the run, 0 to 1, in which conditions fade in.",
        ),
        click.option(
            "--turned-share",
            type=float,
            help="Share of generated faces that are made for a photo's attributes with one of them reversed.",
        ),
        click.option("--attribute-dropout", type=float, help="Share of attributes hidden in training."),
        click.option(
            "--made-up-share",
            type=float,
            help="vae-gan: of the fakes that the discriminator sees; the others are reconstructions.",
        ),
        click.option(
            "--edited-share",
            type=float,
            help="vae-gan: of these, made from a photo's own code for another attribute or age.",
        ),
        click.option(
            "--adversarial-weight",
            type=float,
            help="vae-gan, repairer: of the adversarial loss; 0: a repairer without a critic.",
        ),
        click.option("--pixel-loss", help="repairer: psnr, charbonnier [default: psnr]."),
        click.option("--ssim-weight", type=float, help="repairer: of 1 - SSIM."),
        click.option("--identity-weight", type=float, help="Of the identity term; 0 switches it off."),
        click.option(
            "--identity-every",
            type=int,
            help="Steps between uses of the identity term, which is slow; its weight stays.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.option(
    "--data",
    type=path_type,
    required=True,
    multiple=True,
    help="Aligned crops, one sub-folder an identity. reader: several times, each with its --attributes.",
)
@click.option("--out", type=path_type, required=True, help="Run directory; the same call resumes it.")
@roles_option
@role_option
@click.option(
    "--attributes",
    type=path_type,
    multiple=True,
    help="CSV with file and CelebA's attributes, sex or age; without it there are none.",
)
@click.option(
    "--model",
    help="The embedder whose vectors condition a generator and tell identities apart in its losses "
    "[default: bundled; repairer: none].",
)
@click.option(
    "--reader",
    help="Attribute classifier (reader) for --reader-weight: bundled, a file or run directory "
    "[default: bundled].",
)
@click.option(
    "--begin-from",
    type=path_type,
    help="Run directory whose networks, of the same sizes, this run begins with; conditions count at once.",
)
@pace_options
@objective_options
@seed_option
@click.option("--tensorboard", is_flag=True, help="Also log losses and previews for TensorBoard.")
@device_option
@json_option
def train(
    kind: str,
    data: tuple[Path, ...],
    out: Path,
    roles: Path | None,
    role: str | None,
    attributes: tuple[Path, ...],
    model: str | None,
    reader: str | None,
    begin_from: Path | None,
    augment: str | None,
    tensorboard: bool,
    device: str,
    as_json: bool,
    **changes: Any,
) -> None:
    """Train a generator, a repairer, or an attribute classifier (reader), on aligned crops.

    gan, vae and vae-gan make faces of an identity with attributes; dcgan is the plain reference.

    \b
    Example:
      recog generate train gan --data crops/ --out runs/gan --total-kimg 300
      recog generate train vae-gan --data crops/ --attributes labels.csv --out runs/vae-gan
      recog generate train repairer --data crops/ --out runs/repairer
    """
    check_roles(roles, role)
    if kind != "reader" and (len(data) > 1 or len(attributes) > 1):
        raise click.UsageError(
            "Only a reader learns from several folders: give --data and --attributes once."
        )
    if kind == "reader" and len(data) != len(attributes):
        raise click.UsageError("A reader needs --attributes for each --data, in the same order.")
    if kind == "reader" and (roles or role or model):
        raise click.UsageError(
            "A reader learns from all that its tables name, by itself: leave --roles, --role and --model out."
        )
    if reader and kind not in ("gan", "vae", "vae-gan"):
        raise click.UsageError(f"A {kind} is asked for no attributes: leave --reader out.")
    import logging

    from generative import presets
    from generative.reading import AttributeReader
    from generative.training import GeneratorConfig
    from generative.training import train as run_training
    from recog.embedding import Embedder

    logging.getLogger("generative").setLevel(logging.INFO)  # hours of silence help nobody
    paces = {field.name for field in fields(GeneratorConfig)}
    config = presets.pace(kind, **{name: value for name, value in changes.items() if name in paces})
    if begin_from is not None and changes["conditioning_ramp"] is None and kind in ("gan", "vae-gan"):
        changes["conditioning_ramp"] = 0.0
    settings = presets.settings(
        kind,
        augment=None if augment is None else tuple(p for p in augment.split(",") if p != "none"),
        **{name: value for name, value in changes.items() if name not in paces},
    )
    guided = kind not in ("repairer", "reader") or model is not None
    embedder = Embedder.load(model or "bundled", device) if guided else None
    faces = _faces(kind, config, data, attributes, roles, role, embedder)
    guide = AttributeReader.load(reader or "bundled", device) if guided and faces.vocabulary.names else None
    objective = presets.objective(config, faces, embedder, settings, guide)
    weights = run_training(
        config, faces, objective, out, device, begin_from=begin_from, tensorboard=tensorboard
    )
    record = {"kind": kind, "weights": str(weights), "faces": len(faces), "total_kimg": config.total_kimg}
    emit(record, as_json, f"{weights}  {config.total_kimg:g} kimg of {len(faces)} faces")


def _faces(
    kind: str,
    config: GeneratorConfig,
    data: tuple[Path, ...],
    attributes: tuple[Path, ...],
    roles: Path | None,
    role: str | None,
    embedder: Embedder | None,
) -> FaceData:
    """What the run learns from."""
    from generative.data import open_faces, open_read_faces

    if kind == "reader":
        return open_read_faces(list(zip(data, attributes, strict=True)), size=config.image_size)
    return open_faces(
        data[0],
        size=config.image_size,
        embedder=None if kind == "repairer" else embedder,
        roles=roles,
        role=role,
        attributes=attributes[0] if attributes else None,
    )
