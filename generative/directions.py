"""In which direction a VAE's codes of faces with an attribute differ from those of faces without."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generative.conditions import AGE
from generative.data import FaceData, condition
from generative.models.vae import VAE
from recog.pixels import scaled

FACES = 4096  # whose codes are compared, at most
BATCH = 64  # faces a forward pass
RIDGE = 1.0  # strength of the regression's penalty


@torch.no_grad()
def directions(network: VAE, data: FaceData) -> Tensor:
    """(names, Z) how codes move from faces without to faces with each attribute, and with each year of age.

    Least squares of the codes on all attributes and the age at once, so that a direction does not carry
    along what merely goes with it; the encoder is told no attributes, so that the code has to say them.
    """
    vocabulary = data.vocabulary
    chosen = np.random.default_rng(0).permutation(len(data))[:FACES]
    values = vocabulary.values(data.attributes[chosen])
    values[AGE] = np.nan_to_num(values[AGE] - np.nanmean(values[AGE])) if vocabulary.ages else np.zeros(0)
    known = np.stack([values[name] for name in vocabulary.names], axis=1)  # (N, names)
    place = next(network.parameters()).device
    codes = []
    for at in range(0, len(chosen), BATCH):
        rows = chosen[at : at + BATCH]
        images = scaled(torch.from_numpy(data.crops.images[rows]).permute(0, 3, 1, 2)).to(place)
        nothing = torch.zeros(len(rows), len(vocabulary))
        given = condition(torch.from_numpy(data.centres[rows]), nothing).to(place)
        codes.append(network.encode(images, given)[0].float().cpu().numpy())
    slopes = _slopes(known, np.concatenate(codes))
    steps = np.array([1.0 if name == AGE else 2.0 for name in vocabulary.names])
    return torch.from_numpy((slopes * steps[:, None]).astype(np.float32))


def _slopes(known: NDArray[np.floating], codes: NDArray[np.floating]) -> NDArray[np.float64]:
    """(names, Z) regression of codes on what is known, both centred."""
    x, y = known - known.mean(axis=0), codes - codes.mean(axis=0)
    slopes: NDArray[np.float64] = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y)
    return slopes
