"""How near repaired faces are to the clean ones, pixel by pixel."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.image import structural_similarity_index_measure

from benchmarks.repair.cases import Crops

CHUNK = 64  # faces whose SSIM is measured at once
PEAK = 255.0


def psnr(faces: Crops, clean: Crops) -> NDArray[np.float64]:
    """(N,) dB of each face; of one that is the same in every pixel, that of half a level."""
    errors = np.square(faces.astype(np.float64) - clean).mean(axis=(1, 2, 3))
    levels: NDArray[np.float64] = 10 * np.log10(PEAK**2 / np.maximum(errors, 0.25))
    return levels


def ssim(faces: Crops, clean: Crops) -> NDArray[np.float64]:
    """(N,) of each face (Wang et al. 2004)."""
    found = []
    for at in range(0, len(faces), CHUNK):
        made, wanted = (
            torch.from_numpy(np.array(one[at : at + CHUNK])).permute(0, 3, 1, 2).float()
            for one in (faces, clean)
        )
        score = structural_similarity_index_measure(made, wanted, data_range=PEAK, reduction="none")
        found.append(torch.as_tensor(score).double().numpy())
    return np.concatenate(found)
