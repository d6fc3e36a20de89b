"""Galleries of few photos a person: what do made-up templates add when nothing is trained?

Each seed draws people from the users' crops, enrolls K photos of each, and searches with their other photos
and with photos of strangers. Arms enrich the same templates in different ways.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.augment.drawing import Search
from benchmarks.rows import Measurement
from recog import calibration
from recog.calibration import can_show
from recog.errors import DataError
from recog.faces import EmbedderLike
from recog.training import CropSet
from recog.training.augment import build
from recog.vectors import centres, unit

RANK_1 = "rank-1"
METRICS = 2  # of each way and draw
SEEDS_APART = 100_003  # of two people's vectors
SCALE = 10_000  # resampled shares are kept in steps of a hundredth of a point
Vectors = NDArray[np.float32]  # (N, D) unit
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Enrolled:
    """Templates of P people."""

    crops: CropSet  # that they are of, labels 0..P-1
    vectors: Vectors  # (N, D), a row a crop


# templates of people and a seed -> (M, D) templates to add, and whose they are
Enrich = Callable[[Enrolled, int], tuple[Vectors, Labels]]


@dataclass(frozen=True, eq=False)
class Gallery:
    """Who is enrolled and who searches, of one draw, as vectors."""

    enrolled: Enrolled
    probes: Vectors  # (Q, D), other photos of the enrolled
    strangers: Vectors  # (S, D), one photo each
    whose: Search

    @classmethod
    def of(cls, crops: CropSet, whose: Search, vectors: Callable[[Labels], Vectors]) -> Gallery:
        """A search among users.

        Args:
            vectors: rows of crops -> their vectors.
        """
        templates = Enrolled(crops.subset(whose.enrolled), vectors(whose.enrolled))
        return cls(templates, vectors(whose.probes), vectors(whose.strangers), whose)


@dataclass(frozen=True)
class Way:
    """One way to make the most of the same photos."""

    enrich: Enrich | None = None  # adds templates
    variation: Variation | None = None  # all vectors are normalised by it
    recipe: str = ""  # what decides it beside its name, as digests


def measured(
    drawn: Gallery, way: Way, seed: int, fpir: float, times: Sequence[Labels] = ()
) -> list[Measurement]:
    """Rank-1, and how many are found where so few strangers are named, by the mean of their templates.

    Args:
        times: how often each user counts in resamples of them; the details say what is found then.
    """
    enrolled = drawn.enrolled
    vectors, labels = enrolled.vectors, enrolled.crops.labels
    if way.enrich is not None:
        added, of = way.enrich(enrolled, seed)
        vectors, labels = np.concatenate([vectors, added]), np.concatenate([labels, of])
    whose, probes, strangers = drawn.whose, drawn.probes, drawn.strangers
    if way.variation is not None:
        vectors, probes, strangers = (way.variation.normalised(one) for one in (vectors, probes, strangers))
    templates = centres(vectors, labels, len(enrolled.crops.identities))
    scores = probes @ templates.T
    best, right = scores.max(axis=1), scores.argmax(axis=1) == whose.truth
    strange = (strangers @ templates.T).max(axis=1).astype(np.float64)

    def found(counts: Labels | None = None) -> tuple[float, float]:
        weights = np.ones(len(right)) if counts is None else counts[whose.people][whose.truth]
        others = strange if counts is None else np.repeat(strange, counts[whose.unknown])
        if not weights.any() or not can_show(len(others), fpir):
            return np.nan, np.nan
        there = right & (best >= calibration.threshold_for_new(others, fpir))
        return float(np.average(right, weights=weights)), float(np.average(there, weights=weights))

    again = np.array([found(counts) for counts in times]).reshape(len(times), METRICS)
    kept = np.where(np.isnan(again), -1, np.rint(SCALE * np.nan_to_num(again))).astype(int)
    names = RANK_1, found_name(fpir)
    return [
        Measurement(name, value, len(right), None, {"resampled": column.tolist()})
        for name, value, column in zip(names, found(), kept.T, strict=True)
    ]


def found_name(fpir: float) -> str:
    """What the share of people is called who are found where this share of strangers is named."""
    return f"found at FPIR {100 * fpir:g} %"


def resampled_users(users: int, resamples: int) -> list[Labels]:
    """How often each user counts in each resample of them: the same for every draw and way."""
    rng = np.random.default_rng(0)
    return [np.bincount(rng.integers(0, users, users), minlength=users) for _ in range(resamples)]


def classic(embedder: EmbedderLike, copies: int, augmentation: str = "strong") -> Enrich:
    """Copies of the enrolled photos, augmented as in training."""

    def enrich(enrolled: Enrolled, seed: int) -> tuple[Vectors, Labels]:
        images = torch.from_numpy(np.array(enrolled.crops.images)).permute(0, 3, 1, 2)
        augment = build(augmentation, images.shape[-1])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made = torch.stack([augment(image) for _ in range(copies) for image in images])
        crops = made.permute(0, 2, 3, 1).contiguous().numpy()
        return embedder.embed(crops), np.tile(enrolled.crops.labels, copies)

    return enrich


def made_up(embedder: EmbedderLike, make: Callable[[CropSet, int], CropSet]) -> Enrich:
    """Photos that a generator makes of the enrolled people.

    Args:
        make: enrolled crops and a seed -> made-up crops of people of the same names.
    """

    def enrich(enrolled: Enrolled, seed: int) -> tuple[Vectors, Labels]:
        made = make(enrolled.crops, seed)
        code = {name: index for index, name in enumerate(enrolled.crops.identities)}
        whose = np.array([code[name] for name in made.identities], np.int64)
        return embedder.embed(np.asarray(made.images)), whose[made.labels]

    return enrich


def generated(draw: Callable[[Vectors, int, int], Vectors], copies: int) -> Enrich:
    """Vectors that a generator of features draws for each person.

    Args:
        draw: (M, D) templates of a person, a number and a seed -> so many vectors more.
        copies: of each template.
    """

    def enrich(enrolled: Enrolled, seed: int) -> tuple[Vectors, Labels]:
        labels = enrolled.crops.labels
        people = np.unique(labels)
        counts = copies * np.bincount(labels)[people]
        made = [
            draw(enrolled.vectors[labels == person], int(count), seed * SEEDS_APART + int(person))
            for person, count in zip(people, counts, strict=True)
        ]
        return np.concatenate(made), np.repeat(people, counts).astype(np.int64)

    return enrich


@dataclass(frozen=True, eq=False)
class Variation:
    """How photos of one person differ, as vectors: a Gaussian, learned on people with many photos.

    What drawing from it can add is what normalising by it adds (WCCN, Hatch et al. 2006): the baseline of any
    generator of features.
    """

    factors: NDArray[np.float64]  # (D, D): differences are standard normal numbers times these

    @classmethod
    def learn(cls, vectors: Vectors, labels: Labels) -> Variation:
        """From (N, D) vectors of people who are not enrolled; who has one photo says nothing.

        Raises: DataError: nobody has two photos.
        """
        counts = np.bincount(labels)
        several = np.flatnonzero(counts > 1)
        if not len(several):
            raise DataError("Nobody has two photos: how they vary cannot be learned.")
        rows = np.isin(labels, several)
        means = centres(vectors, labels, len(counts))
        apart = (vectors[rows] - means[labels[rows]]).astype(np.float64)
        covariance = apart.T @ apart / (rows.sum() - len(several))
        values, directions = np.linalg.eigh(covariance)
        return cls(np.sqrt(np.maximum(values, 0))[:, None] * directions.T)

    def drawn(self, copies: int) -> Enrich:
        """Templates around the enrolled ones."""

        def enrich(enrolled: Enrolled, seed: int) -> tuple[Vectors, Labels]:
            rng = np.random.default_rng(seed)
            around = np.tile(enrolled.vectors, (copies, 1))
            noise = rng.normal(size=around.shape) @ self.factors
            return unit((around + noise).astype(np.float32)), np.tile(enrolled.crops.labels, copies)

        return enrich

    def normalised(self, vectors: Vectors, ridge: float = 0.1) -> Vectors:
        """(N, D) unit vectors in which people vary alike in all directions."""
        covariance = self.factors.T @ self.factors
        mean = np.trace(covariance) / len(covariance)
        values, directions = np.linalg.eigh(covariance)
        scaled = directions / np.sqrt(values + ridge * mean)
        return unit((vectors @ scaled @ directions.T).astype(np.float32))
