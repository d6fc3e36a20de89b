"""A finished run as weights to ship: half precision, a name, and thresholds for uncalibrated galleries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recog import calibration, checkpoints
from recog.cards import Card, CardEntry
from recog.embedding import KIND, Embedder
from recog.errors import DataError
from recog.faces import both_ways
from recog.records import Calibration
from recog.training.data import CropSet
from recog.training.whitening import whitened

FEWEST = 14  # people
FMRS = (0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4)
FPIRS = (0.1, 0.03, 0.01, 3e-3, 1e-3)
GALLERY_SIZES = (1, 3, 10, 30, 100, 300)  # people, one template each
DRAWS = 20  # random galleries a size


def pack(
    run: Path | str,
    out: Path | str,
    name: str,
    strangers: CropSet,
    *,
    whiten: CropSet | None = None,
    seed: int = 0,
) -> Embedder:
    """Write `run`'s weights to `out` in float16, with a card measured on `strangers`.

    Args:
        run: run directory or weights file.
        strangers: crops of people the model was not trained on; they are used for nothing else afterwards.
        whiten: labelled crops, those it was trained on for example, by which its vectors are whitened; names
            stand for people.
    Returns: the model as shipped; its digest is that of the rounded weights.
    Raises: ModelNotFound; DataError: too few people for the smallest gallery, or somebody is both whitened
    by and a stranger; TooFewPairs; WriteFailed.
    """
    both = set(whiten.identities) & set(strangers.identities) if whiten is not None else set()
    if both:
        raise DataError(
            f"{len(both)} people are strangers and whitened by as well, as {min(both)!r}: thresholds would "
            "be those of people it knows. Choose others by --role and --whiten-role, or give another folder."
        )
    trained = Embedder.load(run, device="cpu")
    if whiten is not None:
        trained = whitened(trained, whiten)
    tensors = {key: _rounded(value) for key, value in trained.network.state_dict().items()}
    trained.network.load_state_dict(tensors)  # the card belongs to the weights that are shipped
    card = measured_card(*both_ways(trained, np.asarray(strangers.images)), strangers.labels, seed)
    config = {**trained.config, "name": name, **card.to_config()}
    checkpoints.save(out, kind=KIND, config=config, tensors=tensors, dtype=torch.float16)
    return Embedder.load(out, device="cpu")


def measured_card(
    embeddings: NDArray[np.float32],
    mirrored: NDArray[np.float32],
    people: NDArray[np.int64],
    seed: int = 0,
) -> Card:
    """Impostor statistics: thresholds by FMR and, by gallery size, by FPIR, with intervals; and the odds.

    Args:
        embeddings: (N, D) unit vectors of people the model does not know.
        mirrored: (N,) cosine between each face and its mirror image.
        people: (N,) who each one is.
    Raises: DataError: fewer than 14 people; TooFewPairs: too few for the most lenient rate.
    """
    known = len(np.unique(people))
    if known < FEWEST:
        raise DataError(f"{known} people are too few to set thresholds; give at least {FEWEST}.")
    pairs = calibration.StrangerPairs.of(embeddings, people, seed)
    fmr = [
        CardEntry("fmr", found.rate, 0, found.threshold, _interval(found))
        for found in (pairs.threshold(rate, "card", seed) for rate in _shown(FMRS, known * (known - 1) // 2))
    ]
    sizes = [size for size in GALLERY_SIZES if size <= 0.75 * known]
    fpir = [entry for size in sizes for entry in _of_size(embeddings, people, size, seed)]
    worst, median = np.quantile(mirrored, [0.01, 0.5])
    return Card((*fmr, *fpir), pairs.odds, len(pairs.scores), (float(worst), float(median)))


def _of_size(
    embeddings: NDArray[np.float32], people: NDArray[np.int64], size: int, seed: int
) -> list[CardEntry]:
    """Thresholds by FPIR for random galleries of `size` people with one template each."""
    rng = np.random.default_rng([seed, size])
    draws = [_strangers_best(embeddings, people, size, rng) for _ in range(DRAWS)]
    best, owners = (np.concatenate(parts) for parts in zip(*draws, strict=True))
    which = np.repeat(np.arange(DRAWS), [len(scores) for scores, _ in draws])
    entries = []
    for rate in _shown(FPIRS, len(np.unique(people)) - size):
        found = calibration.for_query(best, owners, rate, "card", (size, size), which)
        entries.append(CardEntry("fpir", rate, size, found.threshold, _interval(found)))
    return entries


def _shown(rates: Sequence[float], count: int) -> list[float]:
    """The rates that this many strangers, or pairs of them, can show."""
    return [rate for rate in rates if calibration.can_show(count, rate)]


def _strangers_best(
    embeddings: NDArray[np.float32], people: NDArray[np.int64], size: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Best cosine of each stranger's photo to a random gallery, and whose photo it is."""
    enrolled = rng.choice(np.unique(people), size, replace=False)
    templates = [rng.choice(np.flatnonzero(people == person)) for person in enrolled]
    strangers = ~np.isin(people, enrolled)
    best: NDArray[np.float32] = (embeddings[strangers] @ embeddings[templates].T).max(axis=1)
    return best, people[strangers]


def _interval(found: Calibration) -> tuple[float, float] | None:
    return None if found.low is None or found.high is None else (found.low, found.high)


def _rounded(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half().float() if tensor.is_floating_point() else tensor
