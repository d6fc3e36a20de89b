"""Whitening: what tells photos of one person apart is made small beside what tells people apart.

Within-class covariance normalisation (Hatch et al. 2006, doi:10.21437/Interspeech.2006-183), learned from
labelled crops after the training: linear discriminant analysis of all dimensions, whose shrunk within-class
covariance becomes the unit matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from recog.embedding import Embedder
from recog.errors import DataError
from recog.models import Whitened, bare
from recog.training.data import CropSet

SHRINKAGE = 0.5  # of the covariance towards a multiple of the unit matrix, 0..1


@dataclass(frozen=True, eq=False)
class Whitening:
    """unit vectors -> (vectors - centre) @ matrix."""

    centre: NDArray[np.float64]  # (D,)
    matrix: NDArray[np.float64]  # (D, D)


def whitening(vectors: NDArray[np.float32], people: NDArray[np.int64]) -> Whitening:
    """Learn it from labelled vectors.

    Args:
        vectors: (N, D) unit vectors. people: (N,) who each one is.
    Raises: DataError: D people or fewer, or too few photos of each.
    """
    size, known = vectors.shape[1], len(np.unique(people))
    if known <= size or len(people) < 2 * known:
        raise DataError(
            f"Whitening {size} dimensions needs more than {size} people with two photos each and more; "
            f"these are {len(people)} photos of {known} people."
        )
    analysis = LinearDiscriminantAnalysis(solver="eigen", shrinkage=SHRINKAGE)
    analysis.fit(vectors.astype(np.float64), people)
    scale = np.sqrt(np.mean(analysis.scalings_**2) * size)  # directions matter, lengths do not: near 1 is
    return Whitening(vectors.mean(axis=0, dtype=np.float64), analysis.scalings_ / scale)  # kind to float16


def whitened(embedder: Embedder, crops: CropSet) -> Embedder:
    """The embedder with a whitening of its vectors behind it, in place of one that it may have.

    Args:
        crops: labelled, of people whom the model may learn from.
    Raises: DataError: nobody is named on some crop, or as `whitening`.
    """
    if (crops.labels < 0).any():
        raise DataError("Whitening needs to know who is on every crop.")
    network = Whitened(bare(embedder.network), embedder.embedding_size).to(embedder.device)
    config = {**embedder.config, "whitened": False}
    plain = Embedder.of_network(network.network, config, name=embedder.name, device=embedder.device)
    learned = whitening(plain.embed(np.asarray(crops.images), flip=False), crops.labels)
    network.learn(learned.centre, learned.matrix)
    config["whitened"] = True
    return Embedder.of_network(network, config, name=embedder.name, device=embedder.device)
