"""`recog info | doctor`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from recog.cli.options import Outcome, device_option, emit, gallery_option, json_option
from recog.types import PURPOSES

if TYPE_CHECKING:
    from recog.gallery import GalleryLike
    from recog.types import GalleryPlace


@click.command()
@gallery_option
@json_option
def info(gallery: GalleryPlace, as_json: bool) -> None:
    """Describe a gallery.

    \b
    Example:
      recog info --gallery people.gallery
    """
    from recog.gallery import open_gallery

    with open_gallery(gallery, create=False) as opened:
        record = _record(opened)
    record["thresholds"] = _thresholds(gallery, record["model"]) or record["thresholds"]
    emit(record, as_json, "\n".join(f"{key}: {value}" for key, value in record.items()))


def _record(gallery: GalleryLike) -> dict[str, Any]:
    people, model = gallery.people(), gallery.model()
    stored = {p: gallery.calibration(p, model.digest) if model else None for p in PURPOSES}
    return {
        "gallery": str(gallery),
        "people": len(people),
        "templates": sum(person.templates for person in people),
        "model": model.name if model else None,
        "digest": model.digest if model else None,
        "embedding_size": model.embedding_size if model else None,
        "revision": gallery.revision,
        "bytes": gallery.file_bytes,
        **gallery.particulars(),
        "thresholds": {purpose: found.to_json() if found else None for purpose, found in stored.items()},
    }


def _thresholds(gallery: GalleryPlace, model: str | None) -> dict[str, Any] | None:
    """Those in force, the model card's included; None where its model is not at hand."""
    from recog.alignment import AlignedCrops
    from recog.embedders import load_embedder
    from recog.errors import RecogError
    from recog.recognizer import Recognizer

    try:
        embedder = load_embedder(model or "bundled", fetch=False)
        with Recognizer.open(gallery, create=False, embedder=embedder, detector=AlignedCrops()) as recognizer:
            return {name: recognizer.threshold(name).to_json() for name in PURPOSES}
    except RecogError:
        return None


@click.command()
@gallery_option
@device_option
@json_option
def doctor(gallery: GalleryPlace, device: str, as_json: bool) -> None:
    """Check the installation and a gallery.

    Also empties what erased people may have left in a gallery's write-ahead log.

    \b
    Example:
      recog doctor --device cpu
    """
    outcome = Outcome()
    for name, check in _checks(gallery, device):
        try:
            detail, ok = check(), True
        except Exception as error:  # a broken installation can fail in any way: that is the finding
            detail, ok = f"{type(error).__name__}: {error}", False
        emit(
            {"check": name, "ok": ok, "detail": detail},
            as_json,
            f"{'ok' if ok else 'FAIL'}  {name}: {detail}",
        )
        outcome.done += ok
        outcome.failed += not ok
    outcome.leave()


def _checks(gallery: GalleryPlace, device: str) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "packages", _packages
    yield "device", lambda: _device(device)
    yield "detector", lambda: _detector(device)
    yield "embedder", lambda: _embedder(device)
    yield "gallery", lambda: _gallery(gallery)


def _packages() -> str:
    import platform
    from importlib.metadata import version

    names = ("torch", "torchvision", "timm", "facenet-pytorch", "faiss-cpu", "numpy", "pillow")
    return ", ".join([f"python {platform.python_version()}", *(f"{name} {version(name)}" for name in names)])


def _device(device: str) -> str:
    from recog.device import has_fast_bf16, resolve

    place = resolve(device)
    return f"{place}, bfloat16 {'pays' if has_fast_bf16(place) else 'does not pay'}"


def _detector(device: str) -> str:
    import numpy as np

    from recog.detection import Detector

    found = Detector(device).detect(np.zeros((64, 64, 3), np.uint8))
    return f"MTCNN works ({len(found)} faces on an empty image)"


def _embedder(device: str) -> str:
    import numpy as np

    from recog.embedding import Embedder

    embedder = Embedder.load("bundled", device=device)
    vector = embedder.embed(np.full((1, 112, 112, 3), 127, np.uint8))
    return f"{embedder.name} {embedder.digest[:12]}, {vector.shape[1]} numbers a face"


def _gallery(place: GalleryPlace) -> str:
    from recog.errors import GalleryError, NoGallery
    from recog.gallery import open_gallery

    try:
        opened = open_gallery(place, create=False)
    except NoGallery as none_yet:
        return str(none_yet)
    with opened:
        wrong = opened.integrity()
        if wrong:
            raise GalleryError(f"{opened}: {wrong[0]}. Restore a backup, or enroll again.")
        opened.purge()
        return f"{opened}: sound, {opened.size()[0]} people"
