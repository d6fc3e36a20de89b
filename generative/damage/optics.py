"""What cameras, distance and storage do to a face: nothing is covered, everything is worse."""

from __future__ import annotations

import io
import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as T

from generative.damage.parts import Damaged, seen
from recog.pixels import from_uint8, to_uint8
from recog.training.augment import line_kernel

SIDE = 64  # px of the face that lengths in px are of; other sides scale them


def noise(images: Tensor, sigma: float, rng: torch.Generator) -> Damaged:
    """Add Gaussian noise of standard deviation `sigma`, in 8-bit levels."""
    grain = torch.randn(images.shape, generator=rng).to(images)
    return seen((images + grain * (sigma / 127.5)).clamp(-1, 1))


def lowres(images: Tensor, factor: float, rng: torch.Generator) -> Damaged:
    """Shrink by `factor` (area average) and enlarge again (bicubic)."""
    del rng  # nothing random here
    size = images.shape[-1]
    small = F.interpolate(images, (max(1, round(size / factor)),) * 2, mode="area")
    return seen(F.interpolate(small, (size, size), mode="bicubic", align_corners=False).clamp(-1, 1))


def blur(images: Tensor, sigma: float, rng: torch.Generator) -> Damaged:
    """Gaussian blur of standard deviation `sigma` px of a 64 px face."""
    del rng
    size = images.shape[-1]
    scaled = sigma * size / SIDE
    kernel = min(2 * round(3 * scaled) + 1, 2 * (size // 2) - 1)
    return seen(T.gaussian_blur(images, [kernel, kernel], [scaled, scaled]))


def defocus(images: Tensor, radius: float, rng: torch.Generator) -> Damaged:
    """Out of focus: the mean over a disc of `radius` px of a 64 px face."""
    del rng
    scaled = radius * images.shape[-1] / SIDE
    reach = math.ceil(scaled)
    place = torch.arange(-reach, reach + 1).float()
    # pixels that the rim cuts count as far as they are inside
    disc = (scaled + 0.5 - torch.hypot(place[:, None], place[None])).clamp(0, 1)
    return seen(_smeared(images, (disc / disc.sum())[None].expand(len(images), -1, -1)))


def motion(images: Tensor, length: float, rng: torch.Generator) -> Damaged:
    """Smear along a line of `length` px of a 64 px face, in a random direction each."""
    reach = max(1, round(length * images.shape[-1] / SIDE / 2))
    angles = (torch.rand(len(images), generator=rng) * math.pi).tolist()
    return seen(_smeared(images, torch.stack([line_kernel(reach, angle) for angle in angles])))


def jpeg(images: Tensor, quality: float, rng: torch.Generator) -> Damaged:
    """JPEG compression at `quality` 1..100."""
    del rng
    coded = np.stack([_through_jpeg(face, round(quality)) for face in to_uint8(images)])
    return seen(from_uint8(coded, images.device))


def _smeared(images: Tensor, kernels: Tensor) -> Tensor:
    """Each face through its kernel (B, K, K), K odd; beyond the border the nearest pixel stands in."""
    batch, channels, *_ = images.shape
    reach = kernels.shape[-1] // 2
    planes = F.pad(images, [reach] * 4, mode="replicate").transpose(0, 1)  # (3, B, S+2r, S+2r)
    smeared = F.conv2d(planes, kernels[:, None].to(images), groups=batch)
    return smeared.transpose(0, 1).reshape(batch, channels, *images.shape[2:])


def _through_jpeg(face: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(face).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))
