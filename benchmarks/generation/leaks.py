"""Distances to the faces that a generator learned from, and what they say: formulas of `leak_check`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats as scipy_stats
from sklearn.metrics import roc_auc_score

from benchmarks import stats
from benchmarks.rows import Measurement

Features = NDArray[np.float32]  # (N, F)
PERMUTATIONS = 2000
DRAWS = 8  # faces that an attacker asks for about each photo


def neighbours(
    features: Features, others: Features, block: int = 256
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(N,) Euclidean distance of each face to the nearest of the others, and (N,) which that is."""
    squares = (others.astype(np.float64) ** 2).sum(axis=1)
    found, which = [], []
    for at in range(0, len(features), block):
        part = features[at : at + block].astype(np.float64)
        distances = (part**2).sum(axis=1)[:, None] - 2 * part @ others.T.astype(np.float64) + squares
        which.append(distances.argmin(axis=1))
        found.append(np.sqrt(np.maximum(distances.min(axis=1), 0)))
    return np.concatenate(found), np.concatenate(which)


def nearest(features: Features, others: Features, block: int = 256) -> NDArray[np.float64]:
    """(N,) Euclidean distance of each face to the nearest of the others."""
    return neighbours(features, others, block)[0]


def too_near(near: NDArray[np.float64], usual: NDArray[np.float64], metric: str) -> Measurement:
    """One-sided Kolmogorov-Smirnov test: are made-up faces nearer to training faces than others' faces are?

    A small p-value need not be a leak: faces more typical than photos are nearer to all photos.

    Args:
        near: (N,) distances of made-up faces to the nearest training face. usual: (M,) those of real faces of
            people who were not learned from.
    Returns: the p-value of "not nearer", with the largest gap of the distributions in its details.
    """
    found = scipy_stats.ks_2samp(near, usual, alternative="greater")
    details = {
        "gap": round(float(found.statistic), 4),
        "median distance": [round(float(np.median(d)), 4) for d in (near, usual)],
    }
    return Measurement(f"{metric}, KS p", float(found.pvalue), len(near), details=details)


def nearer(
    made: Features,
    learned: Features,
    strange: Features,
    people: tuple[NDArray[np.int64], NDArray[np.int64]],
    metric: str,
    seed: int = 0,
) -> list[Measurement]:
    """How often the real face nearest to a made-up one was learned from, rather than a stranger's.

    After Platzer and Reutterer (arXiv:2104.00635): half, where nothing is repeated, however typical made-up
    faces are. Few real faces are the nearest of many, so it is people that are resampled and permuted.

    Args:
        made: (N, F). learned, strange: (L, F) and (S, F) real faces of equally many people.
        people: (L,) and (S,) 0..P-1, whose these are.
    Returns: the share, with its 95 % interval, and the p-value of "no more often than if it were by chance
    who of all of them was learned from" (small: a leak).
    """
    to_learned, to_strange = (neighbours(made, side) for side in (learned, strange))
    sooner = to_learned[0] < to_strange[0]
    counts = [
        np.bincount(people[side][rows][chosen], minlength=int(people[side].max()) + 1).astype(np.float64)
        for side, (rows, chosen) in enumerate(((to_learned[1], sooner), (to_strange[1], ~sooner)))
    ]

    def share(times: NDArray[np.floating]) -> float:
        nearest_of = [
            side @ part for side, part in zip(counts, np.split(times, [len(counts[0])]), strict=True)
        ]
        return float(nearest_of[0] / sum(nearest_of)) if sum(nearest_of) else float("nan")

    everyone = np.arange(sum(map(len, counts)))
    by_chance = scipy_stats.permutation_test(
        counts,
        lambda a, b, axis: a.sum(axis=axis) - b.sum(axis=axis),
        vectorized=True,
        alternative="greater",
        n_resamples=PERMUTATIONS,
        rng=np.random.default_rng(seed),
    )
    return [
        Measurement(
            f"{metric}, nearer than a stranger's",
            float(sooner.mean()),
            len(made),
            stats.over_people(share, everyone),
        ),
        Measurement(f"{metric}, nearer than a stranger's, p", float(by_chance.pvalue), len(made)),
    ]


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
