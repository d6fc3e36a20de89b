"""Whether made-up faces repeat the faces that the generator learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats as scipy_stats
from sklearn.metrics import roc_auc_score

from benchmarks import stats
from benchmarks.judging.halves import MAKERS, half_of
from benchmarks.rows import Measurement
from generative.data import FaceData
from generative.synthesis import Synthesizer
from recog.errors import DataError

Features = NDArray[np.float32]  # (N, F)
Crops = NDArray[np.uint8]  # (N, S, S, 3)
DRAWS = 8  # faces that an attacker asks for about each photo
LEAST = 20  # photos a side


@dataclass(frozen=True, eq=False)
class Sides:
    """Photos that the check asks about."""

    asked: NDArray[np.int64]  # rows of people not learned from, for whom faces are made
    members: NDArray[np.int64]  # rows that were learned from
    others: NDArray[np.int64]  # rows that were not
    usable: NDArray[np.int64]  # all rows that were learned from, of people who are new to the judges

    @classmethod
    def drawn(cls, training: FaceData, held_out: FaceData, count: int, seed: int) -> Sides:
        """`count` rows a side, or as many as there are, of people who have another photo.

        Members are people of the makers' half: the judges, who learned from the other one, know neither side.

        Raises: DataError: too few of them.
        """
        rng = np.random.default_rng(seed)
        makers = np.array([half_of(name) == MAKERS for name in training.crops.identities])
        new = makers[training.crops.labels]
        usable = new & ~np.isnan(training.similarities)
        if usable.sum() < LEAST:
            raise DataError(
                f"{int(usable.sum())} training faces are of people who have another photo and are new to the "
                f"judges; a membership attack needs {LEAST}. Give more training faces, or none."
            )
        return cls(
            rng.permutation(len(held_out))[:count],
            rng.permutation(np.flatnonzero(usable))[:count],
            rng.permutation(np.flatnonzero(~np.isnan(held_out.similarities)))[:count],
            np.flatnonzero(new),
        )


def asked_again(synthesizer: Synthesizer, faces: FaceData, rows: NDArray[np.int64], seed: int) -> Crops:
    """(R * DRAWS, S, S, 3) faces of the person on each photo, by the person's other photos."""
    rng = torch.Generator().manual_seed(seed)
    centres = torch.from_numpy(faces.centres[rows])
    attributes = synthesizer.people.draw_attributes(centres, DRAWS, rng).flatten(0, 1)
    return synthesizer.faces(centres.repeat_interleave(DRAWS, dim=0), attributes, rng)


def nearest(features: Features, others: Features, block: int = 256) -> NDArray[np.float64]:
    """(N,) Euclidean distance of each face to the nearest of the others."""
    squares = (others.astype(np.float64) ** 2).sum(axis=1)
    found = []
    for at in range(0, len(features), block):
        part = features[at : at + block].astype(np.float64)
        distances = (part**2).sum(axis=1)[:, None] - 2 * part @ others.T.astype(np.float64) + squares
        found.append(np.sqrt(np.maximum(distances.min(axis=1), 0)))
    return np.concatenate(found)


def too_near(made: Features, held_out: Features, training: Features, metric: str) -> list[Measurement]:
    """One-sided Kolmogorov-Smirnov test: are made-up faces nearer to training faces than others' faces are?

    Args:
        made: (N, F) made-up faces. held_out: (M, F) real faces of people who were not learned from.
        training: (T, F) faces that were.
    Returns: the p-value of "not nearer" (small: nearer, a leak), with the largest gap of the distributions
    in its details.
    """
    distances = [nearest(faces, training) for faces in (made, held_out)]
    found = scipy_stats.ks_2samp(distances[0], distances[1], alternative="greater")
    details = {
        "gap": round(float(found.statistic), 4),
        "median distance": [round(float(np.median(d)), 4) for d in distances],
    }
    return [Measurement(f"{metric}, KS p", float(found.pvalue), len(made), details=details)]


def nearer(
    made: Features, training: Features, others: Features, people: NDArray[np.int64], metric: str
) -> Measurement:
    """Share of made-up faces that are nearer to a training face than to any of as many others.

    After Platzer and Reutterer (arXiv:2104.00635): half, where training faces are no more repeated than
    faces never seen are. How typical made-up faces are does not matter, as it does for the test above.

    Args:
        made: (N, F). training, others: (M, F) real faces, learned from and not. people: (N,) for whom each
            was made; resampled as wholes.
    """
    near, far = nearest(made, training), nearest(made, others)
    sooner = (near < far) + 0.5 * (near == far)
    interval = stats.over_people(lambda times: float(times @ sooner / times.sum()), people)
    return Measurement(f"{metric}, nearer than a stranger's", float(sooner.mean()), len(made), interval)


def membership(
    members: NDArray[np.floating],
    others: NDArray[np.floating],
    people: tuple[NDArray[np.int64], NDArray[np.int64]],
    metric: str,
) -> list[Measurement]:
    """GAN-Leaks (arXiv:1909.03935, section 5.1), asking a conditional generator for the very person.

    The attacker asks for faces of the person on a photo and takes the photo for learned from when one of them
    comes near it.

    Args:
        members, others: (N,) distance of each photo that was learned from, and of each that was not, to the
            nearest face made for its person.
        people: (N,) whose photos these are, of either; resampled as wholes.
    Returns: AUC of telling members from others, with its 95 % interval: 0.5 is chance.
    """
    scores = -np.concatenate([members, others])
    truth = np.repeat([True, False], [len(members), len(others)])
    whose = np.concatenate([people[0], people[1] + people[0].max() + 1])

    def auc(times: NDArray[np.floating]) -> float:
        if not times[truth].any() or not times[~truth].any():
            return float("nan")
        return float(roc_auc_score(truth, scores, sample_weight=times))

    interval = stats.over_people(auc, whose)
    return [Measurement(f"{metric}, AUC", auc(np.ones(len(truth))), len(truth), interval)]


def to_nearest(photos: Features, made: Features) -> NDArray[np.float64]:
    """(N,) Euclidean distance of each photo (N, F) to the nearest of its own faces (N * DRAWS, F)."""
    own = made.reshape(len(photos), DRAWS, -1).astype(np.float64)
    apart = np.linalg.norm(own - photos[:, None], axis=2)
    found: NDArray[np.float64] = apart.min(axis=1)
    return found
