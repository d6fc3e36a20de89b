"""An embedder as an ONNX file, for programs without torch and for timing models in one engine."""

from __future__ import annotations

import contextlib
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from recog.checkpoints import write_atomically
from recog.embedding import Embedder
from recog.errors import ConfigError
from recog.onnx_embedder import METADATA

OPSET = 18


def export(embedder: Embedder, path: Path | str) -> Path:
    """Write the embedder's network as ONNX: (B, 3, S, S) float32, normalised as the model wants -> (B, D).

    Batch norms are folded into their convolutions by onnxruntime; the output is not normalised, as in most
    published files. The file says how its pixels are normalised, so that `OnnxEmbedder` can use it as it is.

    Raises: ConfigError: the packages of the extra `onnx` are missing; WriteFailed.
    """
    about = _about(embedder)
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError("Exporting needs more packages: pip install 'recog[onnx]'.") from error
    size = embedder.image_size
    images = torch.zeros(2, 3, size, size, device=embedder.device)
    with _quietly(), tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "model.onnx"
        torch.onnx.export(
            embedder.network,
            (images,),
            file,
            input_names=["images"],
            output_names=["embeddings"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=OPSET,
            external_data=False,
            dynamo=True,
            verbose=False,
        )
        model = onnx.load(file)
        model.metadata_props.add(key=METADATA, value=json.dumps(about))
        write_atomically(path, model.SerializeToString())
    return Path(path)


def _about(embedder: Embedder) -> dict[str, object]:
    """What the network wants to see, in pixels 0..255, and what is known of it.

    Raises: ConfigError: colours are normalised differently, which an `OnnxEmbedder` does not do.
    """
    means, stds = ({float(v) for v in np.ravel(embedder.config.get(key, 0.5))} for key in ("mean", "std"))
    if len(means) > 1 or len(stds) > 1:
        raise ConfigError(
            f"{embedder.name}: colours have means {means} and spreads {stds}; one of each is needed."
        )
    return {
        "mean": 255 * means.pop(),
        "scale": 255 * stds.pop(),
        "bgr": False,
        "crop_size": embedder.crop_size,
        "name": embedder.name,
        "digest": embedder.digest,
        "card": embedder.card.to_config(),
    }


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """The exporter talks about its own internals."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            log.setLevel(level)
