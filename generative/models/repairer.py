"""A residual U-Net that repairs damaged faces (U-Net: arXiv:1505.04597), and the critic that teaches it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generative.models.face_prior import FacePrior
from generative.models.initial import SLOPE, keep_variance
from recog.errors import ConfigError

WIDTHS = (32, 64, 128, 144)
MAPPED = 64  # px, side of the face that maps of places are learned for; others stretch them
FOLD = 2  # the stem works on 2x2 px blocks: a quarter of the positions, four times the channels


FINE = 12  # channels of the last layer, at the full side
CRITIC_WIDTHS = (32, 64, 128)
UNSEEN = -4.0  # logit that a network starts with: hardly a pixel is covered


class Repaired(NamedTuple):
    """What a repairer says of faces."""

    images: Tensor  # (B, 3, S, S), all pixels predicted; the caller keeps the known ones
    covered: Tensor | None  # (B, 1, S, S) logits of what hides the face; None: it was not taught to find it
    damage: Tensor | None = None  # (B, K) logits of what the faces suffer from; None: it was not taught to


class Residual(nn.Module):
    """Two 3x3 convolutions around which the input is carried; starts as the identity.

    Channels are weighed by their means over the face (arXiv:1709.01507, without the bottleneck): what suits
    noise does not suit a sharp face, and a pixel's surroundings do not show which of them it belongs to.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.gate = nn.Conv2d(width, width, 1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        seen = F.leaky_relu(self.first(F.leaky_relu(x, SLOPE)), SLOPE)
        weights = 2 * torch.sigmoid(self.gate(seen.mean(dim=(2, 3), keepdim=True)))
        change: Tensor = self.second(seen * weights)
        return x + change


class Place(nn.Module):
    """Adds a learned map, so that convolutions know where in an aligned face they are; starts as nothing."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.map = nn.Parameter(torch.zeros(1, width, side, side))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] == self.map.shape[2:]:
            return x + self.map
        return x + F.interpolate(self.map, size=x.shape[2:], mode="bilinear", align_corners=False)


class UNet(nn.Module):
    """Damaged faces and the mask of missing pixels -> repaired faces, any side that `multiple` divides."""

    def __init__(
        self,
        widths: Sequence[int] = WIDTHS,
        finds_covers: bool = False,
        damages: Sequence[str] = (),
        prior: Sequence[int] = (),
    ) -> None:
        """
        Args:
            widths: channels at half, quarter, ... of the side.
            finds_covers: also say which pixels do not show the face, without being told.
            damages: names of which it says what a face suffers from; none: it does not.
            prior: side and components of the faces that missing pixels are first guessed from; none: they are
                grey at first.
        """
        super().__init__()
        self.damages = tuple(damages)
        self.multiple = FOLD * 2 ** (len(widths) - 1)  # px
        pairs = list(pairwise(widths))
        self.stem = nn.Conv2d(4 * FOLD**2, widths[0], 3, padding=1)
        self.places = nn.ModuleList(Place(w, MAPPED // (FOLD * 2**level)) for level, w in enumerate(widths))
        self.encode = nn.ModuleList(Residual(w) for w in widths[:-1])
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairs)
        self.middle = nn.Sequential(Residual(widths[-1]), Residual(widths[-1]))
        # 1x1 then pixel shuffle: on CPUs far cheaper than nearest upsampling or a transposed convolution
        self.grow = nn.ModuleList(nn.Sequential(nn.Conv2d(b, 4 * a, 1), nn.PixelShuffle(2)) for a, b in pairs)
        self.decode = nn.ModuleList(Residual(w) for w in widths[:-1])
        self.to_rgb = nn.Sequential(nn.Conv2d(widths[0], 3 * FOLD**2, 3, padding=1), nn.PixelShuffle(FOLD))
        # the coarse answer is of 2x2 px blocks, and shows them where it guesses
        self.fine = nn.Sequential(nn.Conv2d(widths[0], FINE * FOLD**2, 1), nn.PixelShuffle(FOLD))
        self.to_fine = nn.Conv2d(FINE + 1, 3, 3, padding=1)
        self.prior = FacePrior(*prior) if prior else None
        self.to_covered = nn.Conv2d(widths[0], FOLD**2, 3, padding=1) if finds_covers else None
        # of every level: grain shows in the finest, a mask in the coarsest
        self.to_damage = nn.Linear(sum(widths), len(self.damages)) if damages else None
        # torch's own initial weights: He's are 2.4 times as large, and with them 150 steps of 16 faces taught
        # to take noise of 25 levels away to 23 dB instead of 28 (measured)
        for block in (*self.encode, *self.middle, *self.decode):
            _nothing(block.second)
        _nothing(self.to_rgb[0])  # the first repair changes nothing
        _nothing(self.to_fine)
        if self.to_covered is not None:
            nn.init.normal_(self.to_covered.weight, std=0.01)
            nn.init.constant_(self.to_covered.get_parameter("bias"), UNSEEN)

    def forward(self, images: Tensor, missing: Tensor) -> Repaired:
        """Repair (B, 3, S, S) RGB in [-1, 1]; `missing` (B, 1, S, S) is 1 where a pixel is unknown.

        Raises: ConfigError: S is not a multiple of `multiple`.
        """
        if images.shape[-1] % self.multiple or images.shape[-2] % self.multiple:
            raise ConfigError(
                f"faces are {tuple(images.shape[-2:])} px; give sides that {self.multiple} divides."
            )
        known = self._guessed(images * (1 - missing), missing)
        x = self.stem(F.pixel_unshuffle(torch.cat([known, missing], dim=1), FOLD))  # (B, W0, S/2, S/2)
        carried = []
        for place, block, down in zip(self.places, self.encode, self.shrink, strict=False):
            x = block(place(x))
            carried.append(x)
            x = down(x)  # (B, Wi+1, S/2^i, S/2^i)
        x = self.middle(self.places[-1](x))
        suffered = None
        if self.to_damage is not None:
            levels = [level.float().mean(dim=(2, 3)) for level in (*carried, x)]
            suffered = self.to_damage(torch.cat(levels, dim=1))
        for block, up in zip(reversed(self.decode), reversed(self.grow), strict=True):
            x = block(up(x) + carried.pop())
        covered = None if self.to_covered is None else F.pixel_shuffle(self.to_covered(x), FOLD)
        fine = F.leaky_relu(self.fine(x), SLOPE)
        change = self.to_rgb(x) + self.to_fine(torch.cat([fine, missing], dim=1))
        return Repaired(known + change, covered, suffered)

    def _guessed(self, known: Tensor, missing: Tensor) -> Tensor:
        """Known pixels, and in place of the others what they make likely."""
        rows = missing.flatten(1).any(dim=1).nonzero().flatten()
        if self.prior is None or not len(rows):
            return known
        guess = self.prior(known[rows], missing[rows]).to(known.dtype)
        return known.index_add(0, rows, guess * missing[rows])


def _nothing(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class PatchCritic(nn.Module):
    """A face beside what it was repaired from -> how real each patch is (arXiv:1611.07004, section 3.2).

    No normalisation: its gradient is penalised instead.
    """

    def __init__(self, widths: Sequence[int] = CRITIC_WIDTHS) -> None:
        super().__init__()
        self.stem = nn.Conv2d(7, widths[0], 4, stride=2, padding=1)
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(widths))
        self.realness = nn.Conv2d(widths[-1], 1, 3, padding=1)
        keep_variance(self)

    def forward(self, images: Tensor, given: Tensor) -> Tensor:
        """(B, 3, S, S), and (B, 4, S, S) damaged and mask -> (B, P) logits, a patch each."""
        x = F.leaky_relu(self.stem(torch.cat([images, given], dim=1)), SLOPE)
        for block in self.shrink:
            x = F.leaky_relu(block(x), SLOPE)
        logits: Tensor = self.realness(x).float().flatten(1)
        return logits
