"""Where the identities of new people come from: the spread of real identity centres, as a small Gaussian.

A generator's checkpoint carries it, so that people can be made up with no photo of anybody at hand. No
real person's vector is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generative.conditions import AGE, LASTING, Encoded, Vocabulary, consistent
from generative.data import FaceData
from recog.errors import DataError
from recog.vectors import unit

RANK = 48  # directions kept; the rest of the variance is spread evenly
TRIES = 32  # people drawn for each of whom something is asked
DECADE = 10.0  # years of age that count as much as an attribute that does not fit


class PeopleModel:
    """Draws identity centres (P, D) and attributes that go with them."""

    def __init__(self, tensors: dict[str, Tensor], vocabulary: Vocabulary) -> None:
        self.mean = tensors["mean"].float()  # (D,)
        self.basis = tensors["basis"].float()  # (R, D), rows scaled to one standard deviation
        self.rest = tensors["rest"].float()  # () standard deviation per dimension outside the basis
        self.attribute_weights = tensors["attribute_weights"].float()  # (D + 1, V)
        self.age_spread = tensors.get(
            "age_spread", torch.zeros(())
        ).float()  # () years around the expected age
        names = len(vocabulary.attributes)
        # (A + 1, A + 1) of what a photo shows, its age in spreads, around what is expected of the person
        self.joint = tensors.get("joint", torch.eye(names + 1)).float()
        self.vocabulary = vocabulary

    @classmethod
    def fit(cls, data: FaceData) -> PeopleModel:
        """Estimate from training identities; one centre an identity."""
        codes = data.crops.labels
        first = np.unique(codes, return_index=True)[1]
        centres = data.centres[first].astype(np.float64)  # (P, D)
        mean = centres.mean(axis=0)
        _, spread, directions = np.linalg.svd(centres - mean, full_matrices=False)
        deviations = spread / np.sqrt(max(1, len(centres) - 1))
        kept = min(RANK, len(deviations))
        rest = np.sqrt((deviations[kept:] ** 2).sum() / centres.shape[1])
        weights = _ridge(data.centres, data.attributes)
        expected = (_with_one(data.centres) @ weights).astype(np.float32)
        years = data.vocabulary.ages_of(data.attributes) - data.vocabulary.ages_of(expected)
        known = years[~np.isnan(years)]
        age_spread = float(known.std()) if len(known) else 0.0
        names = len(data.vocabulary.attributes)
        around = np.where(data.attributes != 0, data.attributes - expected, np.nan)[:, :names]
        tensors = {
            "mean": mean,
            "basis": deviations[:kept, None] * directions[:kept],
            "rest": np.array(rest),
            "attribute_weights": weights,
            "age_spread": np.array(age_spread),
            "joint": _moments(np.column_stack([around, years / max(age_spread, 1e-6)])),
        }
        as_torch = {
            name: torch.from_numpy(np.ascontiguousarray(value)).float() for name, value in tensors.items()
        }
        return cls(as_torch, data.vocabulary)

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint stores."""
        return {
            "mean": self.mean,
            "basis": self.basis,
            "rest": self.rest,
            "attribute_weights": self.attribute_weights,
            "age_spread": self.age_spread,
            "joint": self.joint,
        }

    def draw(self, count: int, rng: torch.Generator, asked: Mapping[str, float] | None = None) -> Tensor:
        """(count, D) unit vectors of people who do not exist.

        Args:
            asked: attributes and age that they should have; of what holds for a person, the vectors say it.
        """
        if not asked or not ({*LASTING, AGE} & {*asked}):
            return self._drawn(count, rng)
        tried = self._drawn(count * TRIES, rng)
        fit = torch.from_numpy(self._fit(self._expected(tried), asked)).reshape(count, TRIES)
        return tried.reshape(count, TRIES, -1)[torch.arange(count), fit.argmax(dim=1)]

    def draw_attributes(
        self, centres: Tensor, photos: int, rng: torch.Generator, asked: Mapping[str, float] | None = None
    ) -> Tensor:
        """(P, photos, V) attributes and ages that fit centres (P, D): of a person, or of a photo.

        Args:
            asked: what all photos should show, as `conditions.parse` gives it.
        """
        people, names = len(centres), self.vocabulary.attributes
        expected = self._expected(centres)
        likely = expected[:, : len(names)].repeat(photos, axis=0)  # (P * photos, A)
        years = self.vocabulary.ages_of(expected).repeat(photos)
        chance = torch.rand(people, photos, len(names), generator=rng).flatten(0, 1).numpy()
        luck = torch.randn(people, generator=rng).numpy().astype(np.float64).repeat(photos)
        fixed = consistent(asked or {})
        columns = {name: index for index, name in enumerate((*names, AGE))}
        around = np.zeros((people * photos, len(columns)))  # what is drawn, less what was expected
        drawn: list[int] = []  # columns
        chosen: dict[str, NDArray[np.float64]] = {}
        spread = max(float(self.age_spread), 1e-6)
        for name in (*(n for n in columns if n in fixed), *(n for n in (AGE, *names) if n not in fixed)):
            column = columns[name]
            mean, deviation = self._given(column, drawn, around)
            if name == AGE:
                value = years + spread * (mean + deviation * luck)
                chosen[AGE] = np.full(len(value), fixed[AGE]) if AGE in fixed else value
                around[:, column] = np.nan_to_num((chosen[AGE] - years) / spread)
            else:
                # what a person is follows the likelier side; how a photo shows them varies as in training
                above = np.clip(likely[:, column] + mean, -0.96, 0.96)
                middle = 0.5 if name in LASTING else chance[:, column]
                value = np.where(middle < (above + 1) / 2, 1.0, -1.0)
                chosen[name] = np.full(len(value), fixed[name]) if name in fixed else value
                around[:, column] = chosen[name] - likely[:, column]
            drawn.append(column)
        encoded = self.vocabulary.encoded(chosen, people * photos)
        return torch.from_numpy(encoded).reshape(people, photos, -1)

    def _given(
        self, column: int, drawn: list[int], around: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], float]:
        """What is expected of a column by what is drawn already: the mean (N,) of a normal, its deviation."""
        joint = self.joint.numpy().astype(np.float64)
        inner = joint[np.ix_(drawn, drawn)] + 1e-3 * np.eye(len(drawn))
        slope = np.linalg.solve(inner, joint[drawn, column])
        left = joint[column, column] - slope @ joint[drawn, column]
        return around[:, drawn] @ slope, float(np.sqrt(max(left, 0.0)))

    def _drawn(self, count: int, rng: torch.Generator) -> Tensor:
        centres = self.mean + torch.randn(count, len(self.basis), generator=rng) @ self.basis
        centres = centres + self.rest * torch.randn(count, len(self.mean), generator=rng)
        return torch.nn.functional.normalize(centres, dim=1)

    def _expected(self, centres: Tensor) -> Encoded:
        """(P, V) attributes and ages that people of these centres (P, D) have on average."""
        expected: Encoded = _with_one(centres.float().numpy()) @ self.attribute_weights.numpy()
        return expected

    def _fit(self, expected: Encoded, asked: Mapping[str, float]) -> NDArray[np.float64]:
        """(P,) how well people of these expectations fit what is asked; higher is better."""
        fit = np.zeros(len(expected))
        for index, name in enumerate(self.vocabulary.attributes):
            if name in LASTING and name in asked:
                fit += np.minimum(expected[:, index] * asked[name], 1)
        if AGE in asked:
            fit -= np.nan_to_num(np.abs(self.vocabulary.ages_of(expected) - asked[AGE])) / DECADE
        return fit


def mixed(centres: NDArray[np.float32], count: int, rng: torch.Generator) -> Iterator[NDArray[np.float32]]:
    """`count` times the middle (D,) between a centre of (P, D) and one of the half that is less like it.

    Raises: DataError: fewer than two centres.
    """
    if len(centres) < 2:
        raise DataError("Mixing needs the centres of two people at least. Give more, or none.")
    for _ in range(count):
        first = int(torch.randint(len(centres), (), generator=rng))
        distant = np.argsort(centres @ centres[first])[: max(1, len(centres) // 2)]
        second = int(distant[int(torch.randint(len(distant), (), generator=rng))])
        yield unit(centres[first] + centres[second])


def _moments(around: NDArray[np.floating]) -> NDArray[np.float64]:
    """(V, V) mean products of the columns of (N, V), over the rows that know both; NaN stands for unknown."""
    known = ~np.isnan(around)
    values = np.nan_to_num(around).astype(np.float64)
    counts = known.T.astype(np.float64) @ known
    products: NDArray[np.float64] = values.T @ values / np.maximum(counts, 1)
    return np.where(counts > 0, products, np.eye(len(products)))


def _ridge(
    centres: NDArray[np.float32], attributes: NDArray[np.float32], strength: float = 10.0
) -> NDArray[np.float64]:
    """(D + 1, A): least squares from a centre (and 1) to the expected attribute, -1..1."""
    known = np.any(attributes != 0, axis=1) if attributes.shape[1] else np.zeros(len(attributes), bool)
    features = _with_one(centres)[known].astype(np.float64)
    penalty = strength * np.eye(features.shape[1])
    penalty[-1, -1] = 1e-6
    weights: NDArray[np.float64] = np.linalg.solve(
        features.T @ features + penalty, features.T @ attributes[known]
    )
    return weights


def _with_one(centres: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([centres, np.ones((len(centres), 1), np.float32)], axis=1)
