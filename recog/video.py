"""Video file or camera -> frames, a few a second. Nothing else opens a cv2.VideoCapture."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.errors import ConfigError, ImageError

logger = logging.getLogger(__name__)

VideoSource = str | os.PathLike[str] | int  # a file, or the number of a camera

SHORTFALL_SECONDS = 1.0  # a file that ends this much before its announced end was cut short


class Frame(NamedTuple):
    """One picture of a video."""

    number: int  # in the stream, from 0
    seconds: float  # since the start of the file, or since the camera was opened
    image: NDArray[np.uint8]  # (H, W, 3), RGB


def name_of(source: VideoSource) -> str:
    """How messages call this video."""
    return f"camera {source}" if isinstance(source, int) else os.fspath(source)


def frames(source: VideoSource, fps: float = 5.0) -> Generator[Frame, None, None]:
    """The first frame of each 1/fps seconds, until the file ends or the camera stops.

    A file that is cut short gives the frames it has, and a warning. Close the generator to free a camera.

    Args:
        source: a file, or the number of a camera (0 is the first).
        fps: frames a second to give; a video that has fewer gives all.
    Raises: ConfigError: fps; ImageError: no such file or camera, or no frame of it can be decoded.
    """
    if not 0 < fps < math.inf:
        raise ConfigError(f"fps is {fps}; give a number of frames a second above 0.")
    capture = _open(source)
    try:
        yield from _sampled(capture, source, fps)
    finally:
        capture.release()


def _open(source: VideoSource) -> cv2.VideoCapture:
    try:
        capture = cv2.VideoCapture(source if isinstance(source, int) else str(_checked(source)))
    except cv2.error as error:
        raise _unusable(source) from error
    if not capture.isOpened():
        raise _unusable(source)
    if isinstance(source, int):
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # what waits while a frame is worked on is old news
    return capture


def _checked(source: str | os.PathLike[str]) -> Path:
    path = Path(source)
    if not _is_text(str(path)):
        raise ImageError(path, "has a name that is not UTF-8, which OpenCV cannot open. Rename it.")
    try:
        if not path.exists():
            raise ImageError(path, "no such file. Check the path.")
        if not path.is_file():
            raise ImageError(path, "is not a file. Give a video file, or the number of a camera.")
        if path.stat().st_size == 0:
            raise ImageError(path, "is empty (0 bytes). Copy or download it again.")
    except (OSError, ValueError) as error:  # a name too long, a folder we may not enter
        raise ImageError(repr(os.fspath(source)), f"cannot be opened ({error}).") from error
    return path


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes that Python smuggles through as surrogates: OpenCV would crash on them
        return False
    return True


def _unusable(source: VideoSource) -> ImageError:
    if isinstance(source, int):
        cause = "gives no picture. Is it plugged in, allowed, and free? Try another number; 0 is the first."
        return ImageError(name_of(source), cause)
    return ImageError(
        name_of(source), "is damaged or no video that OpenCV can decode. Convert it to MP4 (H.264)."
    )


def _sampled(capture: cv2.VideoCapture, source: VideoSource, fps: float) -> Iterator[Frame]:
    place, seconds = None, 0.0
    for number, seconds in enumerate(_times(capture, isinstance(source, int))):
        now = math.floor(seconds * fps + 1e-6)
        if now == place:
            continue
        decoded, picture = capture.retrieve()
        if decoded:  # else the next frame may do
            place = now
            yield Frame(number, seconds, np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8))
    if place is None:
        raise _unusable(source)
    if not isinstance(source, int):
        _warn_if_short(capture, name_of(source), seconds)


def _times(capture: cv2.VideoCapture, camera: bool) -> Iterator[float]:
    """Grab frame after frame, and give the seconds of the one that waits to be retrieved."""
    opened, index = monotonic(), 0
    while capture.grab():
        yield monotonic() - opened if camera else _position(capture, index)
        index += 1


def _position(capture: cv2.VideoCapture, index: int) -> float:
    """Seconds of a file's frame: its time stamp, or by the frame rate where a container stores none."""
    stamp, rate = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, capture.get(cv2.CAP_PROP_FPS)
    return index / rate if index and stamp <= 0 and rate > 0 else max(stamp, 0.0)


def _warn_if_short(capture: cv2.VideoCapture, name: str, last: float) -> None:
    rate, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    announced = count / rate if rate > 0 else 0.0
    if last + SHORTFALL_SECONDS < announced:
        logger.warning(
            "%s: can be read to %.1f s of %.1f s; the rest is missing or damaged", name, last, announced
        )
