"""New people without a generator: photos of people who exist, recombined in the same way for all of a person.

Aligned faces have their features at the same places. Laid over each other (blend) or joined along a soft seam
(splice), two make a third; bent by one smooth field, all photos of one person are of somebody whose eyes,
nose, mouth and jaw are elsewhere (bend). As classes of their own such people are the class augmentation of
IL2A (Zhu et al., NeurIPS 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product

import numpy as np
from numpy.typing import NDArray

from recog.errors import ConfigError, DataError
from recog.training.blending import Floats, bending, bent, recoloured, seam
from recog.training.data import CropSet

UNEVEN = 0.1  # one of the two has up to this much more than half of a photo
BEND = 0.025  # standard deviation of a field's points, in sides of a crop
Mixing = Callable[..., Floats]  # crops (S, S, 3), one of each parent -> one of their child


def _blend(side: int, rng: np.random.Generator) -> Mixing:
    def mixed(one: Floats, other: Floats) -> Floats:
        share = np.float32(0.5 + rng.uniform(-UNEVEN, UNEVEN))
        return share * one + (1 - share) * other

    return mixed


def _splice(side: int, rng: np.random.Generator) -> Mixing:
    share = seam(side, rng)
    return lambda one, other: share * one + (1 - share) * recoloured(other, one)


def _bend(side: int, rng: np.random.Generator) -> Mixing:
    field = bending(side, BEND, rng)
    return lambda one: bent(one, field)


# parents of each new person, and what is the same on all of their photos
WAYS: Mapping[str, tuple[int, Callable[[int, np.random.Generator], Mixing]]] = {
    "blend": (2, _blend),
    "splice": (2, _splice),
    "bend": (1, _bend),
}


def recombined(crops: CropSet, way: str, people: int, photos: int, seed: int = 0) -> CropSet:
    """Photos of new people, made of those on `crops`.

    Args:
        crops: people of whom all is known; side S, px.
        way: blend, splice or bend.
        people: P new ones: each of another pair, or, bent, each person as often as any other.
        photos: of each. Every photo of the one meets every photo of the other before two meet again.
    Returns: P * photos crops of S px; people are called after their parents.
    Raises: ConfigError: no such way; DataError: there are not so many pairs.
    """
    if way not in WAYS:
        raise ConfigError(f"way is {way!r}; give one of {', '.join(WAYS)}.")
    count, mixing = WAYS[way]
    rng = np.random.default_rng(seed)
    every = len(crops.identities)
    drawn = _pairs(every, people, rng) if count > 1 else _turns(every, people, rng)[:, None]
    rows = [np.flatnonzero(crops.labels == code) for code in range(every)]
    images, names = [], []
    for place, parents in enumerate(drawn):
        names.append("+".join(crops.identities[code] for code in parents) + f"~{place}")
        mixed = mixing(crops.images.shape[1], rng)
        meetings = list(product(*(rows[code] for code in parents)))
        for turn in _turns(len(meetings), photos, rng):
            made = mixed(*(crops.images[row].astype(np.float32) for row in meetings[turn]))
            images.append(np.rint(np.clip(made, 0, 255)).astype(np.uint8))
    labels = np.repeat(np.arange(people), photos).astype(np.int64)
    files = tuple(f"{name}/{number:04d}" for name in names for number in range(photos))
    return CropSet(np.stack(images), labels, tuple(names), files)


def _pairs(count: int, wanted: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(wanted, 2) different pairs. Raises: DataError: there are not so many."""
    there = count * (count - 1) // 2
    if wanted > there:
        raise DataError(
            f"{count} people make {there} pairs; {wanted} new people are asked for. Ask for fewer."
        )
    pairs = np.stack(np.triu_indices(count, 1), axis=1)
    return pairs[rng.choice(there, wanted, replace=False)]


def _turns(count: int, wanted: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(wanted,) numbers below `count`, each as often as any other but for one, in random order."""
    rounds = [rng.permutation(count) for _ in range(-(-wanted // count))]
    return np.concatenate(rounds)[:wanted]
