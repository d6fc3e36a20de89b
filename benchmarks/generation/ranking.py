"""Pictures of the best, of any, and of the worst faces that a generator makes of people who do not exist."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from benchmarks.generation.fidelity import NEIGHBOURS
from benchmarks.generation.subjects import Crops
from generative.grids import sheet
from generative.synthesis import Synthesizer

DRAWN = 512  # people, a face each
ACROSS = 12  # faces of each row


def faces_of_nobody(synthesizer: Synthesizer, count: int, seed: int) -> Crops:
    """A face each of made-up people."""
    rng = torch.Generator().manual_seed(seed)
    centres = synthesizer.people.draw(count, rng)
    attributes = synthesizer.people.draw_attributes(centres, 1, rng)[:, 0]
    return synthesizer.faces(centres, attributes, rng)


def best_any_worst(faces: Crops, features: NDArray[np.float32], real: NDArray[np.float32]) -> bytes:
    """A PNG of three rows: the faces nearest to real ones, the first as they come, and the farthest.

    Args:
        faces: (N, S, S, 3), N >= 1. features: (N, F) of them; real: (R, F) of real photos, R >= 5: a face is
            as far as the fifth nearest photo.
    """
    tree = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(real)
    order = np.argsort(tree.kneighbors(features)[0][:, -1], kind="stable")
    rows = [order[:ACROSS], np.arange(len(faces))[:ACROSS], order[::-1][:ACROSS]]
    return sheet([[faces[index] for index in row] for row in rows])
