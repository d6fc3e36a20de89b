"""Error rates of verification (terms: ISO/IEC 19795-1).

Scores are cosines, higher is more alike; a comparison at or above the threshold is a match.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, roc_auc_score, roc_curve

from recog.calibration import require
from recog.errors import TooFewPairs

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]


class Ranking:
    """Comparisons sorted once.

    A bootstrap asks for the same operating point thousands of times with other weights; sklearn's roc_curve
    would sort two million scores each time (0.4 s against 0.02 s here). Tests hold it to roc_curve.
    """

    def __init__(self, scores: Floats, mated: Bools) -> None:
        """
        Args:
            scores: (N,) cosines.
            mated: (N,) True where both faces are one person.
        Raises: TooFewPairs: mated or non-mated comparisons are missing.
        """
        if not mated.any() or mated.all():
            raise TooFewPairs("Error rates need mated and non-mated pairs; one kind is missing.")
        self.order = np.argsort(-scores, kind="stable")
        self.scores = scores[self.order]
        self.mated = mated[self.order]
        # a threshold cannot fall between equal scores
        self._ends = np.flatnonzero(np.append(np.diff(self.scores) != 0, True))

    def tar_at_fmr(self, fmr: float, weights: Floats | None = None) -> float:
        """True-accept rate, 0..1, at the lowest threshold where at most `fmr` of non-mated pairs match.

        Args:
            fmr: false-match rate as a fraction; 1e-3 is 0.1 %.
            weights: (N,) how often each comparison counts, in the order given to the constructor.
        Raises: TooFewPairs: under 1/fmr non-mated pairs cannot show this rate.
        """
        accepted, rejected = self._cumulated(weights)
        if not accepted[-1] or not rejected[-1]:
            raise TooFewPairs("A resample lacks mated or non-mated pairs: too few people for an interval.")
        last = self._last_allowed(rejected, fmr)
        return 0.0 if last is None else float(accepted[last] / accepted[-1])

    def threshold_at_fmr(self, fmr: float) -> float:
        """The lowest score where at most `fmr` of non-mated pairs match; infinite where none does.

        Raises: TooFewPairs: as `tar_at_fmr`.
        """
        last = self._last_allowed(self._cumulated(None)[1], fmr)
        return float("inf") if last is None else float(self.scores[self._ends[last]])

    def _last_allowed(self, rejected: Floats, fmr: float) -> int | None:
        """Which of the distinct scores, from above, is the last to keep this rate."""
        require(int((~self.mated).sum()), fmr, "An FMR", "non-mated comparisons")
        # the tolerance keeps 3 of 3,000 within 1e-3 whatever the rounding of the sums
        allowed = np.flatnonzero(rejected <= fmr * rejected[-1] * (1 + 1e-9))
        return int(allowed[-1]) if len(allowed) else None

    def _cumulated(self, weights: Floats | None) -> tuple[Floats, Floats]:
        """Weight of mated and of non-mated pairs at or above each distinct score."""
        w = np.ones(len(self.scores)) if weights is None else weights[self.order]
        return np.cumsum(w * self.mated)[self._ends], np.cumsum(w * ~self.mated)[self._ends]


def roc_points(scores: Floats, mated: Bools, count: int = 25) -> list[list[float]]:
    """[FMR, TAR] at FMRs evenly spaced in the logarithm, as far down as the non-mated pairs show them."""
    ranking = Ranking(scores, mated)
    lowest = max(1e-5, 1 / max(int((~mated).sum()), 1))
    fmrs = [float(fmr) for fmr in np.geomspace(lowest, 1.0, count) if fmr < 1]
    points = [[float(f"{fmr:.3g}"), round(ranking.tar_at_fmr(fmr), 5)] for fmr in fmrs]
    return [*points, [1.0, 1.0]]


def auc_score(scores: Floats, mated: Bools) -> float:
    """Area under the ROC curve: how often a mated pair scores above a non-mated one, 0..1."""
    return float(roc_auc_score(mated, scores))


def best_threshold(scores: Floats, mated: Bools) -> float:
    """The threshold with the fewest errors, half-way to the next lower score; ties give the highest."""
    fpr, tpr, thresholds = roc_curve(mated, scores, drop_intermediate=False)
    correct = tpr * mated.sum() + (1 - fpr) * (~mated).sum()
    best = int(np.argmax(correct))
    upper = min(float(thresholds[best]), float(scores.max()) + 1.0)  # roc_curve starts at infinity
    lower = float(thresholds[best + 1]) if best + 1 < len(thresholds) else upper - 1.0
    return (upper + lower) / 2


def accuracy_by_fold(scores: Floats, mated: Bools, folds: NDArray[np.integer]) -> Floats:
    """LFW's protocol: each fold is judged at the threshold that is best on all the others.

    Args:
        scores, mated: (N,), as above.
        folds: (N,) number of the fold of each pair.
    Returns: (F,) accuracy of each fold, 0..1, in order of fold number.
    Raises: TooFewPairs: fewer than two folds, or the other folds lack mated or non-mated pairs.
    Source: Huang et al., Labeled Faces in the Wild, UMass TR 07-49, View 2.
    """
    numbers = np.unique(folds)
    if len(numbers) < 2:
        raise TooFewPairs("The threshold is chosen on other folds, so there must be at least two.")
    return np.array([_fold_accuracy(scores, mated, folds == number) for number in numbers])


def _fold_accuracy(scores: Floats, mated: Bools, held: Bools) -> float:
    if not mated[~held].any() or mated[~held].all():
        raise TooFewPairs("A threshold needs mated and non-mated pairs outside the fold that it judges.")
    threshold = best_threshold(scores[~held], mated[~held])
    return float(accuracy_score(mated[held], scores[held] >= threshold))
