"""How much a face can be trusted to be recognised: a first, simple 0..1 score."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.types import Face

GOOD_EYE_DISTANCE_PX = 35.0  # as on the 112 px template: more pixels are averaged away by alignment
GOOD_SHARPNESS = 100.0  # variance of the Laplacian of a well-focused 112 px crop, grey levels squared


def score(face: Face, crop: NDArray[np.uint8]) -> float:
    """Geometric mean of size, sharpness, detection confidence and frontality, so that one bad part shows.

    Args:
        face: in px of the photo.
        crop: (S, S, 3) uint8, RGB, the aligned face.
    Returns: 0..1, higher is better.
    """
    parts = (size(face), sharpness(crop), min(max(face.confidence, 0.0), 1.0), frontality(face.landmarks))
    return float(np.prod(parts) ** (1 / len(parts)))


def size(face: Face) -> float:
    """Distance of the eyes over what the template needs, 0..1."""
    distance = float(np.linalg.norm(face.landmarks[1] - face.landmarks[0]))
    return min(1.0, distance / GOOD_EYE_DISTANCE_PX)


def sharpness(crop: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al., ICPR 2000) over that of a focused crop, 0..1."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    return min(1.0, float(cv2.Laplacian(grey, cv2.CV_64F).var()) / GOOD_SHARPNESS)


def frontality(landmarks: NDArray[np.float32]) -> float:
    """1 when the nose lies midway between the eyes, 0 when it has reached one of them (a profile).

    Measured along the line of the eyes, so that a head tilted in the image plane stays frontal.
    """
    left, right, nose = (landmarks[i].astype(np.float64) for i in range(3))
    line = right - left
    length_squared = float(line @ line)
    if length_squared == 0:
        return 0.0
    along = float((nose - left) @ line) / length_squared  # 0 at the left eye, 1 at the right
    return max(0.0, 1 - 2 * abs(along - 0.5))
