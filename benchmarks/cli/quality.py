"""`recog bench quality`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.cli.common import out_option, path_type, print_rows
from recog.cli.options import device_option, json_option


@click.command()
@click.option("--images", type=path_type, required=True, help="Folder of photos, one sub-folder a person.")
@click.option("--pairs", type=path_type, required=True, help="LFW's pairs.txt, or a CSV a,b,same[,fold].")
@click.option("--model", default="bundled", show_default=True, help="Name, weights file, or .onnx file.")
@click.option("--resamples", default=1000, show_default=True, help="Of the bootstrap.")
@out_option
@device_option
@json_option
def quality(
    images: Path, pairs: Path, model: str, resamples: int, out: Path, device: str, as_json: bool
) -> None:
    """Does refusing the worst photos lower the miss rate?

    \b
    Example:
      recog bench quality --images lfw/images --pairs lfw/pairs.txt
    """
    from benchmarks import rows
    from benchmarks.quality import quality as measure
    from recog.detection import Detector
    from recog.embedders import load_embedder

    measured = measure(
        images, pairs, load_embedder(model, device), Detector(device), device=device, resamples=resamples
    )
    print_rows(rows.append_all(out, measured), as_json)
