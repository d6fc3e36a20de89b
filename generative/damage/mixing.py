"""Batches in which every face is damaged in another way: what repair is learned from."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from generative.damage.covers import coloured
from generative.damage.named import NAMED, apply
from generative.damage.optics import noise
from generative.damage.parts import between, seen

GRAINY = 0.4  # of the faces get a little noise on top
GRAIN = 8.0  # levels, the most of it
KINDS = ("nothing", *NAMED)  # what a face may suffer from
PAINTED = ("hole", "strokes")  # covers that have a colour where nobody tells of them
TOLD = 0.6  # of covered faces come with their mask; on the others the cover has to be found


class Mixture(NamedTuple):
    """A batch of damaged faces."""

    images: Tensor  # (B, 3, S, S) in [-1, 1]
    told: Tensor  # (B, 1, S, S), 1 where the repairer is told that a pixel is missing
    covered: Tensor  # (B, 1, S, S), 1 where one is, told or not
    kinds: Tensor  # (B,) what each suffers from, as `KINDS` counts


def mixed(images: Tensor, rng: torch.Generator, intact: float = 0.0) -> Mixture:
    """Give each face one damage of random strength, some of them a little noise on top.

    Args:
        intact: share of the faces that stay as they are: what is whole should be left alone.
    """
    damaged, covered = images.clone(), seen(images).covered
    shares = torch.tensor([damage.share for damage in NAMED.values()])
    kinds = torch.multinomial(shares, len(images), replacement=True, generator=rng)
    for code, (name, damage) in enumerate(NAMED.items()):
        # two strengths a kind and batch: operations stay whole-tensor, yet every batch is varied
        for rows in torch.nonzero(kinds == code).flatten().chunk(2):
            if len(rows):
                strength = between(damage.mildest, damage.strongest, rng)
                damaged[rows], covered[rows] = apply(name, images[rows], strength, rng)
    told = _chosen(images, TOLD, rng) * covered
    untold = covered - told
    # what nobody told of must look like something; what people wear does already
    painted = torch.tensor([name in PAINTED for name in NAMED])[kinds].to(images.device)
    damaged = torch.where(painted.view(-1, 1, 1, 1) & (untold > 0), coloured(damaged, untold, rng), damaged)
    grain = noise(damaged, between(0, GRAIN, rng), rng).images
    damaged = torch.where((_chosen(images, GRAINY, rng) > 0) & (told == 0), grain, damaged)
    whole = _chosen(images, intact, rng)
    suffered = torch.where(whole.flatten() > 0, 0, kinds.to(images.device) + 1)
    left = 1 - whole
    return Mixture(torch.where(whole > 0, images, damaged), told * left, covered * left, suffered)


def _chosen(images: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """(B, 1, 1, 1): 1 for this share of the faces, at random."""
    drawn = torch.rand(len(images), 1, 1, 1, generator=rng) < share
    return drawn.to(images)
