"""`recog calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from recog.cli.options import Outcome, device_option, emit, gallery_option, json_option, model_option
from recog.types import FMR, FPIR, Purpose

if TYPE_CHECKING:
    from recog.records import Calibration
    from recog.types import GalleryPlace

RATE = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option(
    "--fmr", type=RATE, default=FMR, show_default=True, help="Strangers whom verify may take for one person."
)
@click.option("--fpir", type=RATE, default=FPIR, show_default=True, help="Strangers whom query may name.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@gallery_option
@model_option
@device_option
@json_option
def calibrate(
    folder: Path | None,
    fmr: float,
    fpir: float,
    seed: int,
    gallery: GalleryPlace,
    model: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Set the thresholds of a gallery.

    FOLDER holds photos of people who are not enrolled, one sub-folder a person, the more the better: an FMR
    of 0.001 needs at least 1000 pairs of different people, an FPIR of 0.01 at least 100 people. Without
    FOLDER the model card's thresholds are used. The threshold of query depends on how many are enrolled:
    calibrate again when the gallery has grown.

    \b
    Example:
      recog calibrate strangers/ --fpir 0.01
    """
    from recog.recognizer import Recognizer

    outcome = Outcome()
    with Recognizer.open(gallery, model, device, create=False) as recognizer:
        found = recognizer.calibrate(folder, fmr=fmr, fpir=fpir, seed=seed, on_failure=outcome.fail)
    for purpose, result in found.items():
        outcome.done += 1
        emit({"purpose": purpose, **result.to_json()}, as_json, describe(purpose, result))
    if "query" not in found:
        click.echo("Nobody is enrolled, so query has no threshold of its own yet.", err=True)
    outcome.leave()


def describe(purpose: Purpose, result: Calibration) -> str:
    """One line on a threshold."""
    from recog.calibration import KINDS

    kind = KINDS[purpose].upper()
    text = f"{purpose}: threshold {result.threshold:.4f} for {kind} {result.rate:g}, from {result.source}"
    if result.low is not None and result.high is not None:
        text += f" (95 % interval {result.low:.2g} to {result.high:.2g}, {result.comparisons} comparisons)"
    return text
