"""A residual U-Net that repairs damaged faces (U-Net: arXiv:1505.04597)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generative.models.initial import SLOPE, keep_variance
from recog.errors import ConfigError

WIDTHS = (32, 64, 128, 160)
FOLD = 2  # the stem works on 2x2 px blocks: a quarter of the positions, four times the channels


class Residual(nn.Module):
    """Two 3x3 convolutions around which the input is carried; starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.second(F.leaky_relu(self.first(F.leaky_relu(x, SLOPE)), SLOPE))
        return x + change


class UNet(nn.Module):
    """Damaged faces and the mask of missing pixels -> repaired faces, any side that `multiple` divides."""

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.multiple = FOLD * 2 ** (len(widths) - 1)  # px
        pairs = list(pairwise(widths))
        self.stem = nn.Conv2d(4 * FOLD**2, widths[0], 3, padding=1)
        self.encode = nn.ModuleList(Residual(w) for w in widths[:-1])
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairs)
        self.middle = nn.Sequential(Residual(widths[-1]), Residual(widths[-1]))
        # 1x1 then pixel shuffle: on CPUs far cheaper than nearest upsampling or a transposed convolution
        self.grow = nn.ModuleList(nn.Sequential(nn.Conv2d(b, 4 * a, 1), nn.PixelShuffle(2)) for a, b in pairs)
        self.decode = nn.ModuleList(Residual(w) for w in widths[:-1])
        self.to_rgb = nn.Sequential(nn.Conv2d(widths[0], 3 * FOLD**2, 3, padding=1), nn.PixelShuffle(FOLD))
        keep_variance(self)
        for block in (*self.encode, *self.middle, *self.decode):
            nn.init.zeros_(block.second.weight)
        # the first repair is close to doing nothing
        nn.init.normal_(self.to_rgb.get_parameter("0.weight"), std=0.01)

    def forward(self, images: Tensor, missing: Tensor) -> Tensor:
        """Repair (B, 3, S, S) RGB in [-1, 1]; `missing` (B, 1, S, S) is 1 where a pixel is unknown.

        Returns: (B, 3, S, S), all pixels predicted; the caller keeps the known ones.
        Raises: ConfigError: S is not a multiple of `multiple`.
        """
        if images.shape[-1] % self.multiple or images.shape[-2] % self.multiple:
            raise ConfigError(
                f"faces are {tuple(images.shape[-2:])} px; give sides that {self.multiple} divides."
            )
        known = images * (1 - missing)
        x = self.stem(F.pixel_unshuffle(torch.cat([known, missing], dim=1), FOLD))  # (B, W0, S/2, S/2)
        carried = []
        for block, down in zip(self.encode, self.shrink, strict=True):
            x = block(x)
            carried.append(x)
            x = down(x)  # (B, Wi+1, S/2^i, S/2^i)
        x = self.middle(x)
        for block, up in zip(reversed(self.decode), reversed(self.grow), strict=True):
            x = block(up(x) + carried.pop())
        change: Tensor = self.to_rgb(x)
        return known + change
