"""An embedder as an ONNX file, for programs without torch and for timing models in one engine."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from recog.checkpoints import write_atomically
from recog.embedding import Embedder
from recog.errors import ConfigError

OPSET = 18


def export(embedder: Embedder, path: Path | str) -> Path:
    """Write the embedder's network as ONNX: (B, 3, S, S) float32, normalised as the model wants -> (B, D).

    Batch norms are folded into their convolutions by onnxruntime; the output is not normalised, as in most
    published files.

    Raises: ConfigError: the packages of the extra `onnx` are missing; WriteFailed.
    """
    try:
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
        write_atomically(path, file.read_bytes())
    return Path(path)


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
