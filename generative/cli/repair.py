"""`recog repair`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from generative.cli.options import aligned_option, path_type
from generative.cli.photos import each_photo
from recog.cli.options import device_option, json_option

if TYPE_CHECKING:
    from generative.cli.photos import Done, Image
    from generative.repair import Masks
    from recog.types import Face

NONE = "none"


@click.command()
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...")
@click.option(
    "--out",
    type=path_type,
    required=True,
    help="File for one photo (.png, .jpg, .webp), or a folder, in which folders keep their shape.",
)
@click.option(
    "--mask",
    metavar="MASK",
    help="Picture of the photo's size, white where pixels are missing; auto: find what covers the face; "
    "none: nothing is missing [default: auto, where the repairer can].",
)
@click.option(
    "--scale",
    default=1,
    show_default=True,
    type=click.IntRange(1, 8),
    help="Enlarge photos by this before they are repaired.",
)
@click.option("--side-by-side", is_flag=True, help="Also write a picture of each photo before and after.")
@click.option("--weights", default="bundled", show_default=True, help="bundled, a file or run directory.")
@aligned_option
@device_option
@json_option
def repair(
    photos: tuple[str, ...],
    out: Path,
    mask: str | None,
    scale: int,
    side_by_side: bool,
    weights: str,
    aligned: bool,
    device: str,
    as_json: bool,
) -> None:
    """Repair the faces on damaged photos: holes, masks, glasses, noise, blur, low resolution.

    What is filled in is a plausible guess, never evidence of what was there. Where pixels are missing, by
    --mask or because something was found that covers the face, only these change.

    \b
    Example:
      recog repair old.jpg --out repaired.png --side-by-side
      recog repair crop.png --aligned --mask hole.png --out repaired
      recog repair tiny.jpg --scale 4 --out large.png
    """
    from generative.repair import Repairer, enlarged

    repairer = Repairer.load(weights, device)
    missing = _masked(mask, repairer.finds_covers, scale)

    def one(image: Image, faces: list[Face]) -> Done:
        if faces:
            repaired = repairer.repair_photo(image, faces, missing)
        else:
            repaired = repairer.repair(image[None], _as_batch(missing))[0]
        return repaired, {"faces": len(faces) or 1, "changed": round(float((repaired != image).mean()), 4)}

    each_photo(
        photos,
        out,
        aligned,
        device,
        as_json,
        one,
        "repaired",
        prepared=lambda image: enlarged(image, scale),
        side_by_side=side_by_side,
    )


def _masked(mask: str | None, finds_covers: bool, scale: int) -> Masks:
    """What the repairer is told to be missing."""
    from generative.repair import scaled_mask
    from recog import images

    if mask == "auto" or (mask is None and finds_covers):
        return "auto"
    if mask in (None, NONE):
        return None
    assert mask is not None
    return scaled_mask(images.read(mask).mean(axis=2) > 127, scale)


def _as_batch(missing: Masks) -> Masks:
    return missing if missing is None or isinstance(missing, str) else missing[None]
