"""Painted faces in front of a camera."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recog.types import Face
from tests.conftest import BACKGROUND, FACE, PatchDetector, paint

RATE = 10  # frames a second of the films
WIDTH = 5 * FACE
Image = NDArray[np.uint8]
Film = Callable[..., Path]


class CompressedPatchDetector(PatchDetector):
    """The painted faces of frames whose colours a codec has bent a little: what is not blue is face."""

    def detect(self, image: Image) -> list[Face]:
        blue = image[..., 2:] > 128
        return super().detect(np.where(blue, np.array(BACKGROUND, np.uint8), np.uint8(0)))


class FakeCamera:
    """Stands in for cv2.VideoCapture: a list of frames, then whatever `ending` does."""

    def __init__(self, frames: list[Image], ending: Callable[[], bool] = lambda: False) -> None:
        self.frames, self.ending = frames, ending
        self.number, self.released = -1, False

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def set(self, _property: int, _value: float) -> bool:
        return False

    def get(self, _property: int) -> float:
        return 0.0

    def grab(self) -> bool:
        self.number += 1
        return self.number < len(self.frames) or self.ending()

    def retrieve(self) -> tuple[bool, Image]:
        return True, np.ascontiguousarray(self.frames[self.number][..., ::-1])

    def release(self) -> None:
        self.released = True


def faces_at(**places: float) -> Image:
    """One frame: `at2=30` paints a face of 30 degrees into the third tile."""
    frame = paint(width=WIDTH)
    for place, degrees in places.items():
        x = int(place.removeprefix("at")) * FACE
        frame[:, x : x + FACE] = paint(degrees)
    return frame


def scene() -> list[Image]:
    """3 s: ada (0 degrees) until 1.5 s; someone of 80 degrees elsewhere from 1 s; nobody in the last half."""
    both = faces_at(at0=0, at3=80)
    return [faces_at(at0=0)] * 10 + [both] * 5 + [faces_at(at3=80)] * 10 + [faces_at()] * 5


def interrupt() -> bool:
    raise KeyboardInterrupt
