"""An ONNX network behind the embedder's interface: a teacher, a yardstick, or a model of one's own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from recog import images
from recog.cards import Card
from recog.errors import CheckpointError, ConfigError, DataError, ModelNotFound
from recog.vectors import unit

METADATA = "recog"  # key of an ONNX file's metadata
MEAN, SCALE = 127.5, 128.0  # where a file does not say


class OnnxEmbedder:
    """Crops to unit vectors through onnxruntime (extra `onnx`), on the CPU.

    The defaults fit InsightFace's and most MobileFaceNet exports: NCHW, RGB, (x - 127.5) / 128.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        mean: float | None = None,
        scale: float | None = None,
        bgr: bool | None = None,
    ) -> None:
        """
        Args:
            path: one input (B, 3, S, S), one output (B, D).
            mean, scale: the network sees (pixel - mean) / scale of pixels 0..255; default what the file says
                of itself, else 127.5 and 128.
            bgr: the network wants blue first; default what the file says, else red first.
        Raises: ModelNotFound: no such file; CheckpointError: damaged; ConfigError: no onnxruntime; DataError:
        other shapes.
        """
        file = Path(path)
        if not file.is_file():
            raise ModelNotFound(
                f"{path}: no ONNX file here. Check the path; --model names the new place of a gallery's."
            )
        content = file.read_bytes()
        self._session = _session(content, file)
        said = _said_of_itself(self._session)
        self.mean = float(said.get("mean", MEAN) if mean is None else mean)
        self.scale = float(said.get("scale", SCALE) if scale is None else scale)
        self.bgr = bool(said.get("bgr", False) if bgr is None else bgr)
        self.digest = hashlib.sha256(content + repr((self.mean, self.scale, self.bgr)).encode()).hexdigest()
        self.name = file.name
        self.card = Card.of_config(said.get("card") or {})
        self.device = "cpu"
        self._input = self._session.get_inputs()[0]
        shapes = [tuple(port.shape) for port in (self._input, self._session.get_outputs()[0])]
        image, vector = shapes
        square = len(image) == 4 and image[2] == image[3] and isinstance(image[3], int)
        if not square or image[1] != 3 or len(vector) != 2:
            raise DataError(f"{path}: has shapes {shapes}; expected (B, 3, S, S) and (B, D).")
        if self._input.type != "tensor(float)":
            raise DataError(f"{path}: takes {self._input.type}, not float32. Export it in full precision.")
        self.image_size = int(image[3])  # px
        self.crop_size = int(said.get("crop_size", self.image_size))  # px
        self.embedding_size = int(vector[1])

    def embed(self, crops: NDArray[np.uint8], flip: bool = True) -> NDArray[np.float32]:
        """(B, S, S, 3) uint8 RGB crops -> (B, D) float32 unit vectors; flip adds the mirrored crop."""
        images.require_crops(crops)
        rows = [self._one(crop, flip) for crop in crops]
        return np.stack(rows) if rows else np.zeros((0, self.embedding_size), np.float32)

    def _one(self, crop: NDArray[np.uint8], flip: bool) -> NDArray[np.float32]:
        """One crop at a time: many exports have their batch size fixed at one."""
        picture = _resized(crop, self.image_size)
        planes = picture[..., ::-1] if self.bgr else picture
        values = ((planes.astype(np.float32) - self.mean) / self.scale).transpose(2, 0, 1)[
            None
        ]  # (1, 3, S, S)
        vector = unit(self._run(values))
        return unit(vector + unit(self._run(values[..., ::-1]))) if flip else vector

    def _run(self, values: NDArray[Any]) -> NDArray[np.float32]:
        outputs = self._session.run(None, {self._input.name: np.ascontiguousarray(values)})
        return np.asarray(outputs[0][0], np.float32)


def _resized(crop: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    if crop.shape[:2] == (side, side):
        return crop
    return np.asarray(Image.fromarray(crop).resize((side, side), Image.Resampling.BILINEAR))


def _session(content: bytes, file: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError("ONNX models need onnxruntime: pip install 'recog[onnx]'.") from error
    try:
        return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base class of their own
        raise CheckpointError(
            f"{file}: not a readable ONNX model ({error}). Export or fetch it again."
        ) from error


def _said_of_itself(session: Any) -> dict[str, Any]:
    """What `recog.onnx_export` wrote beside the network: mean, scale, bgr and the model's card."""
    text = session.get_modelmeta().custom_metadata_map.get(METADATA)
    found: dict[str, Any] = json.loads(text) if text else {}
    return found
