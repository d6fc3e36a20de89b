"""`recog generate edit | anonymize | interpolate`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from generative.cli.options import (
    aligned_option,
    embedder_option,
    generator_option,
    load_detector,
    path_type,
    seed_option,
)
from generative.cli.photos import each_photo
from recog.cli.options import device_option, emit, json_option

if TYPE_CHECKING:
    from generative.cli.photos import Done, Image
    from generative.editing import Editor
    from recog.alignment import AlignedCrops
    from recog.detection import Detector
    from recog.types import Face

reader_option = click.option(
    "--reader", default="bundled", show_default=True, help="Of attributes: bundled, a file or run directory."
)


def editing_options(command: Callable[..., None]) -> Callable[..., None]:
    """What commands that change photos share."""
    shared = (
        click.option("--out", type=path_type, required=True, help="Folder for the changed photos (PNG)."),
        aligned_option,
        generator_option("bundled-vae"),
        embedder_option,
        reader_option,
        device_option,
        json_option,
    )
    for option in reversed(shared):
        command = option(command)
    return command


@click.command()
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...")
@click.option(
    "--set", "wanted", multiple=True, required=True, metavar="NAME=VALUE", help="smiling=1, age=60, no-beard."
)
@click.option(
    "--method",
    type=click.Choice(["conditional", "latent"]),
    default="conditional",
    show_default=True,
    help="Decode with other attributes, or move the code along learned directions.",
)
@click.option(
    "--strength",
    type=float,
    help="Times what was learned: more changes more, and leaves less of the person  [default: 2 conditional, "
    "3 latent].",
)
@editing_options
def edit(
    photos: tuple[str, ...],
    wanted: tuple[str, ...],
    method: str,
    strength: float | None,
    out: Path,
    aligned: bool,
    generator: str,
    model: str,
    reader: str,
    device: str,
    as_json: bool,
) -> None:
    """Change what the faces on photos show, and leave who they are.

    \b
    Example:
      recog generate edit ada.jpg --set smiling=1 --set age=60 --out edited
    """
    from generative.conditions import parse

    asked = parse(wanted)
    editor = _editor(generator, model, reader, device)
    editor.synthesizer.vocabulary.asked(asked)

    def one(image: Image, faces: list[Face]) -> Done:
        from generative import pasting
        from recog.alignment import align

        before = editor.synthesizer.embedder
        if aligned:
            _require_square(image)
            changed = editor.edited(image[None], asked, method=method, strength=strength)[0]
            pairs = [(image, changed)]
        else:
            changed, pairs = image, []
            for face in faces:
                crop = align(image, face.landmarks, pasting.CROP)
                change = editor.changes(crop[None], asked, method=method, strength=strength)[0]
                changed = pasting.add_change(changed, face.landmarks, change)
                pairs.append((crop, align(changed, face.landmarks, pasting.CROP)))
        return changed, {"identity_cosine": [_cosine(before, *pair) for pair in pairs]}

    each_photo(photos, out, aligned, device, as_json, one, "changed")


@click.command()
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...")
@seed_option
@editing_options
def anonymize(
    photos: tuple[str, ...],
    seed: int,
    out: Path,
    aligned: bool,
    generator: str,
    model: str,
    reader: str,
    device: str,
    as_json: bool,
) -> None:
    """Replace every face on photos by one of a person who does not exist.

    Pose and expression are kept as far as the model can. Faces that are not detected stay: look at the
    result. Clothes, hair and place can still tell who somebody is.

    How alike each face is to what was there is measured on the photo as it is written. Where the model still
    takes the two for one person after several tries, the photo is written and named, and the exit code is 3.

    \b
    Example:
      recog generate anonymize party.jpg --out safe
    """
    editor = _editor(generator, model, reader, device)

    def one(image: Image, faces: list[Face]) -> Done:
        from recog.alignment import template

        if aligned:
            _require_square(image)
        landmarks = [template(len(image))] if aligned else [face.landmarks for face in faces]
        changed, cosines = editor.anonymized(image, landmarks, seed)
        checked = editor.threshold is not None
        return changed, {
            "identity_cosine": [round(float(value), 4) for value in cosines],
            "still_recognised": bool(editor.recognised(cosines).any()) if checked else None,
        }

    def doubt(said: dict[str, Any]) -> str | None:
        if not said["still_recognised"]:
            return None
        return (
            f"still recognised: a face has cosine {max(said['identity_cosine'])} to the original, and from "
            f"{editor.threshold:.4f} on two are taken for one person. Try another --seed, or do not show it"
        )

    each_photo(photos, out, aligned, device, as_json, one, "changed", doubt)


@click.command()
@click.argument("first", type=path_type)
@click.argument("second", type=path_type)
@click.option("--steps", default=8, show_default=True, type=click.IntRange(min=2), help="Faces in the strip.")
@click.option("--out", type=path_type, required=True, help="The strip (PNG).")
@aligned_option
@generator_option("bundled-vae")
@embedder_option
@reader_option
@device_option
@json_option
def interpolate(
    first: Path,
    second: Path,
    steps: int,
    out: Path,
    aligned: bool,
    generator: str,
    model: str,
    reader: str,
    device: str,
    as_json: bool,
) -> None:
    """Draw the way from one face to another as a strip of faces.

    \b
    Example:
      recog generate interpolate ada.jpg bob.jpg --out strip.png
    """
    from generative.grids import sheet
    from recog.alignment import AlignedCrops
    from recog.checkpoints import write_atomically

    editor = _editor(generator, model, reader, device)
    detector = AlignedCrops() if aligned else load_detector(device)
    crops = [_largest(photo, detector) for photo in (first, second)]
    write_atomically(out, sheet([list(editor.between(crops[0], crops[1], steps))]))
    emit({"strip": str(out), "faces": steps}, as_json, str(out))


def _editor(generator: str, model: str, reader: str, device: str) -> Editor:
    from generative.editing import Editor
    from recog.embedding import Embedder

    return Editor.load(generator, Embedder.load(model, device), reader, device)


def _require_square(image: Image) -> None:
    from recog.errors import FaceError

    if image.shape[0] != image.shape[1]:
        raise FaceError("an aligned crop is square; leave --aligned out for whole photos")


def _largest(photo: Path, detector: Detector | AlignedCrops) -> Image:
    """The aligned crop of the largest face."""
    from generative.pasting import CROP
    from recog import images
    from recog.alignment import align
    from recog.errors import FaceError

    image = images.read(photo)
    faces = detector.detect(image)
    if not faces:
        raise FaceError(f"{photo}: no face found. Use another photo, or --aligned for aligned crops.")
    widest = max(faces, key=lambda face: (face.box[2] - face.box[0]) * (face.box[3] - face.box[1]))
    return align(image, widest.landmarks, CROP)


def _cosine(embedder: Any, before: Image, after: Image) -> float:
    """How alike two crops are to the embedder."""
    import numpy as np

    first, second = embedder.embed(np.stack([before, after]))
    return round(float(first @ second), 4)
