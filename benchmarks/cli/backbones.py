"""`recog bench backbones`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.cli.common import out_option, path_type, print_rows, roles_option
from recog.cli.options import device_option, json_option

CANDIDATES = (
    "fasternet_t0",
    "edgenext_xx_small",
    "resnet10t",
    "regnetx_002",
    "regnetx_004",
    "mobilenetv4_conv_small",
    "convnext_atto",
    "efficientvit_m0",
)


@click.command()
@click.argument("names", nargs=-1, metavar="[BACKBONE]...")
@click.option("--data", type=path_type, required=True, help="Aligned crops, one sub-folder a person.")
@roles_option
@click.option("--role", default="fit", show_default=True, help="Learn from these identities, with --roles.")
@click.option("--judge-role", default="tune", show_default=True, help="Judge on these, with --roles.")
@click.option("--judge", type=path_type, help="Judge on this folder instead.")
@click.option("--teacher", required=True, help="Model name or .onnx file.")
@click.option("--kimg", default=20.0, show_default=True, help="Thousands of crops each of them learns from.")
@click.option("--size", default=112, show_default=True, help="Side of their input, px.")
@click.option("--batch-size", default=64, show_default=True, help="Crops a step.")
@click.option("--runs", type=path_type, help="Keep the runs here, so that the same call goes on.")
@out_option
@device_option
@json_option
def backbones(
    names: tuple[str, ...],
    data: Path,
    roles: Path | None,
    role: str,
    judge_role: str,
    judge: Path | None,
    teacher: str,
    kimg: float,
    size: int,
    batch_size: int,
    runs: Path | None,
    out: Path,
    device: str,
    as_json: bool,
) -> None:
    """Distil each timm BACKBONE for as long, and measure accuracy and speed.

    \b
    Example:
      recog bench backbones --data crops --roles roles.csv --teacher teacher.onnx
      recog bench backbones resnet18 fasternet_t0 --data crops --judge others --teacher teacher.onnx
    """
    if (roles is None) == (judge is None):
        raise click.UsageError("Give --roles, or --judge FOLDER of other people.")

    from benchmarks import rows
    from benchmarks.backbones import backbones as measure
    from benchmarks.exams import of_crops
    from benchmarks.materials import name_of
    from recog.embedders import load_embedder
    from recog.training import DistillConfig, open_crops

    knows = load_embedder(teacher, device)
    crops = open_crops(data, size=knows.crop_size, roles=roles, role=role if roles else None)
    place = judge or data
    others = open_crops(place, size=size, roles=roles, role=judge_role if roles else None)
    exam = of_crops(others, name_of(place, roles, judge_role))
    config = DistillConfig(
        image_size=size,
        embedding_size=knows.embedding_size,
        batch_size=batch_size,
        total_kimg=kimg,
        optimizer="muon",  # learns most in a short time
        learning_rate=5e-3,
    )
    yardstick = Path(teacher) if teacher.endswith(".onnx") else None
    measured = measure(
        names or CANDIDATES, config, crops, [knows], exam, yardstick=yardstick, runs=runs, device=device
    )
    print_rows(rows.append_all(out, measured), as_json)
