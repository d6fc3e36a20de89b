"""Named damages of known strength, for training and for measuring repair.

Every damage maps faces (B, 3, S, S) in [-1, 1] to damaged faces and the mask (B, 1, S, S) of missing
pixels (1 is missing; only holes have any). The same generator state gives the same damage.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as T

from recog.errors import ConfigError
from recog.pixels import from_uint8, to_uint8

Damaged = tuple[Tensor, Tensor]
Operation = Callable[[Tensor, float, torch.Generator], Damaged]


def hole(images: Tensor, side: float, rng: torch.Generator) -> Damaged:
    """Cut a square of `side` (share of S; 0.375 is 24 px of 64) at a random place, set to 0 (grey)."""
    batch, _, size, _ = images.shape
    width = max(1, round(side * size))
    corner = (torch.rand(batch, 2, 1, generator=rng) * (size - width + 1)).long().clamp(max=size - width)
    place = torch.arange(size)
    inside = (place >= corner) & (place < corner + width)  # (B, 2, S)
    missing = (inside[:, 0, :, None] & inside[:, 1, None, :])[:, None].to(images)
    return images * (1 - missing), missing


def noise(images: Tensor, sigma: float, rng: torch.Generator) -> Damaged:
    """Add Gaussian noise of standard deviation `sigma`, in 8-bit levels."""
    grain = torch.randn(images.shape, generator=rng).to(images)
    return (images + grain * (sigma / 127.5)).clamp(-1, 1), _nothing_missing(images)


def lowres(images: Tensor, factor: float, rng: torch.Generator) -> Damaged:
    """Shrink by `factor` (area average) and enlarge again (bicubic)."""
    del rng  # nothing random here
    size = images.shape[-1]
    small = F.interpolate(images, (max(1, round(size / factor)),) * 2, mode="area")
    large = F.interpolate(small, (size, size), mode="bicubic", align_corners=False)
    return large.clamp(-1, 1), _nothing_missing(images)


def blur(images: Tensor, sigma: float, rng: torch.Generator) -> Damaged:
    """Gaussian blur of standard deviation `sigma` px of a 64 px face (scaled to S)."""
    del rng
    size = images.shape[-1]
    scaled = sigma * size / 64
    kernel = min(2 * round(3 * scaled) + 1, 2 * (size // 2) - 1)
    return T.gaussian_blur(images, [kernel, kernel], [scaled, scaled]), _nothing_missing(images)


def jpeg(images: Tensor, quality: float, rng: torch.Generator) -> Damaged:
    """JPEG compression at `quality` 1..100."""
    del rng
    coded = np.stack([_through_jpeg(face, round(quality)) for face in to_uint8(images)])
    return from_uint8(coded, images.device), _nothing_missing(images)


@dataclass(frozen=True, slots=True)
class Damage:
    """A named damage and the strengths that training meets."""

    operation: Operation
    mildest: float
    strongest: float
    share: float  # of the training faces


NAMED: dict[str, Damage] = {
    "hole": Damage(hole, 0.15, 0.6, 0.30),
    "noise": Damage(noise, 5.0, 50.0, 0.20),
    "lowres": Damage(lowres, 2.0, 8.5, 0.30),
    "blur": Damage(blur, 0.6, 3.0, 0.10),
    "jpeg": Damage(jpeg, 8.0, 50.0, 0.10),
}


def apply(name: str, images: Tensor, strength: float, rng: torch.Generator) -> Damaged:
    """Damage faces (B, 3, S, S) in [-1, 1] by name; the unit of `strength` is the named function's.

    Raises: ConfigError: no damage of this name.
    """
    if name not in NAMED:
        raise ConfigError(f"damage is {name!r}; give one of {', '.join(NAMED)}.")
    with torch.autocast(images.device.type, enabled=False):  # bfloat16 would add a damage of its own
        return NAMED[name].operation(images.float(), strength, rng)


def mixed(images: Tensor, rng: torch.Generator) -> Damaged:
    """Give each face one damage of random strength; half of them a little noise on top."""
    damaged, missing = images.clone(), _nothing_missing(images)
    shares = torch.tensor([damage.share for damage in NAMED.values()])
    kinds = torch.multinomial(shares, len(images), replacement=True, generator=rng)
    for code, (name, damage) in enumerate(NAMED.items()):
        # two strengths a kind and batch: operations stay whole-tensor, yet every batch is varied
        for rows in torch.nonzero(kinds == code).flatten().chunk(2):
            if len(rows):
                strength = _between(damage.mildest, damage.strongest, rng)
                damaged[rows], missing[rows] = apply(name, images[rows], strength, rng)
    grain, _ = noise(damaged, _between(0, 8, rng), rng)
    grainy = (torch.rand(len(images), 1, 1, 1, generator=rng) < 0.5).to(images.device)
    return torch.where(grainy & (missing == 0), grain, damaged), missing


def _through_jpeg(face: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(face).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def _between(low: float, high: float, rng: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=rng))


def _nothing_missing(images: Tensor) -> Tensor:
    return images.new_zeros(len(images), 1, *images.shape[2:])
