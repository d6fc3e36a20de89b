"""Whether made-up photos of a person show that person, and vary as photos do: by recogniser B."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from benchmarks import stats
from benchmarks.rows import Measurement
from recog.detection import Detector
from recog.errors import FaceError
from recog.vectors import centres

Vectors = NDArray[np.float32]  # (N, D) unit
Labels = NDArray[np.int64]
RESAMPLES = 300


def recognised(
    probes: Vectors, whose: Labels, references: Vectors, known: Labels, *, seed: int = 0
) -> list[Measurement]:
    """How well photos are told apart by other, real photos of the same people.

    Args:
        probes, whose: (N, D) photos that are judged, and the person 0..P-1 that each should show.
        references, known: (M, D) real photos that had no part in making them, of the same P people.
    Returns: AUC of single pairs, AUC and rank-1 against each person's mean of references.
    """
    people = int(known.max()) + 1
    templates = centres(references, known, people)
    by_template = probes @ templates.T  # (N, P)
    mated = whose[:, None] == np.arange(people)
    pairs = probes @ references.T
    first = by_template.argmax(axis=1) == whose
    auc = float(roc_auc_score(mated.ravel(), by_template.ravel()))

    def resampled(drawn: NDArray[np.integer]) -> NDArray[np.float64]:
        times = np.bincount(drawn, minlength=people).astype(np.float64)
        weights = times[whose][:, None] * np.where(mated, 1.0, times[None])
        kept = weights > 0
        return np.array([roc_auc_score(mated[kept], by_template[kept], sample_weight=weights[kept])])

    (interval,) = stats.bootstrap(resampled, people, resamples=RESAMPLES, seed=seed)
    return [
        Measurement(
            "identity AUC, pairs",
            float(roc_auc_score((whose[:, None] == known[None]).ravel(), pairs.ravel())),
            len(probes),
        ),
        Measurement("identity AUC", auc, len(probes), interval),
        Measurement(
            "rank-1", float(first.mean()), len(probes), stats.share_interval(first, whose, seed=seed)
        ),
    ]


def diversity(vectors: Vectors, whose: Labels) -> NDArray[np.float64]:
    """(P,) mean distance (1 - cosine) between photos of each person; NaN for who has one."""
    found = []
    for person in np.unique(whose):
        mine = vectors[whose == person].astype(np.float64)
        total, count = (mine @ mine.T).sum() - len(mine), len(mine) * (len(mine) - 1)
        found.append(1 - total / count if count else np.nan)
    return np.array(found)


def diversity_ratio(made: NDArray[np.float64], real: NDArray[np.float64]) -> Measurement:
    """Within-identity diversity of made-up photos over that of real photos of the same people."""
    known = ~(np.isnan(made) | np.isnan(real))
    made, real = made[known], real[known]
    (interval,) = stats.bootstrap(
        lambda drawn: np.array([made[drawn].mean() / real[drawn].mean()]), len(made), resamples=RESAMPLES
    )
    return Measurement(
        "within-identity diversity, of real", float(made.mean() / real.mean()), len(made), interval
    )


def detected(
    images: Sequence[NDArray[np.uint8]], whose: NDArray[np.generic], detector: Detector
) -> Measurement:
    """Share of crops in which the detector finds a face, each with its surroundings mirrored around it.

    Args:
        whose: (N,) of each crop.
    """
    flags = np.array([_found(image, detector) for image in images])
    interval = stats.share_interval(flags, whose)
    return Measurement("face found", float(flags.mean()), len(flags), interval)


def _found(image: NDArray[np.uint8], detector: Detector) -> bool:
    margin = len(image) // 4  # crops end at the chin: a detector needs what is around a face
    wide = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    large = np.repeat(np.repeat(wide, 2, axis=0), 2, axis=1)
    try:
        return bool(detector.detect(large))
    except FaceError:
        return False


def accuracy_score(made: Vectors, whose: Labels, real: Vectors, known: Labels, metric: str) -> Measurement:
    """Classification accuracy score (arXiv:1905.10887): learn people from `made`, tell them on `real` photos.

    The classifier is a logistic regression over recogniser B's vectors.
    """
    classifier = LogisticRegression(C=10.0, max_iter=300).fit(made, whose)
    right = classifier.predict(real) == known
    return Measurement(metric, float(right.mean()), len(right), stats.share_interval(right, known))
