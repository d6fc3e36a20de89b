"""Error rates by group at one threshold for all: do some people pay more for it than others?

Pairs count for a group when both photos are of it; the threshold keeps a false-match rate over all pairs
(differential performance, ISO/IEC 19795-10).
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import stats
from benchmarks.exams import Trials
from benchmarks.rows import Measurement
from recog.calibration import threshold_at_rate
from recog.errors import DataError
from recog.types import FMR

logger = logging.getLogger(__name__)
FEWEST = 30  # pairs of a kind, for a rate of it


@dataclass(frozen=True)
class Groups:
    """Which group each photo or person belongs to."""

    column: str  # what tells the groups apart
    of: Mapping[str, str]  # group by identity/photo, or by identity


def read_groups(path: Path, column: str) -> Groups:
    """From a CSV with `column` and a column "file" or "identity"; files count by their last two parts.

    Raises: DataError: unreadable, or the columns are missing.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
    names = rows[0].keys() if rows else ()
    key = next((name for name in ("file", "identity") if name in names), None)
    if key is None or column not in names:
        raise DataError(f"{path}: needs a column {column!r} and one of file, identity; has {list(names)}.")
    known = [row for row in rows if row[key] and row[column]]
    if len(known) < len(rows):
        logger.warning(
            "%s: %d lines without %s or %s are left out", path, len(rows) - len(known), key, column
        )
    return Groups(column, {"/".join(Path(row[key]).parts[-2:]): row[column] for row in known})


def by_group(
    trials: Trials, scores: NDArray[np.float64], groups: Groups, *, resamples: int = 300
) -> list[Measurement]:
    """FMR and FNMR, with intervals over people, of each group that has enough pairs.

    Args:
        scores: (N,) of the pairs.
    Raises: DataError: no photo has a group; TooFewPairs.
    """
    keys = _keys(trials.pairs.photos, groups.of)
    known = sorted({groups.of[key] for key in keys if key in groups.of})
    if not known:
        raise DataError(f"{trials.data}: none of its photos or people is in the list of groups.")
    code = {group: number for number, group in enumerate(known)}
    of_photo = np.array([code[groups.of[key]] if key in groups.of else -1 for key in keys])
    left, right = of_photo[trials.pairs.left], of_photo[trials.pairs.right]
    threshold = threshold_at_rate(scores[~trials.pairs.mated], FMR)
    accepted, mated = scores >= threshold, trials.pairs.mated
    measured = []
    for group, number in code.items():
        inside = (left == number) & (right == number)
        for kind, chosen, wrong in (("FMR", ~mated, accepted), ("FNMR", mated, ~accepted)):
            pairs = inside & chosen
            name = f"{kind} of {groups.column}={group}, FMR {FMR:g} overall"
            if int(pairs.sum()) < FEWEST:
                logger.warning("%s: left out, %d pairs are too few", name, int(pairs.sum()))
                continue
            ends = tuple(side[pairs] for side in trials.pairs.sides)
            rate, interval = _rate(wrong[pairs], ends, resamples)
            details = {"group": f"{groups.column}={group}", "rate": kind}
            measured.append(Measurement(name, rate, int(pairs.sum()), interval, details))
    return measured


def _rate(
    wrong: NDArray[np.bool_], ends: tuple[NDArray[np.int64], ...], resamples: int
) -> tuple[float, stats.Interval]:
    """Share of wrong answers, with the wider of a bootstrap over people and Clopper-Pearson."""
    names, codes = np.unique(np.concatenate(ends), return_inverse=True)
    left, right = codes[: len(wrong)], codes[len(wrong) :]

    def share(drawn: NDArray[np.integer]) -> NDArray[np.float64]:
        times = np.bincount(drawn, minlength=len(names)).astype(np.float64)
        weights = np.where(left == right, times[left], times[left] * times[right])
        return np.array([(weights * wrong).sum() / max(weights.sum(), 1.0)])

    exact = stats.proportion_interval(int(wrong.sum()), len(wrong))
    low, high = stats.bootstrap(share, len(names), resamples=resamples)[0] or (
        0.0,
        1.0,
    )  # of one person: unknown
    return float(wrong.mean()), (min(low, exact[0]), max(high, exact[1]))


def _keys(photos: tuple[str, ...], groups: Mapping[str, str]) -> list[str]:
    """What the list of groups calls each photo: identity/photo, or the identity."""
    return [photo if photo in groups else photo.partition("/")[0] for photo in photos]
