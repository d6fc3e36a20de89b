"""`recog bench verify`: are two photos of one person? The rows of one model's scores, with intervals.

Accuracy is LFW's (each fold at the threshold best on the others) with Student's interval over folds; TAR at a
fixed FMR has an interval from a bootstrap over identities. How many photos gave no face is a row of its own
(failure to enroll); see `benchmarks.exams` for how they count.
"""

from __future__ import annotations

import logging
import time

import numpy as np
from numpy.typing import NDArray

from benchmarks import metrics, stats
from benchmarks.differentials import Groups, by_group
from benchmarks.exams import Exam, Trials
from benchmarks.pairs import Pairs
from benchmarks.rows import Measurement, Row, origin, plan_hash
from recog import calibration

logger = logging.getLogger(__name__)

FMRS = (1e-2, 1e-3, 1e-4)


def verify(
    trials: Trials,
    scores: NDArray[np.float64],
    *,
    arm: str,
    model: str,
    groups: Groups | None = None,
    flip: bool = True,
    resamples: int = 1000,
    seconds: float = 0.0,
    device: str = "auto",
) -> list[Row]:
    """Measure one model.

    Args:
        scores: (N,) of the pairs, higher is more alike, by `Exam.scores` or `benchmarks.peers.examine`.
        arm: what reports call the model.
        model: its digest.
        groups: group by photo or identity (see `benchmarks.differentials`); adds error rates by group.
        flip: whether the embeddings of a crop and of its mirror image were averaged.
        resamples: of the bootstrap over identities.
        seconds: that scoring took.
    Raises: TooFewPairs: mated or non-mated pairs are missing.
    """
    started = time.perf_counter()
    plan = {"exam": trials.digest(), "model": model, "resamples": resamples}
    if groups is not None:
        plan["groups"] = plan_hash({"column": groups.column, **groups.of})
    protocol = trials.protocol if flip else f"{trials.protocol}; without mirror images"
    source = origin("verify", protocol, trials.data, plan, device)
    measured = [*_accuracy(trials, scores), *_rates(trials.pairs, scores, resamples), *_failures(trials)]
    if groups is not None:
        measured += by_group(trials, scores, groups)
    taken = trials.seconds + seconds + time.perf_counter() - started
    return source.rows(measured, arm=arm, model=model, seconds=taken)


def marks(exam: Exam, scores: NDArray[np.float64]) -> list[Measurement]:
    """The metrics of an exam's scores, without intervals: for benchmarks that repeat the training."""
    chosen = exam.balanced()
    mated = exam.pairs.mated
    ranking = metrics.Ranking(scores, mated)
    accuracy = metrics.accuracy_by_fold(scores[chosen], mated[chosen], exam.folds(chosen)).mean()
    count = int(mated.sum())
    return [
        *(Measurement(tar_name(fmr), ranking.tar_at_fmr(fmr), count) for fmr in _supported(mated)[:2]),
        Measurement("accuracy", float(accuracy), len(chosen)),
        Measurement("AUC", metrics.auc_score(scores, mated), len(mated)),
    ]


def tar_name(fmr: float) -> str:
    """The metric's name in rows, for example TAR@FMR=1e-3."""
    return "TAR@FMR=" + f"{fmr:.0e}".replace("e-0", "e-")


def _supported(mated: NDArray[np.bool_]) -> list[float]:
    """The false-match rates that this many non-mated pairs can show."""
    count = int((~mated).sum())
    fmrs = [fmr for fmr in FMRS if calibration.can_show(count, fmr)]
    if not fmrs:
        logger.warning("%d non-mated pairs cannot show an FMR of %g: no TAR", count, FMRS[0])
    return fmrs


def _accuracy(trials: Trials, scores: NDArray[np.float64]) -> list[Measurement]:
    """For balanced lists: where nearly all pairs are non-mated, refusing everyone is "accurate"."""
    mated = trials.pairs.mated
    if abs(float(mated.mean()) - 0.5) > 0.2:
        return []
    folds = metrics.accuracy_by_fold(scores, mated, trials.folds(np.arange(len(mated))))
    details = {
        "folds": [round(float(value), 6) for value in folds],
        "std": round(float(folds.std(ddof=1)), 6),
    }
    low, high = stats.t_interval(folds)  # of few folds it can reach past what an accuracy can be
    interval = max(low, 0.0), min(high, 1.0)
    return [Measurement("accuracy", float(folds.mean()), len(mated), interval, details)]


def _rates(pairs: Pairs, scores: NDArray[np.float64], resamples: int) -> list[Measurement]:
    """TAR at each FMR that the number of non-mated pairs supports, and AUC."""
    count = int(pairs.mated.sum())
    details = {
        "mated": count,
        "non_mated": len(pairs) - count,
        "people": len(np.unique(pairs.people)),
    }
    fmrs = _supported(pairs.mated)
    ranking = metrics.Ranking(scores, pairs.mated)
    sides = pairs.sides
    intervals = stats.tar_intervals(scores, pairs.mated, sides, fmrs, resamples=resamples) if fmrs else []
    rates = [
        Measurement(tar_name(fmr), ranking.tar_at_fmr(fmr), count, interval, details)
        for fmr, interval in zip(fmrs, intervals, strict=True)
    ]
    curve = {**details, "roc": metrics.roc_points(scores, pairs.mated)}
    return [*rates, Measurement("AUC", metrics.auc_score(scores, pairs.mated), len(pairs), None, curve)]


def _failures(trials: Trials) -> list[Measurement]:
    missed, total = int((~trials.found).sum()), len(trials.found)
    if not trials.detected and not missed:
        return []  # nothing was searched for
    interval = stats.share_interval(~trials.found, trials.pairs.people)
    return [Measurement("failure to enroll", missed / total, total, interval, {"photos": missed})]
