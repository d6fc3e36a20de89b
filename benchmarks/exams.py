"""Trials: the pairs of photos that a model is asked about. An exam: trials on faces that were prepared once.

A photo in which no face is found stays in the denominator: its comparisons score -1, so a mated pair is a
miss and a non-mated pair is refused.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import photos
from benchmarks.pairs import Pairs, all_pairs, random_folds, read_pairs
from benchmarks.rows import label
from recog.errors import DataError
from recog.faces import DetectorLike, EmbedderLike
from recog.training.data import CropSet

NO_FACE = -1.0  # the lowest cosine: never a match
MOST_NON_MATED = 2_000_000
CHUNK = 100_000  # pairs compared at once: 100 MB of two 128-d sides


@dataclass(frozen=True, eq=False)
class Trials:
    """N pairs of P photos, and which of these gave a face."""

    data: str  # what reports call the photos
    protocol: str  # how faces were prepared and pairs drawn
    found: NDArray[np.bool_]  # (P,) whether the photo gave a face
    pairs: Pairs
    detected: bool = field(default=False, kw_only=True)  # faces were searched for; else they were given
    seconds: float = field(default=0.0, kw_only=True)  # that preparing took

    def balanced(self, seed: int = 0) -> NDArray[np.int64]:
        """Pairs of which half are mated: all of the rarer kind, as many of the other drawn with this seed."""
        kinds = [np.flatnonzero(self.pairs.mated), np.flatnonzero(~self.pairs.mated)]
        count = min(len(kind) for kind in kinds)
        generator = np.random.default_rng(seed)
        return np.sort(np.concatenate([generator.choice(kind, count, replace=False) for kind in kinds]))

    def folds(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """Folds of these pairs: those of the list, or ten at random."""
        listed = self.pairs.folds
        return random_folds(self.pairs.mated[chosen]) if listed is None else listed[chosen]

    def digest(self) -> str:
        """Changes with the photos asked for, what was made of them, and the pairs."""
        sha = hashlib.sha256("\n".join(self.pairs.photos).encode())
        for part in self._hashed():
            sha.update(np.ascontiguousarray(part).tobytes())
        return sha.hexdigest()

    def _hashed(self) -> tuple[NDArray[np.generic], ...]:
        return self.pairs.left, self.pairs.right, self.pairs.mated, self.found


@dataclass(frozen=True, eq=False)
class Exam(Trials):
    """Trials on crops that every embedder gets."""

    crops: NDArray[np.uint8]  # (P, S, S, 3) RGB, aligned

    def scores(self, embedder: EmbedderLike, flip: bool = True) -> NDArray[np.float64]:
        """(N,) cosine of each pair; -1 where one of the photos has no face. `flip`: see `Embedder.embed`."""
        return compare(embedder.embed(self.crops, flip=flip), self.found, self.pairs)

    def _hashed(self) -> tuple[NDArray[np.generic], ...]:
        return *super()._hashed(), self.crops


def of_pairs(
    folder: Path,
    pairs_file: Path,
    size: int,
    *,
    detector: DetectorLike | None = None,
    landmarks: Path | None = None,
) -> Exam:
    """A list of pairs of photos.

    Args:
        folder: photos; with neither detector nor landmarks they are aligned crops.
        pairs_file: see `benchmarks.pairs.read_pairs`.
        size: px of the crops.
        detector: finds the faces of original photos; the largest central one counts.
        landmarks: published landmarks to align by, instead of a detector.
    Raises: DataError: photos, pairs or landmarks cannot be used.
    """
    started = time.perf_counter()
    pairs = read_pairs(pairs_file, folder)
    if landmarks is not None:
        how = "published landmarks"
        crops, found = photos.from_landmarks(folder, pairs.photos, size, photos.read_landmarks(landmarks))
    elif detector is not None:
        how = "MTCNN, largest central face; without a face a photo matches nobody"
        crops, found = photos.from_photos(folder, pairs.photos, size, detector)
    else:
        how = "aligned crops"
        crops, found = photos.from_crops(folder, pairs.photos, size)
    return Exam(
        f"{label(folder)}, {pairs_file.name}",
        f"{folds_of(pairs)}; {how}",
        found,
        pairs,
        crops,
        detected=landmarks is None and detector is not None,
        seconds=time.perf_counter() - started,
    )


def folds_of(pairs: Pairs) -> str:
    """What protocols say of the folds of a list."""
    if pairs.folds is None:
        return "10 folds drawn at random, seed 0"
    return f"{len(np.unique(pairs.folds))} folds as listed"


def of_crops(crops: CropSet, data: str, *, most_non_mated: int = MOST_NON_MATED, seed: int = 0) -> Exam:
    """All mated pairs of aligned crops and all non-mated ones, or a seeded sample of them.

    Raises: TooFewPairs: no person with two photos, or a single person.
    """
    pairs = all_pairs(crops.labels, crops.files, most_non_mated=most_non_mated, seed=seed)
    complete = len(pairs) == len(crops) * (len(crops) - 1) // 2
    drawn = "all pairs" if complete else f"all mated and {most_non_mated:,} non-mated pairs"
    return Exam(data, f"{drawn}; aligned crops", np.ones(len(crops), np.bool_), pairs, crops.images)


def compare(
    vectors: NDArray[np.float32], found: NDArray[np.bool_] | Sequence[bool], pairs: Pairs
) -> NDArray[np.float64]:
    """(N,) cosine of each pair; -1 where one of the photos has no face.

    Args:
        vectors: (P, D) unit vectors.
        found: (P,) whether the photo has a face.
    """
    scores = np.full(len(pairs), NO_FACE)
    for at in range(0, len(pairs), CHUNK):
        part = slice(at, at + CHUNK)
        scores[part] = np.einsum("nd,nd->n", vectors[pairs.left[part]], vectors[pairs.right[part]])
    present = np.asarray(found)
    return np.where(present[pairs.left] & present[pairs.right], scores, NO_FACE)


def require_disjoint(learned: CropSet, exams: Sequence[Trials]) -> None:
    """Names stand for people: the folders are of one data set.

    Raises: DataError: somebody is both among the crops that are learned from and in an exam.
    """
    for exam in exams:
        both = set(learned.identities) & {photo.partition("/")[0] for photo in exam.pairs.photos}
        if both:
            raise DataError(
                f"{len(both)} people are both learned from and in {exam.data}, as {min(both)!r}: the exam "
                "would be of people that were trained on. Give --roles, or another folder."
            )
