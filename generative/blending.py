"""New people without a generator: the photos of two people, laid over each other.

Aligned faces have their features at the same places, so that their mean is a face; who is on it is neither of
the two. As classes of their own such people are the class augmentation of IL2A (Zhu et al., NeurIPS 2021).
"""

from __future__ import annotations

from itertools import product

import numpy as np

from recog.errors import DataError
from recog.training.data import CropSet

UNEVEN = 0.1  # one of the two has up to this much more than half of a photo


def blended(crops: CropSet, people: int, photos: int, seed: int = 0) -> CropSet:
    """Photos of new people, each a pair of those on `crops`.

    Args:
        crops: people of whom all is known; side S, px.
        people: P new ones, each of another pair.
        photos: of each. Every photo of the one is laid over every photo of the other before two are again.
    Returns: P * photos crops of S px; people are called after the two.
    Raises: DataError: there are not so many pairs.
    """
    count = len(crops.identities)
    pairs = count * (count - 1) // 2
    if people > pairs:
        raise DataError(
            f"{count} people make {pairs} pairs; {people} new people are asked for. Ask for fewer."
        )
    rng = np.random.default_rng(seed)
    lefts, rights = np.triu_indices(count, 1)
    drawn = rng.choice(pairs, people, replace=False)
    rows = [np.flatnonzero(crops.labels == code) for code in range(count)]
    images, names = [], []
    for left, right in zip(lefts[drawn], rights[drawn], strict=True):
        meetings = list(product(rows[left], rows[right]))
        order = np.concatenate([rng.permutation(len(meetings)) for _ in range(-(-photos // len(meetings)))])
        names.append(f"{crops.identities[left]}+{crops.identities[right]}")
        for place in order[:photos]:
            one, other = (crops.images[row].astype(np.float32) for row in meetings[place])
            share = 0.5 + rng.uniform(-UNEVEN, UNEVEN)
            images.append(np.rint(share * one + (1 - share) * other).astype(np.uint8))
    labels = np.repeat(np.arange(people), photos).astype(np.int64)
    files = tuple(f"{name}/{number:04d}" for name in names for number in range(photos))
    return CropSet(np.stack(images), labels, tuple(names), files)
