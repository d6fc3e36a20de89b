"""An embedder by name or file, whichever engine runs it."""

from __future__ import annotations

from pathlib import Path

from recog.embedding import Embedder
from recog.errors import ConfigError, DeviceUnavailable
from recog.onnx_embedder import OnnxEmbedder


def load_embedder(
    name: str | Path = "bundled",
    device: str = "auto",
    *,
    fetch: bool = True,
    mean: float | None = None,
    scale: float | None = None,
    bgr: bool | None = None,
) -> Embedder | OnnxEmbedder:
    """Any model that `recog models list` knows, a weights file, or a `.onnx` file.

    Args:
        fetch: download a named model that is not here.
        mean, scale, bgr: of ONNX files only; see `OnnxEmbedder`.
    Raises: ModelNotFound; CheckpointError; DeviceUnavailable: ONNX files run on the CPU only; ConfigError:
    onnxruntime is missing, or mean, scale or bgr is given of another model.
    """
    if not str(name).lower().endswith(".onnx"):
        if (mean, scale, bgr) != (None, None, None):
            raise ConfigError(f"{name}: mean, scale and bgr are of ONNX files; this model knows its own.")
        return Embedder.load(name, device=device, fetch=fetch)
    if device not in ("auto", "cpu"):
        raise DeviceUnavailable(
            f"{name}: ONNX files run on the CPU here. Pass --device cpu, or another model."
        )
    return OnnxEmbedder(name, mean=mean, scale=scale, bgr=bgr)
