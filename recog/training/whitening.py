"""Whitening: what tells photos of one person apart is made small beside what tells people apart.

Within-class covariance normalisation (Hatch et al. 2006, doi:10.21437/Interspeech.2006-183), learned from
labelled crops after the training: linear discriminant analysis of all dimensions, whose shrunk within-class
covariance becomes the unit matrix.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from recog.embedding import Embedder
from recog.errors import DataError
from recog.models import Whitened
from recog.training.data import CropSet

SHRINKAGE = 0.5  # of the covariance towards a multiple of the unit matrix, 0..1
Map = tuple[NDArray[np.float64], NDArray[np.float64]]


def whitening(vectors: NDArray[np.float32], people: NDArray[np.int64]) -> Map:
    """What to take off unit vectors, and what to multiply them by from the right.

    Args:
        vectors: (N, D) unit vectors. people: (N,) who each one is.
    Returns: (D,) and (D, D).
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
    return vectors.mean(axis=0, dtype=np.float64), analysis.scalings_ / scale  # kinder to half precision


def whitened(embedder: Embedder, crops: CropSet) -> Embedder:
    """The embedder with a whitening of its vectors behind it.

    Args:
        crops: labelled, of people whom the model may learn from.
    Raises: DataError: nobody is named on some crop, the model is whitened already, or as `whitening`.
    """
    if embedder.config.get("whitened"):
        raise DataError(f"{embedder.name} is whitened already.")
    if (crops.labels < 0).any():
        raise DataError("Whitening needs to know who is on every crop.")
    vectors = embedder.embed(np.asarray(crops.images), flip=False)
    centre, matrix = whitening(vectors, crops.labels)
    network = Whitened(embedder.network, embedder.embedding_size)
    with torch.no_grad():
        network.centre.copy_(torch.from_numpy(centre))
        network.matrix.copy_(torch.from_numpy(matrix))
    config = {**embedder.config, "whitened": True}
    return Embedder.of_network(network, config, name=embedder.name, device=embedder.device)
