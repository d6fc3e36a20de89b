"""`recog embed`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from recog.cli.options import (
    Outcome,
    any_recognizer,
    device_option,
    emit,
    expanded,
    flip_option,
    gallery_option,
    json_option,
    largest_option,
    model_option,
    photos_argument,
)

if TYPE_CHECKING:
    from recog.faces import Embeddings
    from recog.types import GalleryPlace


@click.command()
@photos_argument
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The .npz file to write.")
@largest_option
@click.option("--aligned", is_flag=True, help="The photos are aligned crops already: detect nothing.")
@flip_option
@gallery_option
@model_option
@device_option
@json_option
def embed(
    photos: tuple[str, ...],
    out: Path,
    largest: bool,
    aligned: bool,
    flip: bool,
    model: str | None,
    device: str,
    gallery: GalleryPlace,
    as_json: bool,
) -> None:
    """Write the vectors of faces to a file.

    The .npz holds photo (N,), face (N,) the index of the face in its photo, box (N, 4), embedding (N, D) and
    failed, the photos without a face and those that could not be read.

    \b
    Example:
      recog embed photos/ --out faces.npz --largest
    """
    paths = expanded(photos)
    _check_writable(out)

    from recog.alignment import AlignedCrops
    from recog.progress import progress

    detector = AlignedCrops() if aligned else None
    with any_recognizer(None if model else gallery, model, device, detector) as recognizer:
        found = recognizer.embed(progress(paths, total=len(paths), desc="embed"), largest=largest, flip=flip)
        digest = recognizer.embedder.digest
    _write(out, found)
    outcome = Outcome(done=len(found.photo))
    for photo, why in found.failed:
        outcome.fail(photo, why)
    record = {"out": str(out), "faces": len(found.photo), "failed": len(found.failed), "model": digest}
    emit(record, as_json, f"{out}: {len(found.photo)} faces, {len(found.failed)} photos failed")
    outcome.leave()


def _check_writable(out: Path) -> None:
    """Find out now, not after an hour of embedding.

    Raises: WriteFailed.
    """
    import os

    from recog.errors import WriteFailed

    folder = next(parent for parent in out.absolute().parents if parent.exists())
    if out.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise WriteFailed(f"{out}: cannot be written. Choose another place.")


def _write(out: Path, found: Embeddings) -> None:
    import io

    import numpy as np

    from recog.checkpoints import write_atomically

    buffer = io.BytesIO()
    np.savez(
        buffer,
        photo=np.array(found.photo, np.str_),
        face=found.face,
        box=found.box,
        embedding=found.embedding,
        failed=np.array([photo for photo, _ in found.failed], np.str_),
    )
    write_atomically(out, buffer.getvalue())
