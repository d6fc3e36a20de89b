"""Whether made-up faces repeat the faces that the generator learned from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats as scipy_stats
from sklearn.metrics import roc_auc_score

from benchmarks import stats
from benchmarks.rows import Measurement

Features = NDArray[np.float32]


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


def membership(
    members: Features,
    others: Features,
    made: Features,
    people: tuple[NDArray[np.int64], NDArray[np.int64]],
    metric: str,
) -> list[Measurement]:
    """GAN-Leaks (arXiv:1909.03935, section 5.1, full black box): a face near a made-up one was a member.

    Args:
        members, others: (N, F) faces that were learned from, and faces that were not. made: (M, F).
        people: (N,) whose faces these are, of either; resampled as wholes.
    Returns: AUC of telling members from others, with its 95 % interval: 0.5 is chance.
    """
    scores = -np.concatenate([nearest(members, made), nearest(others, made)])
    truth = np.repeat([True, False], [len(members), len(others)])
    whose = np.concatenate([people[0], people[1] + people[0].max() + 1])
    names, codes = np.unique(whose, return_inverse=True)

    def resampled(drawn: NDArray[np.integer]) -> NDArray[np.float64]:
        weights = np.bincount(drawn, minlength=len(names))[codes].astype(np.float64)
        if not weights[truth].any() or not weights[~truth].any():
            return np.array([np.nan])
        return np.array([roc_auc_score(truth, scores, sample_weight=weights)])

    (interval,) = stats.bootstrap(resampled, len(names), resamples=500)
    return [Measurement(f"{metric}, AUC", float(roc_auc_score(truth, scores)), len(truth), interval)]
