"""An embedder by name or file, whichever engine runs it."""

from __future__ import annotations

from pathlib import Path

from recog.embedding import Embedder
from recog.onnx_embedder import OnnxEmbedder


def load_embedder(
    name: str | Path = "bundled",
    device: str = "auto",
    *,
    mean: float = 127.5,
    scale: float = 128.0,
    bgr: bool = False,
) -> Embedder | OnnxEmbedder:
    """Any model that `recog models list` knows, a weights file, or a `.onnx` file.

    Args:
        mean, scale, bgr: of ONNX files only; see `OnnxEmbedder`.
    Raises: ModelNotFound; CheckpointError; DeviceUnavailable; ConfigError: onnxruntime is missing.
    """
    if str(name).lower().endswith(".onnx"):
        return OnnxEmbedder(name, mean=mean, scale=scale, bgr=bgr)
    return Embedder.load(name, device=device)
