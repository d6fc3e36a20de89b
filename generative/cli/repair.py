"""`recog repair`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from generative.cli.options import aligned_option, path_type
from generative.cli.photos import each_photo
from recog.cli.options import device_option, json_option

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from generative.cli.photos import Done, Image
    from generative.repair import Repairer
    from recog.types import Face


@click.command()
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...")
@click.option("--out", type=path_type, required=True, help="Folder for the repaired photos (PNG).")
@click.option("--mask", type=path_type, help="Picture of the photo's size, white where pixels are missing.")
@click.option("--weights", default="bundled", show_default=True, help="bundled, a file or run directory.")
@aligned_option
@device_option
@json_option
def repair(
    photos: tuple[str, ...],
    out: Path,
    mask: Path | None,
    weights: str,
    aligned: bool,
    device: str,
    as_json: bool,
) -> None:
    """Repair the faces on damaged photos: holes, noise, blur, low resolution.

    What is filled in is a plausible guess, never evidence of what was there. With --mask only the
    missing pixels change.

    \b
    Example:
      recog repair old.jpg --out repaired
      recog repair crop.png --aligned --mask hole.png --out repaired
    """
    from generative.repair import Repairer
    from recog import images

    repairer = Repairer.load(weights, device)
    missing = images.read(mask).mean(axis=2) > 127 if mask else None

    def one(image: Image, faces: list[Face]) -> Done:
        return _repaired(repairer, image, faces, missing), {"faces": len(faces) or 1}

    each_photo(photos, out, aligned, device, as_json, one, "repaired")


def _repaired(
    repairer: Repairer, image: NDArray[np.uint8], found: list[Face], missing: NDArray[np.bool_] | None
) -> NDArray[np.uint8]:
    if found:
        return repairer.repair_photo(image, found, missing)
    crop: NDArray[np.uint8] = repairer.repair(image[None], None if missing is None else missing[None])[0]
    return crop
