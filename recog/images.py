"""Path, bytes or array -> (H, W, 3) uint8 RGB, upright, or an ImageError that names the cause."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import threading
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from recog.errors import ConfigError, DataError, ImageError

logger = logging.getLogger(__name__)

Source = str | os.PathLike[str] | bytes | NDArray[np.generic]

WRITTEN = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}  # formats by suffix
LONGEST = {"JPEG": 65_500, "WEBP": 16_383}  # px a side, that these can hold
MAX_PIXELS = 89_000_000  # Pillow warns of decompression bombs a little above this
# warnings.catch_warnings changes the process, so only one thread opens a file at a time; decoding is outside.
_opening = threading.Lock()


def read(source: Source) -> NDArray[np.uint8]:
    """Read a picture as it is meant to be seen.

    EXIF orientation is applied, transparency shown on white, 16-bit scaled to 8, and of an animation
    the first frame is taken.

    Args:
        source: a path, the bytes of an image file, or an array: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of
            uint8, uint16, or floats in 0..1, RGB order.
    Returns: (H, W, 3) uint8, RGB.
    Raises: ImageError: names the file and says why it cannot be read.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    name = name_of(source)
    image = _open(source, name)
    try:
        with image:
            image.load()
            upright = _upright(image, name)
            return np.array(_to_rgb(upright), dtype=np.uint8)
    except Exception as error:  # Pillow's decoders raise almost anything on damaged files
        raise ImageError(name, f"damaged or cut short ({error}). Replace the file.") from error


def name_of(source: Source) -> str:
    """How messages call this picture: its path, or what it is."""
    if isinstance(source, np.ndarray):
        return f"array of shape {source.shape}"
    return "image bytes" if isinstance(source, bytes) else os.fspath(source)


def digest(source: Source) -> str:
    """Hex SHA-256 of the file's content (or of an array's shape, type and values).

    Raises: ImageError: the file cannot be read.
    """
    if isinstance(source, np.ndarray):
        header = f"{source.shape} {source.dtype}".encode()
        return hashlib.sha256(header + np.ascontiguousarray(source).tobytes()).hexdigest()
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    try:
        with _checked(source).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ImageError(name_of(source), f"cannot be opened ({error.strerror}).") from error


def png(image: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) uint8 RGB as the bytes of a PNG file that `read` takes; nothing is lost."""
    return encoded(image, ".png")


def encoded(image: NDArray[np.uint8], suffix: str) -> bytes:
    """(H, W, 3) uint8 RGB as the bytes of a file of this suffix; JPEG and WebP lose a little.

    Raises: ConfigError: the suffix is none of `WRITTEN`; DataError: a side is too long for it.
    """
    if suffix.lower() not in WRITTEN:
        raise ConfigError(f"Pictures are written as {', '.join(WRITTEN)}, and {suffix!r} is none of these.")
    most = LONGEST.get(WRITTEN[suffix.lower()], max(image.shape))
    if max(image.shape) > most:
        raise DataError(f"has a side over {most:,} px, too long for {suffix}. Write a .png.")
    buffer = io.BytesIO()
    Image.fromarray(image).save(
        buffer, WRITTEN[suffix.lower()], **({} if suffix == ".png" else {"quality": 95})
    )
    return buffer.getvalue()


def require_crops(crops: NDArray[np.generic]) -> None:
    """Raises: DataError: not (B, S, S, 3) uint8."""
    square = crops.ndim == 4 and crops.shape[1] == crops.shape[2] and crops.shape[3] == 3
    if not square or crops.dtype != np.uint8:
        raise DataError(f"crops are {crops.dtype} {crops.shape}; give uint8 (B, S, S, 3) RGB.")


def _checked(source: str | os.PathLike[str]) -> Path:
    path = Path(source)
    try:
        if path.is_dir():
            raise ImageError(path, "is a folder without photos. Give a photo, or a folder that holds some.")
        if not path.exists():
            raise ImageError(path, "no such file. Check the path.")
        if not path.is_file():
            raise ImageError(path, "is not a regular file. Give a photo.")
        if path.stat().st_size == 0:
            raise ImageError(path, "is empty (0 bytes). Copy or download it again.")
    except (OSError, ValueError) as error:  # a NUL in the name, a name too long, a folder we may not enter
        raise ImageError(repr(os.fspath(source)), f"cannot be opened ({error}).") from error
    return path


def _open(source: str | os.PathLike[str] | bytes, name: str) -> Image.Image:
    """Read the header only; refuse what would not fit in memory."""
    if isinstance(source, bytes) and not source:
        raise ImageError(name, "are empty (0 bytes).")
    file = io.BytesIO(source) if isinstance(source, bytes) else _checked(source)
    try:
        with _opening, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limit and messages take over
            image = Image.open(file)
    except UnidentifiedImageError as error:
        raise ImageError(name, "is not an image that Pillow can read. Convert it to JPEG.") from error
    except Image.DecompressionBombError as error:
        raise ImageError(name, f"has more than {MAX_PIXELS:,} pixels. Scale it down first.") from error
    except OSError as error:
        raise ImageError(name, f"cannot be opened ({error.strerror or error}).") from error
    except Exception as error:  # a damaged header: see read()
        raise ImageError(name, f"damaged or cut short ({error}). Replace the file.") from error
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise ImageError(name, f"has more than {MAX_PIXELS:,} pixels. Scale it down first.")
    return image


def _upright(image: Image.Image, name: str) -> Image.Image:
    try:
        with _opening, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "Corrupt EXIF data": logged below when it matters
            return ImageOps.exif_transpose(image)
    except Exception as error:  # the picture is sound even when its metadata is not
        logger.warning("%s: EXIF cannot be read (%s); taken as upright", name, error)
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_eight_bits(np.asarray(image), image.mode)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        seen = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    return image.convert("RGB")


def _eight_bits(values: NDArray[np.generic], mode: str) -> NDArray[np.uint8]:
    """Grey of more than 8 bits (integers to 65535; floats in 0..1 or 0..255) as 8 bits."""
    grey = np.nan_to_num(values.astype(np.float64))
    peak = grey.max(initial=0.0)
    if mode == "F":
        scale = 255.0 if peak <= 1 else 1.0
    else:
        scale = 1.0 if mode == "I" and peak <= 255 else 255 / 65535
    scaled: NDArray[np.uint8] = np.clip(np.rint(grey * scale), 0, 255).astype(np.uint8)
    return scaled


def _from_array(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    name = name_of(array)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)) or 0 in array.shape:
        raise ImageError(name, "is not a picture. Give (H, W), (H, W, 3) or (H, W, 4).")
    values = _bytes_of(array, name)
    if values.ndim == 3 and values.shape[2] == 4:
        return np.array(_to_rgb(Image.fromarray(values)))
    if values.ndim == 2 or values.shape[2] == 1:
        return np.repeat(values.reshape(*values.shape[:2], 1), 3, axis=2)
    return np.ascontiguousarray(values)


def _bytes_of(array: NDArray[np.generic], name: str) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array.astype(np.uint8, copy=False)
    if array.dtype == np.uint16:
        return np.rint(array.astype(np.float64) * (255 / 65535)).astype(np.uint8)
    if np.issubdtype(array.dtype, np.floating):
        values = array.astype(np.float64)
        if np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1:
            return np.rint(values * 255).astype(np.uint8)
        raise ImageError(name, "holds floats outside 0..1. Scale them, or convert to uint8.")
    raise ImageError(name, f"holds {array.dtype}. Convert it to uint8.")
