"""Who is drawn from the users, which photos of them are learned from or enrolled, and who searches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.errors import DataError
from recog.training import CropSet

PROBES = 5  # of each person, at most
Rows = NDArray[np.int64]  # of crops


def draw(crops: CropSet, people: int, photos: int, seed: int, spare: int = 0) -> Rows:
    """(people * photos,) indices of crops, by person; a pure function of the arguments.

    Args:
        spare: photos that each person has beside these.
    Raises: DataError: fewer than `people` identities have so many crops.
    """
    counts = np.bincount(crops.labels, minlength=len(crops.identities))
    enough = np.flatnonzero(counts >= photos + spare)
    if len(enough) < people:
        raise DataError(
            f"{len(enough)} people have {photos + spare} photos, {people} are wanted. Ask for fewer of "
            "either."
        )
    generator = np.random.default_rng([seed, people, photos])
    chosen = np.sort(generator.choice(enough, people, replace=False))
    return np.concatenate(
        [np.sort(generator.choice(np.flatnonzero(crops.labels == k), photos, replace=False)) for k in chosen]
    )


@dataclass(frozen=True, eq=False)
class Search:
    """Photos of the users: enrolled ones, others of the same people, and one of each of the others."""

    enrolled: Rows  # by person
    probes: Rows
    truth: Rows  # (Q,) whose the probes are: 0..P-1, in the order enrolled
    strangers: Rows
    people: Rows  # (P,) labels of the enrolled, and
    unknown: Rows  # (S,) of the strangers


def search(crops: CropSet, enrolled: Rows, seed: int, probes: int = PROBES) -> Search:
    """Search for these with their other photos; a pure function of the arguments.

    Raises: DataError: fewer than two people are left to be strangers.
    """
    rng = np.random.default_rng([seed, len(enrolled)])
    people = np.unique(crops.labels[enrolled])
    unknown = np.setdiff1d(np.unique(crops.labels[crops.labels >= 0]), people)
    if len(unknown) < 2:
        raise DataError(
            f"{len(unknown)} people are left to be strangers, two at least are needed. Take fewer people."
        )
    asked: list[Rows] = []
    for person in people:
        others = np.setdiff1d(np.flatnonzero(crops.labels == person), enrolled)
        asked.append(rng.permutation(others)[:probes])
    first = [rng.choice(np.flatnonzero(crops.labels == person)) for person in unknown]
    truth = np.repeat(np.arange(len(people)), [len(one) for one in asked])
    return Search(
        enrolled, np.concatenate(asked), truth.astype(np.int64), np.array(first, np.int64), people, unknown
    )
