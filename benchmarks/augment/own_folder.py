"""Does synthesis help with the photos of this one folder? A plan for it, its exam, and the answer in words.

Half of the people are learned from, the others are the exam: nobody is in both. Which half somebody is in
follows from the name, so that it stays the same when others join the folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.augment.arms import declarations
from benchmarks.augment.effects import Effect, Verdict
from benchmarks.augment.plan import Arm, Plan
from benchmarks.augment.verdicts import effects_of, power
from benchmarks.rows import Row
from generative import advice
from recog.errors import DataError
from recog.training import CropSet

LEAST = 50  # people of each half who have two photos: fewer leave everything undecided
MOST_PEOPLE, MOST_PHOTOS = 300, 5  # that a run learns from
ENOUGH = 0.8  # share of the people who have as many photos as the plan takes of each
PHOTOS = 2
BASELINE = "strong"
# a small network, which does not suffer where steps are more than real photos alone have use for
# (benchmarks/results/README.md): the runs of a seed take two cores about seven minutes
TRAIN: Mapping[str, Any] = {
    "total_kimg": 120.0,
    "augmentation": "strong",
    "optimizer": "muon",
    "learning_rate": 8e-3,
    "backbone_options": {"channels": (16, 32, 64, 128)},
}
ARMS: Mapping[str, Arm] = {BASELINE: Arm(), "new people": Arm(synthesis=advice.RECIPE)}


def halves(crops: CropSet) -> tuple[CropSet, CropSet]:
    """People to learn from, and those of the exam.

    Raises: DataError: too few people have two photos.
    """
    names = [[name for name in crops.identities if _half(name) == half] for half in (0, 1)]
    learned, asked = (crops.of_identities(some) for some in names)
    fewest = min(_with(half, PHOTOS) for half in (learned, asked))
    if fewest < LEAST:
        raise DataError(
            f"{_with(crops, PHOTOS)} people have {PHOTOS} photos or more. Half of them are learned from and "
            f"the others are the exam; with fewer than {LEAST} in each nothing could be decided. Add "
            "people, or photos of those who have one, or measure on another folder (--report)."
        )
    return learned, asked


def plan_for(learned: CropSet, **changes: Any) -> Plan:
    """What is compared for these people: as many photos as most of them have."""
    people = _with(learned, PHOTOS)
    most = range(PHOTOS, MOST_PHOTOS + 1)
    photos = max(count for count in most if _with(learned, count) >= ENOUGH * people)
    drawn = max(2, min(MOST_PEOPLE, round(ENOUGH * _with(learned, photos))))  # not all: seeds draw others
    usual = {"people": drawn, "photos": photos, "arms": ARMS, "baseline": BASELINE, "train": TRAIN}
    return Plan(**{"name": "own folder", **usual, **changes})


def answer(rows: Sequence[Row]) -> str:
    """What follows from the rows of one plan, in a sentence."""
    for declared in declarations(rows):
        found = effects_of(rows, declared)
        if not found:
            continue
        best = max(found, key=lambda effect: effect.mean)
        if best.verdict is Verdict.HELPS:
            return f"Use made-up faces: {_said(best)}."
        if all(effect.verdict in (Verdict.HURTS, Verdict.NOTHING) for effect in found):
            return f"Leave made-up faces out: {'; '.join(map(_said, found))}."
        return " ".join([f"Undecided: {'; '.join(map(_said, found))}.", *power(rows, declared)])
    return "Nothing was compared: fewer than two arms have runs."


def _said(effect: Effect) -> str:
    if effect.simultaneous is None:
        return effect.sentence()
    low, high = (100 * edge for edge in effect.simultaneous)
    return f"{effect.sentence()} ({100 * effect.mean:+.1f} points, 95 % interval {low:+.1f} to {high:+.1f})"


def _half(name: str) -> int:
    return hashlib.sha256(name.encode()).digest()[0] % 2


def _with(crops: CropSet, photos: int) -> int:
    """How many people have so many photos."""
    return int((np.bincount(crops.labels, minlength=len(crops.identities)) >= photos).sum())
