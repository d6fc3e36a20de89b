"""Image and five landmarks -> a crop on the ArcFace template, by a similarity transform."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from recog.errors import ConfigError, FaceError
from recog.types import Face

# Where a 112 px crop has its left eye, right eye, nose, left and right corner of the mouth, as (x, y) in px
# (InsightFace's arcface_src; arXiv:1801.07698).
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
TEMPLATE_SIZE = 112


def similarity(source: ArrayLike, target: ArrayLike) -> NDArray[np.float64]:
    """The rotation, scale and shift that bring `source` closest to `target` in the least-squares sense.

    In the plane Umeyama's solution (PAMI 13(4), 1991) without reflection is linear regression over complex
    numbers: target = a * source + b.

    Args:
        source, target: (N, 2) points, N >= 2.
    Returns: (2, 3) affine matrix for column vectors (x, y, 1).
    Raises: FaceError: the points are not finite, or coincide.
    """
    z, w = (_complex(points) for points in (source, target))
    centred = z - z.mean()
    spread = np.vdot(centred, centred).real
    if not np.isfinite([*z, *w]).all() or spread < 1e-9:
        raise FaceError(
            "The landmarks coincide or are not finite: the face cannot be aligned. Use another photo."
        )
    a = np.vdot(centred, w - w.mean()) / spread
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def template(size: int = TEMPLATE_SIZE) -> NDArray[np.float64]:
    """(5, 2) landmarks of a crop of this side, in px (pixel centres are whole numbers: -0.5 stays fixed)."""
    return (TEMPLATE + 0.5) * (size / TEMPLATE_SIZE) - 0.5


def align(image: NDArray[np.uint8], landmarks: ArrayLike, size: int = TEMPLATE_SIZE) -> NDArray[np.uint8]:
    """Cut a face out so that its landmarks lie on the template.

    Args:
        image: (H, W, 3) uint8, RGB.
        landmarks: (5, 2) in px of `image`: left eye, right eye, nose, left and right mouth corner, as seen.
        size: side of the crop in px.
    Returns: (size, size, 3) uint8, RGB; black where the crop reaches past the image.
    Raises: FaceError: the landmarks coincide; ConfigError: size < 1.
    """
    if size < 1:
        raise ConfigError(f"size is {size}; give the side of the crop in px, 112 for the usual template.")
    points = np.asarray(landmarks, dtype=np.float64)
    target = template(size)
    matrix = similarity(points, target)
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    image, points = _shrunk(image, points, scale)
    matrix = similarity(points, target)
    border = cv2.BORDER_CONSTANT if _reaches_past(image, matrix, size) else cv2.BORDER_REPLICATE
    crop = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border)
    return np.asarray(crop, dtype=np.uint8)


def _reaches_past(image: NDArray[np.uint8], matrix: NDArray[np.float64], size: int) -> bool:
    """Whether the crop shows what is not on the image: half a pixel around the outermost ones still is."""
    back = cv2.invertAffineTransform(matrix)
    corners = np.array([(x, y) for x in (0, size - 1) for y in (0, size - 1)]) @ back[:, :2].T + back[:, 2]
    height, width = image.shape[:2]
    ends = np.array([width, height]) - 0.5
    slack = 1e-3  # px; landmarks come in single precision
    return bool((corners < -0.5 - slack).any() or (corners > ends + slack).any())


def _shrunk(
    image: NDArray[np.uint8], points: NDArray[np.float64], scale: float
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Average over whole pixels first when the face is much larger than the crop: bilinear would alias."""
    factor = int(1 / scale) if scale > 0 else 1
    if factor < 2:
        return image, points
    height, width = (max(1, length // factor) for length in image.shape[:2])
    trimmed = image[: height * factor, : width * factor]
    small = cv2.resize(trimmed, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8), (points + 0.5) / factor - 0.5


def _complex(points: ArrayLike) -> NDArray[np.complex128]:
    xy = np.asarray(points, dtype=np.float64)
    return np.asarray(xy[:, 0] + 1j * xy[:, 1], dtype=np.complex128)


class AlignedCrops:
    """Stands in for a detector where every photo is an aligned crop already: one face, filling the image."""

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """The face of a crop, with its landmarks where the template has them.

        Args:
            image: (S, S, 3) uint8, RGB.
        Raises: FaceError: the crop is not square.
        """
        height, width = image.shape[:2]
        if height != width:
            raise FaceError(f"An aligned crop must be square, and this one is {width}x{height} px.")
        return [Face((0.0, 0.0, float(width), float(height)), template(width).astype(np.float32), 1.0)]


def square(crop: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A square crop (S, S, 3) at another side: averaged where it shrinks, cubic where it grows."""
    if len(crop) == side:
        return crop
    how = cv2.INTER_AREA if len(crop) > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(crop, (side, side), interpolation=how), np.uint8)
