"""`recog bench identify`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.cli.common import out_option, path_type, print_rows
from recog.cli.options import device_option, json_option
from recog.types import FMR, FPIR


@click.command()
@click.option("--images", type=path_type, required=True, help="Folder of photos, one sub-folder a person.")
@click.option("--people", default=100, show_default=True, help="Enrolled in each half.")
@click.option("--enroll-photos", default=3, show_default=True, help="Photos enrolled of each.")
@click.option("--probe-photos", default=3, show_default=True, help="Other photos searched of each, at most.")
@click.option(
    "--strangers", default=1000, show_default=True, help="Strangers searched in each half, at most."
)
@click.option("--fpir", default=FPIR, show_default=True, help="Wanted rate of strangers matched by query.")
@click.option("--fmr", default=FMR, show_default=True, help="Wanted rate of strangers verified.")
@click.option("--seed", default=0, show_default=True, help="Of the split.")
@click.option("--model", default="bundled", show_default=True, help="Name or weights file of an embedder.")
@click.option(
    "--commands", is_flag=True, help="Call recog enroll, calibrate and query instead of the Python API."
)
@out_option
@device_option
@json_option
def identify(
    images: Path, model: str, commands: bool, out: Path, device: str, as_json: bool, **numbers: float
) -> None:
    """Enroll people, search other photos of them and of strangers.

    Thresholds come from one half of the people; all errors are counted on the other half.

    \b
    Example:
      recog bench identify --images lfw/images --people 100
      recog bench identify --images lfw/images --people 100 --commands
    """
    from benchmarks import commands as shell
    from benchmarks import rows
    from benchmarks.identification import IdentifyPlan
    from benchmarks.identification import identify as measure
    from recog.detection import Detector
    from recog.embedders import load_embedder

    plan = IdentifyPlan(**numbers)  # type: ignore[arg-type]  # click has checked them
    if commands:
        measured = shell.identify(images, plan, model=model, device=device)
    else:
        measured = measure(images, plan, load_embedder(model, device), Detector(device), device=device)
    print_rows(rows.append_all(out, measured), as_json)
