"""A finished run as weights to ship: half precision, a name, and thresholds for uncalibrated galleries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recog import calibration, checkpoints
from recog.embedding import KIND, Embedder
from recog.errors import DataError
from recog.training.data import CropSet

GALLERY_SIZES = (10, 30, 100, 300)  # people, one template each
DRAWS = 20  # random galleries a size


def pack(run: Path | str, out: Path | str, name: str, strangers: CropSet, seed: int = 0) -> Embedder:
    """Write `run`'s weights to `out` in float16, with thresholds measured on `strangers`.

    Args:
        run: run directory or weights file.
        strangers: crops of people the model was not trained on; they are used for nothing else afterwards.
    Returns: the model as shipped; its digest is that of the rounded weights.
    Raises: ModelNotFound; DataError: too few people for the smallest gallery; TooFewPairs; WriteFailed.
    """
    trained = Embedder.load(run, device="cpu")
    tensors = {key: _rounded(value) for key, value in trained.network.state_dict().items()}
    trained.network.load_state_dict(tensors)  # thresholds belong to the weights that are shipped
    thresholds = card_thresholds(trained.embed(np.asarray(strangers.images)), strangers.labels, seed)
    config = {**trained.config, "name": name, "thresholds": thresholds}
    checkpoints.save(out, kind=KIND, config=config, tensors=tensors, dtype=torch.float16)
    return Embedder.load(out, device="cpu")


def card_thresholds(
    embeddings: NDArray[np.float32], people: NDArray[np.int64], seed: int = 0
) -> dict[str, float]:
    """Cosine thresholds for FMR 1e-3 and, by gallery size, for FPIR 1e-2.

    Args:
        embeddings: (N, D) unit vectors of people the model does not know.
        people: (N,) who each one is.
    Returns: keys "fmr_0.001" and "fpir_0.01_PEOPLE".
    """
    verify = calibration.for_verify(embeddings, people, calibration.FMR, "card", seed)
    found = {f"fmr_{calibration.FMR:g}": verify.threshold}
    rng = np.random.default_rng(seed)
    for size in GALLERY_SIZES:
        if 2 * size > len(np.unique(people)) * 1.5:
            continue
        best = np.concatenate([_strangers_best(embeddings, people, size, rng) for _ in range(DRAWS)])
        threshold = calibration.threshold_for_new(best, calibration.FPIR)
        found[f"fpir_{calibration.FPIR:g}_{size}"] = threshold
    if len(found) == 1:
        raise DataError(f"{len(np.unique(people))} people are too few to set thresholds; give at least 14.")
    return {key: round(value, 4) for key, value in found.items()}


def _strangers_best(
    embeddings: NDArray[np.float32], people: NDArray[np.int64], size: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Best cosine of each stranger's photo to a random gallery of `size` people with one template each."""
    enrolled = rng.choice(np.unique(people), size, replace=False)
    templates = [rng.choice(np.flatnonzero(people == person)) for person in enrolled]
    strangers = ~np.isin(people, enrolled)
    best: NDArray[np.float32] = (embeddings[strangers] @ embeddings[templates].T).max(axis=1)
    return best


def _rounded(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half().float() if tensor.is_floating_point() else tensor
