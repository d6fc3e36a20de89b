"""Where the identities of new people come from: the spread of real identity centres, as a small Gaussian.

A generator's checkpoint carries it, so that people can be made up with no photo of anybody at hand. No
real person's vector is stored.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generative.data import LASTING, FaceData

RANK = 48  # directions kept; the rest of the variance is spread evenly


class PeopleModel:
    """Draws identity centres (P, D) and attributes that go with them."""

    def __init__(self, tensors: dict[str, Tensor], attribute_names: tuple[str, ...]) -> None:
        self.mean = tensors["mean"].float()  # (D,)
        self.basis = tensors["basis"].float()  # (R, D), rows scaled to one standard deviation
        self.rest = tensors["rest"].float()  # () standard deviation per dimension outside the basis
        self.attribute_weights = tensors["attribute_weights"].float()  # (D + 1, A)
        self.attribute_names = attribute_names

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
        tensors = {
            "mean": mean,
            "basis": deviations[:kept, None] * directions[:kept],
            "rest": np.array(rest),
            "attribute_weights": _ridge(data.centres, data.attributes),
        }
        as_torch = {
            name: torch.from_numpy(np.ascontiguousarray(value)).float() for name, value in tensors.items()
        }
        return cls(as_torch, data.attribute_names)

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint stores."""
        return {
            "mean": self.mean,
            "basis": self.basis,
            "rest": self.rest,
            "attribute_weights": self.attribute_weights,
        }

    def draw(self, count: int, rng: torch.Generator) -> Tensor:
        """(count, D) unit vectors of people who do not exist."""
        centres = self.mean + torch.randn(count, len(self.basis), generator=rng) @ self.basis
        centres = centres + self.rest * torch.randn(count, len(self.mean), generator=rng)
        return torch.nn.functional.normalize(centres, dim=1)

    def draw_attributes(self, centres: Tensor, photos: int, rng: torch.Generator) -> Tensor:
        """(P, photos, A) of -1 or 1 that fit centres (P, D): some hold for a person, some for a photo."""
        people, names = len(centres), self.attribute_names
        expected = (torch.cat([centres, torch.ones(people, 1)], dim=1) @ self.attribute_weights).clamp(
            -0.96, 0.96
        )
        chance = torch.rand(people, photos, len(names), generator=rng)
        lasting = torch.tensor([name in LASTING for name in names], dtype=torch.bool)
        # what a person is follows the likelier side; how a photo shows them varies as in the training set
        chance = torch.where(lasting, torch.full_like(chance, 0.5), chance)
        return torch.where(chance < (expected[:, None] + 1) / 2, 1.0, -1.0)


def _ridge(
    centres: NDArray[np.float32], attributes: NDArray[np.float32], strength: float = 10.0
) -> NDArray[np.float64]:
    """(D + 1, A): least squares from a centre (and 1) to the expected attribute, -1..1."""
    known = np.any(attributes != 0, axis=1) if attributes.shape[1] else np.zeros(len(attributes), bool)
    features = np.concatenate([centres, np.ones((len(centres), 1), np.float32)], axis=1)[known].astype(
        np.float64
    )
    penalty = strength * np.eye(features.shape[1])
    penalty[-1, -1] = 1e-6
    weights: NDArray[np.float64] = np.linalg.solve(
        features.T @ features + penalty, features.T @ attributes[known]
    )
    return weights
