"""Templates of any number of people who do not exist, spread as real ones are.

A person is a centre drawn from the normal distribution that real people's centres have, a photo a draw
around it with the spread that real photos have around theirs. Photos differ in how far they stray (a good
portrait, a bad snapshot): each has a scale of its own, log-normal, whose width is read off real photos too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.errors import DataError
from recog.vectors import unit

FEWEST_PHOTOS = 3  # of a person whose spread counts


@dataclass(frozen=True, eq=False)
class Population:
    """How templates of people spread."""

    mean: NDArray[np.float64]  # (D,)
    between: NDArray[np.float64]  # (D, D) a root of the covariance of people's centres
    within: NDArray[np.float64]  # (D, D) a root of that of photos around them
    straying: float  # standard deviation of the logarithm of a photo's variance

    @classmethod
    def of(cls, vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> Population:
        """That of real templates.

        Args:
            vectors: (N, D) unit vectors. labels: (N,) whose they are, 0, 1, ...
        Raises: DataError: fewer people with several photos than numbers in a vector.
        """
        counts = np.bincount(labels)
        used = counts[labels] >= FEWEST_PHOTOS
        people, labels = np.unique(labels[used], return_inverse=True)
        vectors = vectors[used].astype(np.float64)
        if len(people) <= vectors.shape[1]:
            raise DataError(
                f"{len(people)} people have {FEWEST_PHOTOS} photos or more; the spread of vectors of "
                f"{vectors.shape[1]} numbers takes more people than that. Give a larger folder."
            )
        counts = np.bincount(labels)
        centres = np.zeros((len(people), vectors.shape[1]))
        np.add.at(centres, labels, vectors)
        centres /= counts[:, None]
        apart = vectors - centres[labels]
        within = apart.T @ apart / (len(vectors) - len(people))
        between = np.cov(centres.T) - within * (1 / counts).mean()
        energy = np.einsum("nd,de,ne->n", apart, np.linalg.pinv(within), apart)
        energy /= 1 - 1 / counts[labels]  # a centre of few photos lies too near to each of them
        noise = 2 / vectors.shape[1]  # what this would vary by if all photos strayed alike
        straying = np.sqrt(max(0.0, np.log(energy).var() - noise))
        return cls(vectors.mean(axis=0), _root(between), _root(within), float(straying))

    def people(self, rng: np.random.Generator, count: int) -> NDArray[np.float32]:
        """Centres (count, D) of new people."""
        drawn = rng.standard_normal((count, len(self.mean)), np.float32)
        return (self.mean + drawn @ self.between.T).astype(np.float32)

    def photos(self, rng: np.random.Generator, centres: NDArray[np.float32]) -> NDArray[np.float32]:
        """A template (unit length) of each of these people (N, D)."""
        width = self.straying
        scale = np.exp(rng.normal(0, width, (len(centres), 1)) / 2 - width**2 / 4).astype(np.float32)
        drawn = rng.standard_normal(centres.shape, np.float32)
        return unit(centres + scale * (drawn @ self.within.T.astype(np.float32)))


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    values, axes = np.linalg.eigh(covariance)
    root: NDArray[np.float64] = axes * np.sqrt(np.clip(values, 0, None))
    return root
