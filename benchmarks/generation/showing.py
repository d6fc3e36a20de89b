"""Whether made-up faces show the attributes and ages asked for: by a reader trained on real faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import stats
from benchmarks.rows import Measurement
from generative.conditions import AGE
from generative.reading import AttributeReader
from generative.synthesis import Synthesizer
from recog.errors import DataError

HALVED = ("Male", "Smiling", "Eyeglasses")  # asked for together, each drawn half and half
AGES = (20.0, 60.0)  # years: samples are asked for ages between


def balanced_accuracy(
    shown: NDArray[np.floating],
    wanted: NDArray[np.floating],
    metric: str,
    people: NDArray[np.generic] | None = None,
) -> Measurement:
    """Mean of the shares of faces with, and of faces without, that are read rightly; or of those there are.

    Args:
        shown: (N,) -1..1 as read. wanted: (N,) -1 or 1; 0: not counted.
        people: (N,) whose face it is; default: each another's.
    Raises: DataError: nothing is wanted.
    """
    counted = np.flatnonzero(wanted)
    if not len(counted):
        raise DataError(f"{metric}: of no face is it known what it should show.")
    right = ((shown > 0) == (wanted > 0))[counted]
    sides = [side for side in ((wanted > 0)[counted], (wanted < 0)[counted]) if side.any()]
    rows = np.stack([*sides, *(side & right for side in sides)], axis=1).astype(np.float64)

    def mean(sums: NDArray[np.floating]) -> float:
        counts, hits = np.split(sums, 2)
        return float(np.mean(hits / counts)) if counts.all() else float("nan")

    whose = (np.arange(len(wanted)) if people is None else people)[counted]
    interval = stats.over_people_sums(mean, rows, whose)
    return Measurement(metric, mean(rows.sum(axis=0)), len(counted), interval)


def age_error(
    shown: NDArray[np.floating],
    wanted: NDArray[np.floating],
    metric: str,
    people: NDArray[np.generic] | None = None,
) -> Measurement:
    """Mean absolute difference of ages read and ages wanted, both (N,) years; `people` as above."""
    return mean_of(np.abs(np.asarray(shown, np.float64) - wanted), metric, people)


def mean_of(
    values: NDArray[np.floating], metric: str, people: NDArray[np.generic] | None = None
) -> Measurement:
    """Mean of (N,) values; `people` as above."""
    whose = np.arange(len(values)) if people is None else people
    rows = np.stack([values, np.ones(len(values))], axis=1)
    interval = stats.over_people_sums(lambda sums: float(sums[0] / sums[1]), rows, whose)
    return Measurement(metric, float(values.mean()), len(values), interval)


def of_attributes(
    synthesizer: Synthesizer, reader: AttributeReader, count: int, seed: int
) -> list[Measurement]:
    """Balanced accuracy of `count` made-up people, conditions drawn half and half."""
    known = {*synthesizer.vocabulary.attributes} & {*reader.vocabulary.attributes}
    names = [name for name in HALVED if name in known]
    if not names:
        return []
    rng = torch.Generator().manual_seed(seed)
    wanted = torch.randint(0, 2, (count, len(names)), generator=rng).numpy() * 2 - 1
    asked = [dict(zip(names, map(float, row), strict=True)) for row in wanted.tolist()]
    shown = reader.vocabulary.values(reader.read(_faces(synthesizer, asked, rng)))
    return [
        balanced_accuracy(shown[name], wanted[:, index], f"{name} as asked, balanced accuracy")
        for index, name in enumerate(names)
    ]


def of_single_attributes(
    synthesizer: Synthesizer, reader: AttributeReader, count: int, seed: int
) -> list[Measurement]:
    """Balanced accuracy of each attribute on its own, asked of half of `count` people."""
    found = []
    for name in synthesizer.vocabulary.attributes:
        if name not in reader.vocabulary.attributes:
            continue
        rng = torch.Generator().manual_seed(seed)
        wanted = np.resize([1, -1], count)
        asked = [{name: float(value)} for value in wanted]
        shown = reader.vocabulary.values(reader.read(_faces(synthesizer, asked, rng)))[name]
        found.append(balanced_accuracy(shown, wanted, alone(name)))
    return found


def alone(name: str) -> str:
    """The metric of an attribute that is asked for on its own."""
    return f"{name} asked alone, balanced accuracy"


def of_ages(synthesizer: Synthesizer, reader: AttributeReader, count: int, seed: int) -> list[Measurement]:
    """Mean error of the age of `count` made-up people who should be 20 to 60."""
    if not (synthesizer.vocabulary.ages and reader.vocabulary.ages):
        return []
    rng = torch.Generator().manual_seed(seed)
    wanted = AGES[0] + (AGES[1] - AGES[0]) * torch.rand(count, generator=rng).numpy()
    faces = _faces(synthesizer, [{AGE: float(years)} for years in wanted], rng)
    shown = reader.vocabulary.values(reader.read(faces))[AGE]
    return [age_error(shown, wanted, "age as asked, mean error, years")]


def _faces(
    synthesizer: Synthesizer, asked: Sequence[Mapping[str, float]], rng: torch.Generator
) -> NDArray[np.uint8]:
    """A made-up person each of whom something is asked."""
    centres = [synthesizer.people.draw(1, rng, one) for one in asked]
    attributes = [
        synthesizer.people.draw_attributes(centre, 1, rng, one)[:, 0]
        for centre, one in zip(centres, asked, strict=True)
    ]
    return synthesizer.faces(torch.cat(centres), torch.cat(attributes), rng)
