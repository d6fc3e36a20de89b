"""Which synthetic faces are worth keeping: like the person they stand for, but clear and no copies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recog import quality
from recog.alignment import TEMPLATE_SIZE, AlignedCrops
from recog.embedding import Embedder
from recog.faces import both_ways
from recog.training.data import open_crops
from recog.training.embeddings import embeddings
from recog.vectors import centres

DUPLICATE = 0.98  # cosine from which two photos of a person say the same
COPY = 0.9  # cosine from which a made-up face repeats a training photo


@dataclass(frozen=True, eq=False)
class Learned:
    """What a generator learned from, for keeping away from it."""

    centres: NDArray[np.float32]  # (P, D) unit vectors of people
    vectors: NDArray[np.float32]  # (T, D) unit vectors of crops
    fingerprint: str  # of the crops

    @classmethod
    def open(cls, folder: Path, embedder: Embedder, roles: Path | None, role: str | None) -> Learned:
        """A folder of aligned crops, of which those are taken whose identities have this role.

        Raises: as `recog.training.open_crops`; WriteFailed: the cache of embeddings cannot be written.
        """
        crops = open_crops(folder, size=TEMPLATE_SIZE, roles=roles, role=role)
        vectors = embeddings(crops, embedder)
        return cls(centres(vectors, crops.labels, len(crops.identities)), vectors, crops.fingerprint)


@dataclass(frozen=True)
class Window:
    """Which cosines to the person's centre are wanted: neither another person nor the easiest photo.

    As real photos have them (semi-hard samples: CemiFace, arXiv:2409.18876). The default asks for the most
    alike there are.
    """

    low: float = 1.0
    high: float = 1.0
    hardest: bool = False  # of photos inside, those least alike come first; else the clearest

    def distance(self, similarities: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N,) how far outside cosines are; 0 inside."""
        beyond: NDArray[np.float32] = np.maximum(self.low - similarities, similarities - self.high)
        return np.maximum(beyond, np.float32(0))


@dataclass(frozen=True, eq=False)
class Scores:
    """What recogniser A says of N made-up photos of one person."""

    vectors: NDArray[np.float32]  # (N, D) unit
    similarities: NDArray[np.float32]  # (N,) cosine to the person's centre
    qualities: NDArray[np.float32]  # (N,) 0..1, as of enrolled photos
    copied: NDArray[np.float32]  # (N,) cosine to the most similar training photo; NaN: not compared

    @property
    def copies(self) -> NDArray[np.bool_]:
        """(N,) which repeat a training photo; none where that was not compared."""
        return self.copied >= COPY

    def take(self, kept: NDArray[np.int64]) -> Scores:
        """These photos' scores."""
        return Scores(self.vectors[kept], self.similarities[kept], self.qualities[kept], self.copied[kept])

    def described(self, index: int, window: Window) -> dict[str, float | bool]:
        """One photo's scores, for a manifest."""
        others = np.delete(self.vectors @ self.vectors[index], index)
        found: dict[str, float | bool] = {
            "identity_cosine": round(float(self.similarities[index]), 4),
            "quality": round(float(self.qualities[index]), 4),
            "in_window": bool(window.distance(self.similarities[index : index + 1])[0] == 0),
        }
        if len(others):
            found["nearest_photo"] = round(float(others.max()), 4)
        if not np.isnan(self.copied[index]):
            found["nearest_training_photo"] = round(float(self.copied[index]), 4)
            found["copy"] = bool(self.copies[index])
        return found


def scored(
    images: NDArray[np.uint8],
    centre: NDArray[np.float32],
    embedder: Embedder,
    training: NDArray[np.float32] | None = None,
) -> Scores:
    """Score made-up photos (N, S, S, 3) of the person with this centre (D,).

    Args:
        training: (T, D) unit vectors of the photos that the generator learned from.
    """
    vectors, mirrored = both_ways(embedder, images)
    usual, aligned = embedder.card.mirror, AlignedCrops()
    qualities = [
        quality.of_face(aligned.detect(image)[0], image, float(cosine), usual).score
        for image, cosine in zip(images, mirrored, strict=True)
    ]
    copied = np.full(len(images), np.nan) if training is None else (vectors @ training.T).max(axis=1)
    return Scores(
        vectors,
        (vectors @ centre).astype(np.float32),
        np.array(qualities, np.float32),
        copied.astype(np.float32),
    )


def chosen(scores: Scores, count: int, window: Window) -> NDArray[np.int64]:
    """Indices of the `count` photos worth most, ascending.

    Photos inside the window come first, the clearest, or the hardest, before others; then those nearest to
    it. Duplicates of better ones are taken if nothing else is left, and copies of training photos if no
    duplicates are left.
    """
    worth = -scores.similarities if window.hardest else scores.qualities
    order = np.lexsort((-worth, window.distance(scores.similarities), scores.copies))
    distinct = order[without_duplicates(scores.vectors[order])]
    ranked = np.concatenate([distinct, order[~np.isin(order, distinct)]])
    return np.sort(ranked[np.argsort(scores.copies[ranked], kind="stable")][:count])


def reasons(scores: Scores, kept: NDArray[np.int64], window: Window) -> dict[int, str]:
    """Why each of the others was not kept: copy, duplicate (of a kept one), outside_window, or less_clear."""
    outside = window.distance(scores.similarities) > 0
    found = {}
    for index in np.setdiff1d(np.arange(len(outside)), kept).tolist():
        repeated = float((scores.vectors[kept] @ scores.vectors[index]).max()) >= DUPLICATE
        flaws = {"copy": scores.copies[index], "duplicate": repeated, "outside_window": outside[index]}
        found[index] = next((flaw for flaw, has in flaws.items() if has), "less_clear")
    return found


def without_duplicates(vectors: NDArray[np.float32], limit: float = DUPLICATE) -> NDArray[np.int64]:
    """Indices of (N, D) unit vectors, in order, that no earlier kept one matches at `limit` or more."""
    kept: list[int] = []
    for index, vector in enumerate(vectors):
        if not kept or float((vectors[kept] @ vector).max()) < limit:
            kept.append(index)
    return np.array(kept, np.int64)
