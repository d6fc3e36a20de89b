"""Is a Milvus gallery sound; what interrupted changes left; and bytes of what is gone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recog.errors import ErasureIncomplete, GalleryError
from recog.gallery.milvus.chain import Chain
from recog.gallery.milvus.connection import Connection
from recog.gallery.milvus.people import People
from recog.gallery.milvus.vectors import Vectors


def wrong(people: People, chain: Chain, vectors: Vectors | None) -> list[str]:
    """What cannot be read, or is not what was written."""
    try:
        people.all()
        chain.entries()
        owned = vectors.all() if vectors else ()
        lengths = [float(np.linalg.norm(one.template.embedding)) for one in owned]
    except GalleryError as error:
        return [str(error)]
    return [f"a template has length {length:.3f}" for length in lengths if abs(length - 1) > 2e-3]


def mend(people: People, vectors: Vectors) -> None:
    """Delete the templates of nobody, and make the centres that are missing."""
    held = vectors.counts()  # first: others enroll meanwhile, and write the person before the templates
    enrolled = {person.handle for person in people.all()}
    vectors.drop([handle for handle in held if handle not in enrolled])
    vectors.centre(vectors.uncentred())


def compact(connection: Connection, collections: Sequence[str]) -> None:
    """Ask Milvus to drop the bytes of deleted rows. Raises: ErasureIncomplete: it could not be asked."""
    try:
        for collection in collections:
            connection.compact(collection)
    except GalleryError as error:
        raise ErasureIncomplete(
            f"The change is made, but Milvus was not asked to erase old bytes. {error} Then: recog doctor"
        ) from error
