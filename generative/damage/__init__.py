"""Named damages of known strength, for training and for measuring repair.

To add one, write its operation in `optics` or `covers` and give it a name in `named`.
"""

from generative.damage.covers import coloured, hole
from generative.damage.mixing import KINDS, PAINTED, Mixture, mixed
from generative.damage.named import NAMED, Damage, apply
from generative.damage.optics import jpeg, lowres, motion, noise
from generative.damage.parts import Damaged

__all__ = [
    "KINDS",
    "NAMED",
    "PAINTED",
    "Damage",
    "Damaged",
    "Mixture",
    "apply",
    "coloured",
    "hole",
    "jpeg",
    "lowres",
    "mixed",
    "motion",
    "noise",
]
