"""`recog bench openset`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.cli.common import out_option, path_type, print_rows, roles_option
from recog.cli.options import device_option, json_option

if TYPE_CHECKING:
    from benchmarks.open_set import Compare


def _numbers(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: give whole numbers with commas, for example 10,100.") from error


@click.command()
@click.option("--images", type=path_type, help="Folder of photos, divided into three cohorts of people.")
@click.option("--enroll", type=path_type, help="Or: aligned crops of people to enroll,")
@click.option("--calibrate", type=path_type, help="aligned crops of strangers who set the thresholds,")
@click.option("--strangers", type=path_type, help="and aligned crops of strangers who are counted.")
@roles_option
@click.option("--enroll-role", help="Role of the people to enroll, with --roles.")
@click.option("--calibrate-role", help="Role of the strangers who set the thresholds, with --roles.")
@click.option("--strangers-role", help="Role of the strangers who are counted, with --roles.")
@click.option(
    "--sizes", default="10,30,100,300,1000", show_default=True, callback=_numbers, help="People enrolled."
)
@click.option("--photos", default=1, show_default=True, help="Templates of each.")
@click.option(
    "--compare",
    type=click.Choice(["best", "centre", "both"]),
    default="both",
    show_default=True,
    help="Several templates: the most alike, their centre, or, as galleries do, the mean of both.",
)
@click.option("--draws", default=20, show_default=True, help="Random galleries a size.")
@click.option("--seed", default=0, show_default=True)
@click.option("--model", default="bundled", show_default=True, help="Name, weights file, or .onnx file.")
@click.option("--name", help="What reports call the model.", show_default="its own name")
@out_option
@device_option
@json_option
def openset(
    images: Path | None,
    enroll: Path | None,
    calibrate: Path | None,
    strangers: Path | None,
    roles: Path | None,
    enroll_role: str | None,
    calibrate_role: str | None,
    strangers_role: str | None,
    sizes: tuple[int, ...],
    photos: int,
    compare: Compare,
    draws: int,
    seed: int,
    model: str,
    name: str | None,
    out: Path,
    device: str,
    as_json: bool,
) -> None:
    """Misses and false alarms by the size of the gallery.

    Thresholds are set on strangers, and false alarms counted on other strangers.

    \b
    Example:
      recog bench openset --images lfw/images
      recog bench openset --enroll crops/a --calibrate crops/b --strangers crops/c
    """
    folders = (enroll, calibrate, strangers)
    if (images is None) == any(folder is None for folder in folders):
        raise click.UsageError("Give --images, or all of --enroll, --calibrate and --strangers.")
    if (roles is None) == any((enroll_role, calibrate_role, strangers_role)):
        raise click.UsageError("--roles goes with a role at least: --enroll-role, --calibrate-role, ...")

    from benchmarks import rows
    from benchmarks.cohorts import of_crops, of_photos
    from benchmarks.open_set import OpenSetPlan, open_set
    from recog.detection import Detector
    from recog.embedders import load_embedder

    plan = OpenSetPlan(sizes=sizes, photos=photos, compare=compare, draws=draws, seed=seed)
    embedder = load_embedder(model, device)
    if images is not None:
        cohorts = of_photos(images, plan, embedder, Detector(device))
    elif enroll is not None and calibrate is not None and strangers is not None:
        chosen = ((enroll, enroll_role), (calibrate, calibrate_role), (strangers, strangers_role))
        cohorts = of_crops(chosen, roles, embedder)
    measured = open_set(cohorts, plan, embedder, embedder.card, device, arm=name)
    print_rows(rows.append_all(out, measured), as_json)
