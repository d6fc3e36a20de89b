"""Photos made larger before they are repaired, and holes closed from around them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.errors import DataError
from recog.images import MAX_PIXELS

RADIUS = 3  # px around a missing one


def inpainted(
    image: NDArray[np.uint8], missing: NDArray[np.bool_], method: int = cv2.INPAINT_TELEA
) -> NDArray[np.uint8]:
    """A picture (H, W, 3) with what is `missing` (H, W) taken from around it, by one of OpenCV's methods."""
    filled = cv2.inpaint(image, missing.astype(np.uint8), RADIUS, method)
    return np.asarray(filled, np.uint8)


def enlarged(
    image: NDArray[np.uint8], scale: int, missing: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """A photo (H, W, 3) `scale` times as large, by bicubic interpolation: repair adds what that lacks.

    Args:
        missing: (H, W); these pixels are filled from around them first, or their rims would bleed.
    Raises: DataError: it would be larger than any photo that is read, or the mask is of another size.
    """
    height, width = (scale * side for side in image.shape[:2])
    if height * width > MAX_PIXELS:
        raise DataError(f"would have {height * width:,} pixels, more than {MAX_PIXELS:,}. Lower --scale.")
    if missing is not None and missing.shape != image.shape[:2]:
        raise DataError(f"The mask is {missing.shape}, the photo {image.shape[:2]}: give them the same size.")
    if scale == 1:
        return image
    if missing is not None and missing.any():
        image = inpainted(image, missing)
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def scaled_mask(mask: NDArray[np.bool_], scale: int) -> NDArray[np.bool_]:
    """The mask (H, W) of a photo, for the photo `scale` times as large."""
    return mask.repeat(scale, axis=0).repeat(scale, axis=1)
