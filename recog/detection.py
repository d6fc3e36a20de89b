"""Image -> list of Face, by facenet-pytorch's MTCNN (its weights come inside its package)."""

from __future__ import annotations

import logging
import threading
from typing import Any

import cv2
import numpy as np
from facenet_pytorch import MTCNN
from numpy.typing import NDArray

from recog import device as devices
from recog.types import Face

logger = logging.getLogger(__name__)

SMALLEST_FACE_PX = 20  # MTCNN's own default: below it landmarks are noise
PADDING = 0.5  # of the longer side, around a close-up
BORDER = 0.1  # of the face: nearer to the border than this counts as a close-up


class Detector:
    """MTCNN (arXiv:1604.02878) behind an interface that always gives a list of Face."""

    thread_safe = True  # its networks keep no state from one photo to the next

    def __init__(self, device: str = "auto", *, max_side: int = 1280, min_confidence: float = 0.9) -> None:
        """
        Args:
            device: "auto", "cpu", "cuda" or "mps".
            max_side: larger photos are searched at this many pixels on the longer side.
            min_confidence: faces below it (0..1) are dropped.
        Raises: DeviceUnavailable: the device is not on this machine.
        """
        self.max_side = max_side
        self.min_confidence = min_confidence
        place = devices.resolve(device)
        self._mtcnn = MTCNN(keep_all=True, min_face_size=SMALLEST_FACE_PX, device=place).eval()
        self._lock = threading.Lock()

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """Faces of an image, largest first; an empty list when there are none.

        Args:
            image: (H, W, 3) uint8, RGB.
        Returns: boxes and landmarks in pixels of `image`; a box may reach past the border of a close-up.
        """
        if min(image.shape[:2]) < SMALLEST_FACE_PX:
            return []
        faces = self._detect_at_most(image, self.max_side)
        height, width = image.shape[:2]
        if not faces or any(_at_border(face, width, height) for face in faces):
            retried = self._detect_padded(image)
            faces = [_again(f, retried) if _at_border(f, width, height) else f for f in faces] or retried
        return sorted(faces, key=lambda face: face.area, reverse=True)

    def _detect_padded(self, image: NDArray[np.uint8]) -> list[Face]:
        """Second try for close-ups: MTCNN wants to see some background around a face.

        Without it, landmarks of a face that fills the photo are off by a tenth of its width (measured).
        """
        small, scale = _at_most(image, round(self.max_side / (1 + 2 * PADDING)))  # first: photos can be huge
        if min(small.shape[:2]) < SMALLEST_FACE_PX:
            return []
        pad = round(PADDING * max(small.shape[:2]))
        padded = cv2.copyMakeBorder(small, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=(127, 127, 127))
        faces = self._run(np.asarray(padded, dtype=np.uint8))
        return [_moved(face, 1 / scale, -pad / scale) for face in faces]

    def _detect_at_most(self, image: NDArray[np.uint8], side: int) -> list[Face]:
        small, scale = _at_most(image, side)
        if min(small.shape[:2]) < SMALLEST_FACE_PX:
            return []
        return [_moved(face, 1 / scale, 0.0) for face in self._run(small)]

    def _run(self, image: NDArray[np.uint8]) -> list[Face]:
        try:
            with devices.turn(self._lock):
                boxes, confidences, landmarks = self._mtcnn.detect(image, landmarks=True)
        except RuntimeError as error:
            if "non-empty list" not in str(error):  # how MTCNN says that its first stage found nothing usable
                raise
            return []
        if boxes is None:
            return []
        found = zip(boxes, confidences, landmarks, strict=True)
        return [face for face in (_face(*parts) for parts in found) if face.confidence >= self.min_confidence]


def _at_most(image: NDArray[np.uint8], side: int) -> tuple[NDArray[np.uint8], float]:
    """The image with its longer side no longer than `side` px, and by what it was scaled."""
    scale = side / max(image.shape[:2])
    if scale >= 1:
        return image, 1.0
    height, width = (max(1, round(length * scale)) for length in image.shape[:2])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8), scale


def _face(box: Any, confidence: Any, landmarks: Any) -> Face:
    x1, y1, x2, y2 = (float(value) for value in box)
    return Face((x1, y1, x2, y2), np.asarray(landmarks, dtype=np.float32), float(confidence))


def _at_border(face: Face, width: int, height: int) -> bool:
    """Whether the face fills the photo, or lies so close to the border that some of it may be missing."""
    x1, y1, x2, y2 = face.box
    near = BORDER * max(x2 - x1, y2 - y1)
    return min(x1, y1, width - x2, height - y2) < near


def _again(face: Face, retried: list[Face]) -> Face:
    """The same face in the second try, if it was found there."""
    x1, y1, x2, y2 = face.box
    inside = [f for f in retried if x1 < f.landmarks[2, 0] < x2 and y1 < f.landmarks[2, 1] < y2]
    return max(inside, key=lambda f: f.area, default=face)


def _moved(face: Face, scale: float, shift: float) -> Face:
    """The face in pixels of the original: coordinates * scale + shift."""
    x1, y1, x2, y2 = (value * scale + shift for value in face.box)
    return Face((x1, y1, x2, y2), (face.landmarks * scale + shift).astype(np.float32), face.confidence)
