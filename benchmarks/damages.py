"""Crops damaged in fixed ways, to see how much of recognition survives."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from benchmarks.exams import Exam
from generative import damage
from generative.damage.optics import SIDE
from recog.errors import ConfigError
from recog.pixels import from_uint8, to_uint8

CHUNK = 256  # crops damaged at once
OCCLUDED = 0.30  # share of the crop's area
MOTION = 0.134  # of the crop's side: 15 px of 112


def lowres8(images: Tensor, rng: torch.Generator) -> Tensor:
    """An eighth of the side, and enlarged again."""
    return damage.lowres(images, 8.0, rng).images


def occlusion30(images: Tensor, rng: torch.Generator) -> Tensor:
    """A grey square over 30 % of the crop at a random place."""
    return damage.hole(images, math.sqrt(OCCLUDED), rng).images


def motion15(images: Tensor, rng: torch.Generator) -> Tensor:
    """Smeared along a line of 15 px (of 112) in a random direction."""
    return damage.motion(images, MOTION * SIDE, rng).images


def noise25(images: Tensor, rng: torch.Generator) -> Tensor:
    """Gaussian noise of 25 levels of 255: the only one here that no embedder meets in training."""
    return damage.noise(images, 25.0, rng).images


NAMED: dict[str, tuple[str, Callable[[Tensor, torch.Generator], Tensor]]] = {
    "lowres8": ("8x down", lowres8),
    "occlusion30": ("30 % covered", occlusion30),
    "motion15": ("motion blur of 15 px of 112", motion15),
    "noise25": ("noise of 25 levels", noise25),
}


def damaged(exam: Exam, name: str, seed: int = 0) -> Exam:
    """The same exam with all of its crops damaged; the same seed gives the same damage.

    Raises: ConfigError: no damage of this name.
    """
    if name not in NAMED:
        raise ConfigError(f"damage is {name!r}; give one of {', '.join(NAMED)}.")
    words, operation = NAMED[name]
    rng = torch.Generator().manual_seed(seed)
    parts = [exam.crops[at : at + CHUNK] for at in range(0, len(exam.crops), CHUNK)]
    crops = np.concatenate([to_uint8(operation(from_uint8(part), rng)) for part in parts])
    return replace(exam, crops=crops, protocol=f"{exam.protocol}; damaged: {words}")
