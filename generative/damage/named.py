"""The damages by name, and the strengths that training meets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from generative.damage import covers, optics
from generative.damage.parts import Damaged, Operation
from recog.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Damage:
    """A named damage and the strengths that training meets."""

    operation: Operation
    unit: str  # of the strength
    mildest: float
    strongest: float
    share: float  # of the training faces
    covers: bool = False  # something hides parts of the face, and it is known, or to be found, which


NAMED: dict[str, Damage] = {
    "hole": Damage(covers.hole, "side of S", 0.15, 0.6, 0.16, covers=True),
    "strokes": Damage(covers.strokes, "share of the face", 0.05, 0.4, 0.08, covers=True),
    "mask": Damage(covers.mask, "times the usual size", 0.85, 1.15, 0.08, covers=True),
    "sunglasses": Damage(covers.sunglasses, "times the usual size", 0.85, 1.2, 0.08, covers=True),
    "scarf": Damage(covers.scarf, "times the usual size", 0.85, 1.2, 0.05, covers=True),
    "noise": Damage(optics.noise, "levels", 5.0, 50.0, 0.14),
    "lowres": Damage(optics.lowres, "times", 2.0, 8.5, 0.21),
    "blur": Damage(optics.blur, "px of 64, sigma", 0.6, 3.0, 0.05),
    "defocus": Damage(optics.defocus, "px of 64, radius", 1.0, 4.0, 0.05),
    "motion": Damage(optics.motion, "px of 64", 3.0, 12.0, 0.05),
    "jpeg": Damage(optics.jpeg, "quality", 8.0, 50.0, 0.05),
}


def apply(name: str, images: Tensor, strength: float, rng: torch.Generator) -> Damaged:
    """Damage faces (B, 3, S, S) in [-1, 1] by name; the same generator state gives the same damage.

    Args:
        strength: in the unit of `NAMED`.
    Raises: ConfigError: no damage of this name.
    """
    if name not in NAMED:
        raise ConfigError(f"damage is {name!r}; give one of {', '.join(NAMED)}.")
    with torch.autocast(images.device.type, enabled=False):  # bfloat16 would add a damage of its own
        return NAMED[name].operation(images.float(), strength, rng)
