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
    from generative.repair import Masks, Repairer
    from recog.types import Face

AUTO, NONE = "auto", "none"


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
@click.option(
    "--fill",
    type=click.Choice(["network", "vae"]),
    default="network",
    show_default=True,
    help="What fills in missing pixels: the repairer, or, slowly, the face of the bundled VAE that fits the "
    "rest best.",
)
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
    fill: str,
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
    from generative.repair import Repairer
    from generative.scaling import enlarged, scaled_mask

    filler = None
    if fill == "vae":
        from generative.projection import Projector

        filler = Projector.load(device=device).repair
    repairer = Repairer.load(weights, device, filler)
    given = _given(mask)
    missing: Masks = scaled_mask(given, scale) if given is not None else _searched(mask, repairer)

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
        prepared=lambda image: enlarged(image, scale, given),
        side_by_side=side_by_side,
    )


def _given(mask: str | None) -> NDArray[np.bool_] | None:
    """The picture that --mask names, if it names one: (H, W), True where white."""
    if mask in (None, AUTO, NONE):
        return None
    from recog import images

    assert mask is not None
    white: NDArray[np.bool_] = images.read(mask).mean(axis=2) > 127
    return white


def _searched(mask: str | None, repairer: Repairer) -> Masks:
    """Whether covers are searched for: when asked, or where nothing was said and the repairer can."""
    return "auto" if mask == AUTO or (mask is None and repairer.finds_covers) else None


def _as_batch(missing: Masks) -> Masks:
    return missing if missing is None or isinstance(missing, str) else missing[None]
