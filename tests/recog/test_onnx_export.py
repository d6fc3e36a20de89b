"""Embedders as ONNX files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recog.embedders import load_embedder
from recog.embedding import Embedder
from recog.onnx_export import export
from tests.recog.test_embedding import embedder

pytest.importorskip("onnxscript")
__all__ = ["embedder"]


def test_the_file_answers_as_the_network(embedder: Embedder, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    path = export(embedder, tmp_path / "model.onnx")
    crops = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    loaded = load_embedder(path, mean=127.5, scale=127.5)  # mean and std 0.5 of pixels in 0..1
    assert loaded.image_size == embedder.image_size
    assert loaded.embed(crops, flip=False) == pytest.approx(embedder.embed(crops, flip=False), abs=1e-4)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for batch in (1, 3):  # the batch size is free
        images = np.zeros((batch, 3, 32, 32), np.float32)
        assert session.run(None, {"images": images})[0].shape == (batch, embedder.embedding_size)
