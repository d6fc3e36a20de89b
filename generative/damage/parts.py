"""What every damage is: a function of faces, a strength and a source of randomness."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Damaged(NamedTuple):
    """Faces that were damaged, and where they are covered."""

    images: Tensor  # (B, 3, S, S) in [-1, 1]
    covered: Tensor  # (B, 1, S, S), 1 where nothing of the face is left to see


Operation = Callable[[Tensor, float, torch.Generator], Damaged]


def seen(images: Tensor) -> Damaged:
    """Damaged, but nothing of it covered."""
    return Damaged(images, images.new_zeros(len(images), 1, *images.shape[2:]))


def between(low: float, high: float, rng: torch.Generator) -> float:
    """A number drawn evenly."""
    return low + (high - low) * float(torch.rand((), generator=rng))
