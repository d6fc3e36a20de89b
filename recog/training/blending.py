"""Faces between faces: more to learn from a teacher, who needs no labels.

A student that is asked about mixtures has to follow its teacher everywhere between the faces it was given,
not only at them (function matching with mixup; Beyer et al., arXiv:2106.05237). Crops on one template mix
well: half are averages of two faces, half have one face on one side of a soft seam and another on the other.
Faces may be bent first, each by a smooth random field, which makes other faces of them, as sharp as photos
are; then a third are averages, a third have a seam, and a third are one face, bent.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.errors import ConfigError
from recog.progress import progress
from recog.training.data import CropSet, cache_folder, kept

EVENNESS = (0.3, 0.7)  # share of the first face in an average
SEAM_PLACE = 0.15  # of the side, around the middle
SEAM_WIDTH = (0.04, 0.12)  # of the side: how soft
BEND_POINTS = 4  # of a bending field along each side: eyes, nose, mouth and jaw move apart or together
STRONGEST_BEND = 0.05  # beyond it, faces are torn
Floats = NDArray[np.float32]


def blends(crops: CropSet, count: int, seed: int = 0, bend: float = 0.0) -> Iterator[NDArray[np.uint8]]:
    """`count` mixtures of two crops each, (S, S, 3).

    Args:
        crops: (N, S, S, 3), N >= 2, all on one template.
        bend: standard deviation of a bending field's points, in sides of a crop; 0: faces keep their shape.
    """
    rng = np.random.default_rng([seed, 3])
    side = crops.images.shape[1]
    ways = (seam, _even, _alone) if bend else (seam, _even)  # a face alone is new only where it is bent
    for place in range(count):
        a, b = crops.images[rng.choice(len(crops), 2, replace=False)].astype(np.float32)
        if bend:
            a, b = bent(a, bending(side, bend, rng)), bent(b, bending(side, bend, rng))
        way = ways[place % len(ways)]
        share = way(side, rng)
        mixed = share * a + (1 - share) * (recoloured(b, a) if way is seam else b)
        yield np.clip(mixed + 0.5, 0, 255).astype(np.uint8)


def check_blends(count: int, bend: float) -> None:
    """Raises: ConfigError: a negative count, a bend outside 0 to `STRONGEST_BEND`, or one of no blends."""
    if not isinstance(count, int) or count < 0:
        raise ConfigError(f"blends is {count!r}; give a whole number from 0.")
    if not isinstance(bend, int | float) or not 0 <= bend <= STRONGEST_BEND:
        raise ConfigError(f"bend is {bend!r}; give a share of the side, from 0 to {STRONGEST_BEND}.")
    if bend and not count:
        raise ConfigError(f"bend is {bend!r}, but there are no blends to bend: ask for some, or bend 0.")


def with_blends(crops: CropSet, count: int, seed: int = 0, bend: float = 0.0) -> CropSet:
    """The crops, and after them `count` mixtures of nobody (label -1), all in one memory-mapped file.

    Raises: ConfigError: a negative count, fewer than two crops, or a bend outside 0 to `STRONGEST_BEND`;
    DataError: the cache cannot be written.
    """
    check_blends(count, bend)
    if not count:
        return crops
    if len(crops) < 2:
        raise ConfigError(f"{count} blends of {len(crops)} crops: there have to be two crops at least.")
    side = crops.images.shape[1]
    pixels = hashlib.sha256(np.ascontiguousarray(crops.images).data).hexdigest()
    key = hashlib.sha256(json.dumps([pixels, side, count, seed, bend]).encode()).hexdigest()[:24]
    bar = progress(blends(crops, count, seed, bend), total=count, desc="blends")
    path = cache_folder() / "crops" / f"blends-{key}.npy"
    images = kept(path, itertools.chain(crops.images, bar), len(crops) + count, side)
    names = tuple(f"blend-{seed}-{place:06d}" for place in range(count))
    labels = np.concatenate([crops.labels, np.full(count, -1, np.int64)])
    return CropSet(images, labels, crops.identities, (*crops.files, *names))


def bending(side: int, strength: float, rng: np.random.Generator) -> Floats:
    """A smooth random field (S, S, 2), px along columns and rows, that moves a face nowhere on the whole.

    Args:
        strength: standard deviation of its points, in sides of a crop.
    """
    points = rng.normal(0, strength * side, (BEND_POINTS, BEND_POINTS, 2)).astype(np.float32)
    field = cv2.resize(points - points.mean((0, 1)), (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(field, np.float32)


def bent(image: Floats, field: Floats) -> Floats:
    """A crop (S, S, 3) whose pixels come from where a field (S, S, 2) says."""
    columns, rows = np.meshgrid(*[np.arange(len(image), dtype=np.float32)] * 2)
    moved = cv2.remap(
        image, columns + field[..., 0], rows + field[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(moved, np.float32)


def _alone(side: int, rng: np.random.Generator) -> Floats:
    return np.ones((1, 1, 1), np.float32)


def _even(side: int, rng: np.random.Generator) -> Floats:
    return np.full((1, 1, 1), rng.uniform(*EVENNESS), np.float32)


def seam(side: int, rng: np.random.Generator) -> Floats:
    """(S, S, 1) share of the first face: 1 on one side of a soft line near the middle, 0 on the other."""
    angle, shift = rng.uniform(0, 2 * np.pi), rng.uniform(-SEAM_PLACE, SEAM_PLACE)
    width = rng.uniform(*SEAM_WIDTH)
    place = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    along = place[None] * np.cos(angle) + place[:, None] * np.sin(angle) - shift
    steep = np.clip(-along / width * 3, -30, 30)
    share: Floats = (1 / (1 + np.exp(steep))).astype(np.float32)
    return share[..., None]


def recoloured(image: Floats, like: Floats) -> Floats:
    """The image with the mean and spread of colour of another, so that a seam shows less."""
    centred = image - image.mean((0, 1))
    spread = like.std((0, 1)) / np.maximum(image.std((0, 1)), 1.0)
    moved: Floats = centred * np.clip(spread, 0.5, 2.0) + like.mean((0, 1))
    return moved
