"""`recog quality`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from recog.cli.options import (
    Outcome,
    any_recognizer,
    device_option,
    emit,
    expanded,
    gallery_option,
    json_option,
    model_option,
    photos_argument,
)

if TYPE_CHECKING:
    from recog.types import GalleryPlace


@click.command()
@photos_argument
@gallery_option
@model_option
@device_option
@json_option
def quality(
    photos: tuple[str, ...], gallery: GalleryPlace, model: str | None, device: str, as_json: bool
) -> None:
    """Say how well faces can be recognised.

    PHOTO is a file, a folder, or - for paths on standard input. Each face has a score from 0 to 1, made of
    size, sharpness, pose, illumination, the detector's confidence, and embedding: how alike the model finds
    the face and its mirror image.

    \b
    Example:
      recog quality photos/ --json
    """
    paths = expanded(photos)

    from recog.errors import FaceError, ImageError
    from recog.faces import reason
    from recog.progress import progress

    outcome = Outcome()
    with any_recognizer(None if model else gallery, model, device) as recognizer:
        for photo in progress(paths, total=len(paths), desc="quality"):
            try:
                seen = recognizer.faces.see(photo)
            except (ImageError, FaceError) as error:
                outcome.fail(photo, reason(error, photo))
                continue
            if not seen.faces:
                outcome.fail(photo, "no face found")
            for face, mark in zip(seen.faces, seen.qualities, strict=True):
                outcome.done += 1
                box = [round(value, 1) for value in face.box]
                record = {"photo": str(photo), "box": box, "quality": round(mark.score, 4), **mark.parts()}
                part, value = mark.weakest
                text = f"{photo} {box}: {mark.score:.2f}, weakest in {part} ({value:.2f})"
                emit(record, as_json, text)
    outcome.leave()
