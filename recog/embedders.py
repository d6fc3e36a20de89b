"""An embedder by name or file, whichever engine runs it."""

from __future__ import annotations

from pathlib import Path

from recog.embedding import BUNDLED, Embedder
from recog.errors import ConfigError, DeviceUnavailable
from recog.onnx_embedder import OnnxEmbedder
from recog.records import Model


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


def embedder_for(
    model: str | Path | None, stored: Model | None, device: str
) -> tuple[Embedder | OnnxEmbedder, str | None]:
    """The embedder that a gallery needs, and the name under which the gallery can find it again.

    Args:
        model: name or path; default that of the gallery (`stored`), "bundled" where there is none.
    Raises: as `load_embedder`.
    """
    wanted = str(model) if model is not None else stored.name if stored else "bundled"
    embedder = load_embedder(wanted, device)
    if wanted in BUNDLED:
        return embedder, None
    prefix = "local-dir:" if wanted.startswith("local-dir:") else ""
    path = Path(wanted.removeprefix(prefix))
    return embedder, f"{prefix}{path.resolve()}" if path.exists() else wanted
