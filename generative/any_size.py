"""A repairer's network, run on crops of any number and side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from generative.models.repairer import UNet
from recog.device import autocast
from recog.pixels import from_uint8, to_uint8

BATCH = 32  # faces a forward pass


class Said(NamedTuple):
    """What a network says of crops."""

    images: NDArray[np.uint8]  # (B, S, S, 3)
    covered: NDArray[np.bool_]  # (B, S, S)
    suffered: NDArray[np.int64]  # (B,) codes of `UNet.damages`; 0 where it does not tell


class AnySize:
    """Runs a U-Net at the nearest side that it learned from."""

    def __init__(self, network: UNet, device: torch.device, sizes: Sequence[int] = ()) -> None:
        """`sizes`: sides, px, that it learned from; none: it is run at any."""
        self.network = network.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
        self.device, self.sizes = device, tuple(sizes)

    def __call__(self, images: NDArray[np.uint8], missing: NDArray[np.bool_] | None = None) -> Said:
        """What the network says of crops (B, S, S, 3), of which `missing` (B, S, S) are not to be seen."""
        holes = np.zeros(images.shape[:3], bool) if missing is None else missing
        side = images.shape[1]
        known = self.sizes if images.shape[2] == side else ()
        nearest = min(known, key=lambda size: abs(math.log(size / side)), default=side)
        parts = [
            self._run(images[rows], holes[rows])
            if nearest == side
            else self._at(nearest, images[rows], holes[rows])
            for rows in _batches(len(images))
        ]
        nobody = Said(images[:0].copy(), holes[:0], np.zeros(0, np.int64))
        return Said(*(np.concatenate(one) for one in zip(nobody, *parts, strict=True)))

    def _at(self, size: int, images: NDArray[np.uint8], holes: NDArray[np.bool_]) -> Said:
        """Repaired at another side; what that changes is brought back: detail that it did not see stays."""
        side = images.shape[1]
        small = _resized(images, size)
        hidden = _resized(holes.astype(np.float32), size) > 0
        said = self._run(small, hidden)
        change = _resized(said.images.astype(np.float32) - small, side)
        filled = np.where(holes[..., None], _resized(said.images.astype(np.float32), side), images + change)
        covered = _resized(said.covered.astype(np.float32), side) > 0.5
        return Said(np.clip(np.rint(filled), 0, 255).astype(np.uint8), covered, said.suffered)

    @torch.inference_mode()
    def _run(self, images: NDArray[np.uint8], missing: NDArray[np.bool_]) -> Said:
        faces = from_uint8(images, self.device)
        holes = torch.from_numpy(np.array(missing)).to(self.device)[:, None].float()
        height, width = faces.shape[2:]
        with autocast(self.device):
            repaired, covered, damage = self.network(self._padded(faces), self._padded(holes))
        seen = np.zeros(missing.shape, bool)
        if covered is not None:
            seen = (covered[:, 0, :height, :width] > 0).cpu().numpy()
        suffered = np.zeros(len(images), np.int64)
        if damage is not None:
            suffered = damage.argmax(dim=1).cpu().numpy()
        return Said(to_uint8(repaired[:, :, :height, :width]), seen, suffered)

    def _padded(self, x: Tensor) -> Tensor:
        """Repeat the last row and column until the sides are what the network divides."""
        bottom, right = (-side % self.network.multiple for side in x.shape[2:])
        return F.pad(x, (0, right, 0, bottom), mode="replicate") if bottom or right else x


def _resized(planes: NDArray[Any], side: int) -> NDArray[Any]:
    """(B, S, S) or (B, S, S, 3) at another side: averaged where it shrinks, bilinear where it grows."""
    how = cv2.INTER_AREA if side < planes.shape[1] else cv2.INTER_LINEAR
    return np.stack([cv2.resize(plane, (side, side), interpolation=how) for plane in planes])


def _batches(count: int) -> Iterator[slice]:
    return (slice(at, at + BATCH) for at in range(0, count, BATCH))
