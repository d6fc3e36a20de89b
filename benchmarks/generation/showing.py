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

HALVED = ("Male", "Smiling", "Eyeglasses")  # drawn half and half, each on its own
AGES = (20.0, 60.0)  # years: samples are asked for ages between


def balanced_accuracy(shown: NDArray[np.floating], wanted: NDArray[np.floating], metric: str) -> Measurement:
    """Mean of the shares of faces with, and of faces without, that are read rightly; or of those there are.

    Args:
        shown: (N,) -1..1 as read. wanted: (N,) -1 or 1; 0: not counted.
    """
    right, with_it, without = (shown > 0) == (wanted > 0), wanted > 0, wanted < 0

    def mean(rows: NDArray[np.integer]) -> NDArray[np.float64]:
        sides = [right[rows][side[rows]] for side in (with_it, without)]
        return np.array([np.mean([part.mean() for part in sides if len(part)])])

    rows = np.flatnonzero(wanted)
    (interval,) = stats.bootstrap(lambda drawn: mean(rows[drawn]), len(rows), resamples=500)
    return Measurement(metric, float(mean(rows)[0]), len(rows), interval)


def age_error(shown: NDArray[np.floating], wanted: NDArray[np.floating], metric: str) -> Measurement:
    """Mean absolute difference of ages read and ages wanted, both (N,) years."""
    errors = np.abs(np.asarray(shown, np.float64) - wanted)
    (interval,) = stats.bootstrap(lambda drawn: errors[drawn].mean(keepdims=True), len(errors), resamples=500)
    return Measurement(metric, float(errors.mean()), len(errors), interval)


def of_attributes(
    synthesizer: Synthesizer, reader: AttributeReader, count: int, seed: int
) -> list[Measurement]:
    """Balanced accuracy of `count` made-up people, conditions drawn half and half."""
    names = [name for name in HALVED if name in synthesizer.vocabulary.attributes]
    rng = torch.Generator().manual_seed(seed)
    wanted = torch.randint(0, 2, (count, len(names)), generator=rng).numpy() * 2 - 1
    asked = [dict(zip(names, map(float, row), strict=True)) for row in wanted.tolist()]
    shown = reader.vocabulary.values(reader.read(_faces(synthesizer, asked, rng)))
    return [
        balanced_accuracy(shown[name], wanted[:, index], f"{name} as asked, balanced accuracy")
        for index, name in enumerate(names)
    ]


def of_ages(synthesizer: Synthesizer, reader: AttributeReader, count: int, seed: int) -> list[Measurement]:
    """Mean error of the age of `count` made-up people who should be 20 to 60."""
    if not synthesizer.vocabulary.ages:
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
