"""How much a face can be trusted to be recognised: one 0..1 score, and the parts it is made of.

Terms follow ISO/IEC 29794-5: a quality component answers one question about the capture (is it large enough,
sharp, frontal, well lit), and the unified score is one number for accepting or refusing it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.alignment import TEMPLATE_SIZE
from recog.types import Face

GOOD_EYE_DISTANCE_PX = 35.0  # as on the 112 px template: more pixels are averaged away by alignment
GOOD_SHARPNESS = 100.0  # variance of the Laplacian of a well-focused 112 px crop, grey levels squared
TEMPLATE_PITCH = 0.494  # how far the nose is from the eyes towards the mouth, on the template
GOOD_CONTRAST = 25.0  # standard deviation of a well-lit face, grey levels
# Cosine between the embeddings of a face and its mirror image where the model's card does not say: of the
# worst 1 %, and of the median (measured on CelebA's tuning people with a MobileFaceNet).
USUAL_MIRROR = (0.87, 0.96)
FLOOR = 0.05  # of each part: a part that says 0 must not make all other parts worthless
# Shares in the score. The mirror cosine alone tells most (on CelebA's tuning people: rank correlation with
# the similarity to other photos of the same person 0.50, sharpness 0.11, illumination 0.04).
WEIGHTS = {
    "size": 0.1,
    "sharpness": 0.1,
    "pose": 0.1,
    "illumination": 0.1,
    "confidence": 0.1,
    "embedding": 0.5,
}
POOR = 0.35  # below it `enroll` warns


@dataclass(frozen=True, slots=True)
class Quality:
    """The parts, each 0..1, higher is better."""

    size: float  # distance of the eyes, in px of the photo
    sharpness: float  # focus
    pose: float  # 1 is frontal, 0 a profile
    illumination: float  # neither dark, nor burnt out, nor lit from one side
    confidence: float  # of the detector
    embedding: float | None = None  # how alike the embedder finds the face and its mirror image

    @property
    def score(self) -> float:
        """Weighted geometric mean of the parts that are known, 0..1, so that one bad part shows."""
        known = self._known()
        logs = [WEIGHTS[name] * math.log(max(value, FLOOR)) for name, value in known.items()]
        return math.exp(sum(logs) / sum(WEIGHTS[name] for name in known))

    def parts(self) -> dict[str, float]:
        """The parts that are known, rounded."""
        return {name: round(value, 4) for name, value in self._known().items()}

    @property
    def weakest(self) -> tuple[str, float]:
        """The part to mend first, and its value."""
        known = self._known()
        name = min(known, key=lambda name: known[name])
        return name, known[name]

    def _known(self) -> dict[str, float]:
        return {name: float(value) for name, value in asdict(self).items() if value is not None}


def of_face(
    face: Face,
    crop: NDArray[np.uint8],
    mirrored: float | None = None,
    usual: tuple[float, float] | None = None,
) -> Quality:
    """The quality of one face.

    Args:
        face: in px of the photo.
        crop: (S, S, 3) uint8, RGB, the aligned face.
        mirrored: cosine between the embeddings of the crop and of its mirror image; None: not embedded.
        usual: that cosine for the model's worst 1 % and median face; default `USUAL_MIRROR`.
    """
    return Quality(
        size=size(face),
        sharpness=sharpness(crop),
        pose=pose(face.landmarks),
        illumination=illumination(crop),
        confidence=min(max(face.confidence, 0.0), 1.0),
        embedding=None if mirrored is None else steadiness(mirrored, usual or USUAL_MIRROR),
    )


def steadiness(mirrored: float, usual: tuple[float, float]) -> float:
    """How usual the cosine between a face and its mirror image is: 0.1 at the worst 1 %, 1 at the median."""
    worst, median = usual
    return float(np.clip(0.1 + 0.9 * (mirrored - worst) / max(median - worst, 1e-6), 0.0, 1.0))


def size(face: Face) -> float:
    """Distance of the eyes over what the template needs, 0..1."""
    distance = float(np.linalg.norm(face.landmarks[1] - face.landmarks[0]))
    return min(1.0, distance / GOOD_EYE_DISTANCE_PX)


def sharpness(crop: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al., ICPR 2000) over that of a focused crop, 0..1."""
    if crop.shape[0] != TEMPLATE_SIZE:  # the reference is for one size
        crop = np.asarray(cv2.resize(crop, (TEMPLATE_SIZE, TEMPLATE_SIZE)), np.uint8)
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    return min(1.0, float(cv2.Laplacian(grey, cv2.CV_64F).var()) / GOOD_SHARPNESS)


def pose(landmarks: NDArray[np.float32]) -> float:
    """Frontality: how far the nose is from where a frontal face has it, across and along; 0..1.

    Measured in the frame of eyes and mouth, so that a head tilted in the image plane stays frontal.
    """
    left, right, nose, *mouth = (point.astype(np.float64) for point in landmarks)
    across = _along(nose, left, right)  # 0 at the left eye, 1 at the right
    down = _along(nose, (left + right) / 2, (mouth[0] + mouth[1]) / 2)  # 0 at the eyes, 1 at the mouth
    if across is None or down is None:
        return 0.0
    yaw = max(0.0, 1 - 2 * abs(across - 0.5))
    pitch = max(0.0, 1 - 2 * abs(down - TEMPLATE_PITCH))
    return yaw * pitch


def illumination(crop: NDArray[np.uint8]) -> float:
    """Exposure times contrast times evenness of the middle of the face, 0..1."""
    side = crop.shape[0]
    middle = np.ascontiguousarray(crop[side // 4 :, side // 5 : side - side // 5])
    grey = cv2.cvtColor(middle, cv2.COLOR_RGB2GRAY).astype(np.float64)
    exposure = 1 - max(0.0, abs(grey.mean() - 127.5) - 62.5) / 65  # full from 65 to 190
    contrast = min(1.0, grey.std() / GOOD_CONTRAST)
    halves = np.array_split(grey, 2, axis=1)
    dark, light = sorted(float(half.mean()) for half in halves)
    evenness = min(1.0, 1.5 * (dark + 1) / (light + 1))  # one half may be a third darker
    return float(max(0.0, exposure) * contrast * evenness)


def _along(point: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]) -> float | None:
    """Where a point projects on a line: 0 at its start, 1 at its end; None if the line has no length."""
    line = end - start
    length_squared = float(line @ line)
    return float((point - start) @ line) / length_squared if length_squared > 0 else None
