"""The embeddings that a model gives crops, each block computed once and kept in the cache."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recog.checkpoints import write_atomically
from recog.errors import WriteFailed
from recog.progress import progress
from recog.training.data import CropSet, cache_folder

BLOCK = 1024  # crops whose embeddings are kept in one file
Vectors = NDArray[np.float32]


class Model(Protocol):
    """What embeds crops and can be told from others; `recog.embedding.Embedder` and `OnnxEmbedder` do."""

    @property
    def digest(self) -> str: ...
    @property
    def name(self) -> str: ...
    def embed(self, crops: NDArray[np.uint8], flip: bool = True) -> Vectors: ...


def embeddings(crops: CropSet, model: Model) -> Vectors:
    """(N, D) unit vectors, mirror images averaged in; computed once for these pixels and this model.

    Raises: WriteFailed: the cache cannot be written.
    """
    parts = range(0, len(crops), BLOCK)
    bar = progress(parts, total=len(parts), desc=f"embed with {model.name}")
    return np.concatenate([_block(crops.images[at : at + BLOCK], model) for at in bar])


def _block(images: NDArray[np.uint8], model: Model) -> Vectors:
    content = hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
    key = hashlib.sha256(json.dumps([content, images.shape, model.digest]).encode()).hexdigest()[:24]
    path = cache_folder() / "targets" / f"{key}.npy"
    if path.is_file():
        kept: Vectors = np.load(path, allow_pickle=False)
        return kept
    vectors = model.embed(np.asarray(images))
    _keep(path, vectors)
    return vectors


def _keep(path: Path, vectors: Vectors) -> None:
    buffer = io.BytesIO()
    np.save(buffer, vectors, allow_pickle=False)
    try:
        write_atomically(path, buffer.getvalue())
    except WriteFailed as error:
        raise WriteFailed(f"{error} RECOG_CACHE names another cache folder.") from error
