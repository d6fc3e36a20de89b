"""A small network that reads attributes and age off a face."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

FOLD = 2  # the stem works on 2x2 px blocks: nothing as small as the rim of glasses is averaged away
WIDTHS = (32, 48, 64, 96)  # channels at half, quarter, ... of the side


class Block(nn.Module):
    """Two normalised 3x3 convolutions around which the input is carried."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.normalise_first, self.normalise_second = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        nn.init.zeros_(self.normalise_second.weight)  # begins as the identity

    def forward(self, x: Tensor) -> Tensor:
        change = self.normalise_second(self.second(F.relu(self.normalise_first(self.first(x)))))
        return F.relu(x + change)


class Reader(nn.Module):
    """Faces -> logits of attributes and of the knots of age."""

    def __init__(self, attribute_size: int, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3 * FOLD**2, widths[0], 3, padding=1, bias=False)
        self.blocks = nn.ModuleList(Block(width) for width in widths)
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths))
        self.answer = nn.Linear(widths[-1], attribute_size)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) RGB in [-1, 1], an even S -> (B, V)."""
        x = F.relu(self.stem(F.pixel_unshuffle(images, FOLD)))
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index < len(self.shrink):
                x = F.relu(self.shrink[index](x))
        answers: Tensor = self.answer(x.mean(dim=(2, 3)))
        return answers
