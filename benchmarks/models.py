"""An embedder by name or file, ONNX files included."""

from __future__ import annotations

from benchmarks.onnx_embedder import OnnxEmbedder
from benchmarks.photos import Embeds
from recog.embedding import Embedder


def load_embedder(
    name: str, device: str = "auto", *, mean: float = 127.5, scale: float = 128.0, bgr: bool = False
) -> Embeds:
    """Any model that `recog models list` knows, a weights file, or a `.onnx` file.

    Args:
        mean, scale, bgr: of ONNX files only; see `OnnxEmbedder`.
    Raises: ModelNotFound; CheckpointError; DeviceUnavailable.
    """
    if name.lower().endswith(".onnx"):
        return OnnxEmbedder(name, mean=mean, scale=scale, bgr=bgr)
    return Embedder.load(name, device=device)
