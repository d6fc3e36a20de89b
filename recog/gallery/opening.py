"""A gallery from what people write: the path of a file, or the URI of a Milvus collection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recog.errors import ConfigError
from recog.gallery.file import Gallery
from recog.gallery.interface import GalleryLike
from recog.types import GalleryPlace

MILVUS = "milvus+"  # how the URIs begin


def open_gallery(
    place: Path | str | GalleryPlace | None, *, create: bool = True, **options: Any
) -> GalleryLike:
    """Open a gallery, wherever it is.

    Args:
        place: the path of a file; or a URI as `recog.gallery.milvus.place` reads it, for example
            milvus+http://HOST:PORT; None keeps everything in memory.
        create: make the gallery when it is missing.
        options: of gallery files only; see `recog.gallery.Gallery`.
    Raises: NoGallery: missing, and not `create`; GalleryError: it cannot be used; ConfigError: no such place.
    """
    if isinstance(place, GalleryPlace):
        return open_gallery(place.where, create=create, **{**options, **place.options})
    options = {name: value for name, value in options.items() if value is not None}
    text = str(place)
    if not text.startswith(MILVUS):
        if "://" in text:
            raise ConfigError(f"A gallery is the path of a file, or {MILVUS}http://HOST:PORT (or https).")
        return Gallery(place, create=create, **options)
    if options:
        raise ConfigError(
            f"{GalleryPlace(text)}: {', '.join(options)} is for gallery files only. "
            "Milvus has settings of its own."
        )
    from recog.gallery.milvus import MilvusGallery  # its client takes a second to import

    return MilvusGallery(text, create=create)
