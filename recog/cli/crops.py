"""`recog crop`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from recog.cli.options import Outcome, device_option, emit, json_option

if TYPE_CHECKING:
    from recog.faces import DetectorLike


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the crops.")
@click.option("--size", type=click.IntRange(8), default=112, show_default=True, help="Side of the crops, px.")
@device_option
@json_option
def crop(folder: Path, out: Path, size: int, device: str, as_json: bool) -> None:
    """Cut aligned faces out of photos.

    FOLDER has one sub-folder a person, and so will OUT: a crop of the largest face of each photo, on the
    ArcFace template, as train, distill, generate and bench take them. Crops that are there are kept, so
    that the same call goes on where it was.

    \b
    Example:
      recog crop photos/ --out crops/
    """
    from recog.detection import Detector
    from recog.errors import DataError, FaceError, ImageError
    from recog.faces import reason
    from recog.photos import of_people
    from recog.progress import progress

    wanted: dict[Path, Path] = {}
    for name, photos in of_people(folder).items():
        for photo in photos:
            place = _place(out / name, photo.relative_to(folder / name))
            if place in wanted:
                raise DataError(f"{photo}: its crop would be {place}, as that of {wanted[place]}. Rename it.")
            wanted[place] = photo
    detector, outcome = Detector(device), Outcome()
    for place, photo in progress(wanted.items(), total=len(wanted), desc="crop"):
        try:
            if not place.exists():
                _cut(photo, place, size, detector)
        except (ImageError, FaceError) as error:
            outcome.fail(photo, reason(error, photo))
            continue
        outcome.done += 1
        emit({"photo": str(photo), "crop": str(place)}, as_json, f"{photo}: {place}")
    outcome.leave()


def _place(folder: Path, photo: Path) -> Path:
    """Where a photo's crop goes: sub-folders, and other extensions, become part of its name."""
    name = "_".join(photo.parts)
    return folder / (name if photo.suffix == ".png" else f"{name}.png")


def _cut(photo: Path, place: Path, size: int, detector: DetectorLike) -> None:
    from recog import images
    from recog.alignment import align
    from recog.checkpoints import write_atomically
    from recog.faces import no_face

    image = images.read(photo)
    faces = detector.detect(image)
    if not faces:
        raise no_face(str(photo))
    write_atomically(place, images.png(align(image, faces[0].landmarks, size)))  # the largest comes first
