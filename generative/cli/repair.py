"""`recog repair`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from generative.cli.options import aligned_option, free_names, load_detector, path_type
from recog.cli.options import Outcome, device_option, emit, expanded, json_option

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
    from recog.checkpoints import write_atomically
    from recog.errors import DataError, FaceError, ImageError
    from recog.faces import reason
    from recog.images import png

    repairer = Repairer.load(weights, device)
    detector = None if aligned else load_detector(device)
    missing = images.read(mask).mean(axis=2) > 127 if mask else None
    outcome = Outcome()
    originals = expanded(photos)
    names = free_names(out, originals)
    for photo in originals:
        try:
            image = images.read(photo)
            found = [] if detector is None else detector.detect(image)
            if detector is not None and not found:
                outcome.fail(photo, "no face found; if it is an aligned crop, pass --aligned")
                continue
            repaired = _repaired(repairer, image, found, missing)
        except (ImageError, FaceError, DataError) as error:
            outcome.fail(photo, reason(error, photo))
            continue
        target = names(photo)
        write_atomically(target, png(repaired))
        outcome.done += 1
        emit({"photo": str(photo), "repaired": str(target), "faces": len(found) or 1}, as_json, str(target))
    outcome.leave()


def _repaired(
    repairer: Repairer, image: NDArray[np.uint8], found: list[Face], missing: NDArray[np.bool_] | None
) -> NDArray[np.uint8]:
    if found:
        return repairer.repair_photo(image, found, missing)
    crop: NDArray[np.uint8] = repairer.repair(image[None], None if missing is None else missing[None])[0]
    return crop
