"""Bringing what was done to an aligned crop back into the photo that it was cut from."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.alignment import similarity, template

CROP = 112  # px, side of the crops cut from photos
FACE = ((0.5, 0.52), (0.47, 0.56))  # centre and half axes of the face on a crop, as shares of its side
FEATHER = 0.12  # of those axes, in which a replaced face fades into the photo

Landmarks = NDArray[np.floating]  # (5, 2) px of the photo


def add_change(
    image: NDArray[np.uint8], landmarks: Landmarks, change: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Add a change (S, S, 3), in levels, of the aligned crop to the photo (H, W, 3); it fades out at the rim.

    The change is warped and not the crop: what was left alone keeps the photo's own resolution.
    """
    faded = _warped(change * rim(len(change))[..., None], image, landmarks)
    changed: NDArray[np.uint8] = np.clip(np.rint(image + faded), 0, 255).astype(np.uint8)
    return changed


def replace_face(
    image: NDArray[np.uint8], landmarks: Landmarks, crop: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Put the face of a crop (S, S, 3) where the photo (H, W, 3) has one.

    Nothing of that one is left inside; in the rim, a fifth of the oval, the two are blended half and half on
    average; around it, where there are hair, ears and neck, the photo stays as it is.
    """
    weights = _warped(oval(len(crop)), image, landmarks)[..., None]
    face = _warped(crop.astype(np.float32), image, landmarks)
    replaced: NDArray[np.uint8] = np.clip(np.rint(image + weights * (face - image)), 0, 255).astype(np.uint8)
    return replaced


def replace_where(
    image: NDArray[np.uint8], landmarks: Landmarks, crop: NDArray[np.uint8], weights: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Put pixels of a crop (S, S, 3) where a photo (H, W, 3) has `weights` (H, W) of 0..1 and shows the crop.

    Nothing of the photo is left where the weight is 1, not even detail that is finer than the crop.
    """
    inside = (_warped(np.ones((len(crop), len(crop)), np.float32), image, landmarks) > 0) * weights
    face = _warped(crop.astype(np.float32), image, landmarks, cv2.BORDER_REPLICATE)
    filled = image + inside[..., None] * (face - image)
    replaced: NDArray[np.uint8] = np.clip(np.rint(filled), 0, 255).astype(np.uint8)
    return replaced


def on_photo(
    weights: NDArray[np.floating], image: NDArray[np.uint8], landmarks: Landmarks
) -> NDArray[np.float32]:
    """Weights (S, S) of a crop, as they lie on the photo: (H, W)."""
    return _warped(weights.astype(np.float32), image, landmarks)


def rim(size: int) -> NDArray[np.float32]:
    """(S, S) weights: 1 inside, falling to 0 at the border so that no seam shows."""
    ramp = np.minimum(np.arange(size), np.arange(size)[::-1]) / (size / 8)
    edge = np.clip(ramp, 0, 1).astype(np.float32)
    weights: NDArray[np.float32] = np.minimum.outer(edge, edge)
    return weights


def oval(size: int) -> NDArray[np.float32]:
    """(S, S) weights: 1 on the face, 0 outside, falling in between."""
    (x, y), (width, height) = FACE
    places = (np.arange(size) + 0.5) / size
    radius = np.hypot((places[None] - x) / width, (places[:, None] - y) / height)
    inside: NDArray[np.float32] = np.clip((1 - radius) / FEATHER, 0, 1).astype(np.float32)
    return np.minimum(inside, rim(size) * 8).clip(0, 1).astype(np.float32)


def _warped(
    crop: NDArray[np.float32],
    image: NDArray[np.uint8],
    landmarks: Landmarks,
    border: int = cv2.BORDER_CONSTANT,
) -> NDArray[np.float32]:
    """A crop where it came from, zeros (or as `border` says) around it: (H, W) or (H, W, 3)."""
    back = cv2.invertAffineTransform(similarity(landmarks, template(len(crop))))
    size = (image.shape[1], image.shape[0])
    return np.asarray(cv2.warpAffine(crop, back, size, flags=cv2.INTER_LINEAR, borderMode=border), np.float32)
