"""Commands that change the faces on photos, one photo after another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generative.cli.options import load_detector
from generative.cli.targets import Targets
from recog.cli.options import Outcome, emit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from recog.types import Face

    Image = NDArray[np.uint8]  # (H, W, 3) RGB
    Done = tuple[Image, dict[str, Any]]  # the photo, and what to say of it


def each_photo(
    photos: tuple[str, ...],
    out: Path,
    aligned: bool,
    device: str,
    as_json: bool,
    one: Callable[[Image, list[Face]], Done],
    verb: str,
    doubt: Callable[[dict[str, Any]], str | None] = lambda said: None,
    *,
    prepared: Callable[[Image], Image] = lambda image: image,
    side_by_side: bool = False,
) -> None:
    """Change each photo, name what failed, and leave with the exit code that says so.

    Args:
        out: see `Targets`.
        one: takes a photo and its faces; none where it is an aligned crop.
        verb: what JSON calls the new file.
        doubt: takes what is said of a photo, and tells why the new one is not what was asked for.
        prepared: what is done to a photo before faces are searched for.
        side_by_side: also write a picture of each photo before and after.
    """
    import numpy as np

    from recog import images
    from recog.checkpoints import write_atomically
    from recog.errors import DataError, FaceError, ImageError
    from recog.faces import reason

    outcome, targets = Outcome(), Targets(out, photos)
    detector = None if aligned else load_detector(device)
    for photo in targets.originals:
        try:
            image = prepared(images.read(photo))
            faces = [] if detector is None else detector.detect(image)
            if detector is not None and not faces:
                outcome.fail(photo, "no face found; if it is an aligned crop, pass --aligned")
                continue
            changed, said = one(image, faces)
            target = targets.of(photo)
            content = images.encoded(changed, target.suffix)
        except (ImageError, FaceError, DataError) as error:
            outcome.fail(photo, reason(error, photo))
            continue
        write_atomically(target, content)
        if side_by_side:
            beside = targets.beside(target)
            write_atomically(beside, images.png(np.concatenate([image, changed], axis=1)))
            said = {**said, "side_by_side": str(beside)}
        outcome.done += 1
        emit({"photo": str(photo), verb: str(target), **said}, as_json, str(target))
        if why := doubt(said):
            outcome.fail(target, why)
    outcome.leave()
