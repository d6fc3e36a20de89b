"""Differentiable augmentation of what the discriminator sees, real and fake alike (arXiv:2006.10738).

Written from the paper's description: colour (brightness, saturation, contrast), translation by up to an
eighth of the side, and a cut-out of half the side, each random per face. Gradients pass through all.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SHIFT = 1 / 8  # of the side, at most
CUT = 1 / 2  # of the side
POLICY = ("colour", "translation", "cutout")


def diff_augment(images: Tensor, rng: torch.Generator, policy: Sequence[str] = POLICY) -> Tensor:
    """Augment faces (B, 3, S, S); same shape, differentiable in the images.

    Args:
        policy: some of POLICY. All of it keeps a long run on few faces from memorising; in a short run,
            which sees each face a few times only, it mostly hides from the discriminator what is wrong.
    """
    steps = {"colour": recoloured, "translation": translated, "cutout": cut_out}
    for name in policy:
        images = steps[name](images, rng)
    return images


def recoloured(images: Tensor, rng: torch.Generator) -> Tensor:
    """Brightness +-0.5 (of 2), saturation x 0..2, contrast x 0.5..1.5."""
    brightness, saturation, contrast = torch.rand(3, len(images), 1, 1, 1, generator=rng).to(images.device)
    images = images + (brightness - 0.5)
    grey = images.mean(dim=1, keepdim=True)
    images = grey + (images - grey) * (2 * saturation)
    level = images.mean(dim=(1, 2, 3), keepdim=True)
    contrasted: Tensor = level + (images - level) * (contrast + 0.5)
    return contrasted


def translated(images: Tensor, rng: torch.Generator) -> Tensor:
    """Shift each face by whole pixels, zeros from outside."""
    batch, _, height, width = images.shape
    reach = round(height * SHIFT)
    shift = torch.randint(-reach, reach + 1, (2, batch, 1), generator=rng)
    rows = torch.arange(height) + shift[0]  # (B, H) where each output row comes from
    columns = torch.arange(width) + shift[1]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    at = (
        torch.arange(batch)[:, None, None],
        rows.clamp(0, height - 1)[:, :, None],
        columns.clamp(0, width - 1)[:, None, :],
    )
    moved = images.permute(0, 2, 3, 1)[at].permute(0, 3, 1, 2)  # stays channels_last
    return moved * inside[:, None].to(images)


def cut_out(images: Tensor, rng: torch.Generator) -> Tensor:
    """Set a square of half the side, centred anywhere, to zero."""
    batch, _, height, width = images.shape
    half = round(height * CUT) // 2
    centre = torch.rand(2, batch, 1, generator=rng) * torch.tensor([[[height]], [[width]]])
    rows = (torch.arange(height) - centre[0]).abs() < half  # (B, H)
    columns = (torch.arange(width) - centre[1]).abs() < half
    kept = ~(rows[:, :, None] & columns[:, None, :])
    return images * kept[:, None].to(images)
