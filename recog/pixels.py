"""Pixels as files hold them, levels 0..255, and as networks see them, -1..1."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor


def scaled(levels: Tensor) -> Tensor:
    """Levels 0..255, of any shape and type -> float32 in [-1, 1], laid out alike."""
    return levels.float() / 127.5 - 1


def from_uint8(images: NDArray[np.uint8], device: torch.device | str = "cpu") -> Tensor:
    """(B, H, W, 3) uint8 RGB -> (B, 3, H, W) float32 in [-1, 1], channels_last."""
    return scaled(torch.from_numpy(np.array(images)).to(device).permute(0, 3, 1, 2))


def resized(images: Tensor, side: int) -> Tensor:
    """Square images (B, C, S, S) at (B, C, side, side): bilinear, antialiased; as they are where they fit."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, (side, side), mode="bilinear", antialias=True, align_corners=False)


def to_uint8(images: Tensor) -> NDArray[np.uint8]:
    """(B, 3, H, W) in [-1, 1] -> (B, H, W, 3) uint8 RGB, the nearest level; values beyond are clipped."""
    levels = ((images.detach().float().clamp(-1, 1) + 1) * 127.5).round().byte()
    array: NDArray[np.uint8] = levels.permute(0, 2, 3, 1).cpu().numpy()
    return array
