"""What faces suffer in the benchmark: damages at fixed strengths, and whether the repairer is told where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from generative import damage
from recog.pixels import from_uint8, to_uint8

Crops = NDArray[np.uint8]  # (N, S, S, 3)
Masks = NDArray[np.bool_]  # (N, S, S)
CHUNK = 256  # faces damaged at once
WHOLE = "undamaged"


@dataclass(frozen=True)
class Case:
    """A damage of one strength."""

    damage: str | None  # of `generative.damage.NAMED`; None: nothing happens
    strength: float = 0.0
    told: bool = False  # the repairer gets the mask; else it finds what is covered

    def apply(self, faces: Crops, seed: int) -> tuple[Crops, Masks]:
        """Damaged faces, and where they are covered; the same seed gives the same damage."""
        if self.damage is None:
            return faces, np.zeros(faces.shape[:3], bool)
        rng = torch.Generator().manual_seed(seed)
        parts = [
            damage.apply(self.damage, from_uint8(faces[at : at + CHUNK]), self.strength, rng)
            for at in range(0, len(faces), CHUNK)
        ]
        covered = np.concatenate([part.covered[:, 0].numpy() > 0 for part in parts])
        if self.damage in damage.PAINTED and not self.told:  # what is to be found has a colour
            parts = [part._replace(images=damage.coloured(*part, rng)) for part in parts]
        return np.concatenate([to_uint8(part.images) for part in parts]), covered

    @property
    def covers(self) -> bool:
        """Whether something hides parts of the face."""
        return self.damage is not None and damage.NAMED[self.damage].covers


CASES: Mapping[str, Case] = {
    WHOLE: Case(None),
    "hole of 24 px of 64, told where": Case("hole", 0.375, told=True),
    "hole of 32 px of 64, told where": Case("hole", 0.5, told=True),
    "hole of 24 px of 64, to be found": Case("hole", 0.375),
    "strokes over 20 %, told where": Case("strokes", 0.2, told=True),
    "strokes over 20 %, to be found": Case("strokes", 0.2),
    "mask, told where": Case("mask", 1.0, told=True),
    "mask, to be found": Case("mask", 1.0),
    "sunglasses, told where": Case("sunglasses", 1.0, told=True),
    "sunglasses, to be found": Case("sunglasses", 1.0),
    "scarf, to be found": Case("scarf", 1.0),
    "noise of 25 levels": Case("noise", 25.0),
    "noise of 50 levels": Case("noise", 50.0),
    "2x down": Case("lowres", 2.0),
    "4x down": Case("lowres", 4.0),
    "8x down": Case("lowres", 8.0),
    "blur of 2 px of 64": Case("blur", 2.0),
    "out of focus, 2.5 px of 64": Case("defocus", 2.5),
    "motion over 9 px of 64": Case("motion", 9.0),
    "JPEG of quality 10": Case("jpeg", 10.0),
}


def each(names: Mapping[str, Case]) -> Iterator[tuple[str, Case]]:
    """Cases one after another, what is undamaged first."""
    yield from sorted(names.items(), key=lambda item: item[1].damage is not None)
