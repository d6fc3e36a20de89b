"""How near one set of faces is to another, by features (N, F) of each: distances, and who lies among whom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance

from recog.errors import DataError

Features = NDArray[np.float32]  # (N, F)
FLOOR = 0.01  # of the median deviation: no feature counts as one that varies less
NEIGHBOURS = 5  # whose distance is the radius of a face's ball (arXiv:2002.09797, section 3.4)
BLOCKS = 10  # parts of the sets whose kernel distances say how much chance is in one
T_QUANTILE = 2.262  # Student's, 97.5 %, of as many parts


@dataclass(frozen=True)
class Scale:
    """Brings features to mean 0 and deviation 1, as those of a set of real faces have them."""

    mean: Features  # (1, F)
    deviation: Features  # (1, F)

    @classmethod
    def of(cls, real: Features) -> Scale:
        """That of these faces."""
        deviation = real.std(axis=0, keepdims=True)
        # a feature that is next to constant on real faces would otherwise decide everything
        floor = np.float32(FLOOR) * np.median(deviation) + np.float32(1e-12)
        return cls(real.mean(axis=0, keepdims=True), np.maximum(deviation, floor))

    def __call__(self, features: Features) -> Features:
        scaled: Features = ((features - self.mean) / self.deviation).astype(np.float32)
        return scaled


class _AsTheyAre(nn.Module):
    """Stands where torchmetrics has a network: the features are computed already."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.num_features = size

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


def kernel_distance(real: Features, fake: Features) -> float:
    """KID: squared maximum mean discrepancy under a cubic kernel, without bias (arXiv:1801.01401, section 4).

    0 on average for two draws from one distribution; may be a little below. Unlike torchmetrics', whose
    estimate needs sets of one size, it takes any two.
    """
    _require(real, fake)
    within = sum(_mean_apart(polynomial_kernel(x.astype(np.float64))) for x in (real, fake))
    across = polynomial_kernel(real.astype(np.float64), fake.astype(np.float64)).mean()
    return float(within - 2 * across)


def _mean_apart(kernel: NDArray[np.float64]) -> float:
    """Mean of a kernel (N, N) between different faces."""
    count = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))


def kernel_distance_error(real: Features, fake: Features) -> float:
    """Standard error of `kernel_distance`, from disjoint parts of both sets.

    Raises: DataError: fewer than two faces a part.
    """
    _require(real, fake, 2 * BLOCKS)
    parts = zip(np.array_split(real, BLOCKS), np.array_split(fake, BLOCKS), strict=True)
    values = [kernel_distance(a, b) for a, b in parts]
    return float(np.std(values, ddof=1) / np.sqrt(BLOCKS))


def frechet_distance(real: Features, fake: Features) -> float:
    """FID: distance of two normal distributions (arXiv:1706.08500, eq. 6); smaller sets give larger ones."""
    _require(real, fake)
    metric = FrechetInceptionDistance(feature=_AsTheyAre(real.shape[1]))
    metric.set_dtype(torch.float64)
    metric.update(torch.from_numpy(np.ascontiguousarray(real, np.float64)), real=True)
    metric.update(torch.from_numpy(np.ascontiguousarray(fake, np.float64)), real=False)
    return float(metric.compute())


@dataclass(frozen=True, eq=False)
class Share:
    """A mean over faces: of what each adds to it."""

    values: NDArray[np.float64]  # (N,)
    of_real: bool  # whether N are the real faces, or the fakes

    @property
    def value(self) -> float:
        """The mean."""
        return float(self.values.mean())


def among(real: Features, fake: Features, neighbours: int = NEIGHBOURS) -> dict[str, Share]:
    """Who lies in whose balls, each as large as the distance to a face's k-th neighbour in its own set.

    precision: share of fakes in a real face's ball; recall: share of real faces in a fake's ball (improved
    precision and recall, arXiv:1904.06991, section 3). density: mean number of real balls a fake is in, over
    k; coverage: share of real balls with a fake in them (arXiv:2002.09797, eq. 4 and 5).
    """
    _require(real, fake, neighbours + 1)
    trees = [NearestNeighbors(n_neighbors=neighbours + 1).fit(x) for x in (real, fake)]
    # a face's nearest neighbour in its own set is itself
    radii = [tree.kneighbors(x)[0][:, -1] for tree, x in zip(trees, (real, fake), strict=True)]
    distances = _distances(real, fake)
    in_real, in_fake = distances <= radii[0][:, None], distances <= radii[1][None]
    return {
        "precision": Share(in_real.any(axis=0).astype(np.float64), of_real=False),
        "recall": Share(in_fake.any(axis=1).astype(np.float64), of_real=True),
        "density": Share(in_real.sum(axis=0) / neighbours, of_real=False),
        "coverage": Share(in_real.any(axis=1).astype(np.float64), of_real=True),
    }


def _distances(real: Features, fake: Features) -> Features:
    """(R, K) Euclidean distances."""
    a, b = (torch.from_numpy(np.ascontiguousarray(x, np.float32)) for x in (real, fake))
    found: Features = torch.cdist(a, b).numpy()
    return found


def _require(real: Features, fake: Features, least: int = 2) -> None:
    if min(len(real), len(fake)) < least or real.shape[1:] != fake.shape[1:]:
        raise DataError(
            f"Sets of {real.shape} and {fake.shape} features cannot be compared; give {least} faces a set or "
            "more, with features of one kind."
        )
