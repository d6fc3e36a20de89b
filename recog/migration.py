"""From one model to another: the faces that were kept are embedded anew."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from recog import images
from recog.alignment import square
from recog.errors import GalleryError
from recog.faces import Crops, EmbedderLike, both_ways
from recog.gallery import Gallery
from recog.records import Model

BATCH = 64


def from_png(content: bytes, size: int) -> NDArray[np.uint8]:
    """A crop (size, size, 3), RGB; enlarged or reduced where it was kept in another size."""
    return square(images.read(content), size)


def migrate(
    gallery: Gallery,
    embedder: EmbedderLike,
    model: Model,
    *,
    drop: bool = False,
    watch: Callable[[Iterable[Crops]], Iterable[Crops]] = iter,
) -> tuple[int, int]:
    """Give a gallery another model, by the crops that it kept; all of it or nothing.

    Its thresholds were of the other model; those of the new model's card hold until it is calibrated.

    Args:
        model: that of the embedder, as the gallery is to remember it.
        drop: leave out templates without a crop, and people who have no others, instead of refusing.
        watch: passes on the batches of crops (B, S, S, 3), to show progress.
    Returns: how many templates have new vectors, and how many were dropped.
    Raises: GalleryError: nobody is enrolled, crops are missing, or it was changed meanwhile.
    """
    revision, (_, templates) = gallery.revision, gallery.size()
    kept = gallery.kept_crops()
    if not kept or (kept < templates and not drop):
        raise GalleryError(
            f"{gallery}: has the crops of {kept} of its {templates} templates. Enroll the photos of the "
            "others into a new gallery with --keep-crops, or leave them out with --drop."
        )
    numbers: list[int] = []
    vectors: dict[int, NDArray[np.float32]] = {}
    for crops in watch(_batches(gallery, embedder.crop_size, numbers)):
        found = both_ways(embedder, crops)[0]
        vectors.update(zip(numbers[-len(found) :], found, strict=True))
    gallery.replace_vectors(vectors, model, revision)
    return len(vectors), templates - len(vectors)


def _batches(gallery: Gallery, size: int, numbers: list[int]) -> Iterator[Crops]:
    """Crops, whose template numbers are appended to `numbers`."""
    kept = gallery.crops()
    while part := list(itertools.islice(kept, BATCH)):
        numbers += [number for number, _ in part]
        yield np.stack([from_png(content, size) for _, content in part])
