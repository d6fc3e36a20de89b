"""Error rates by group at one threshold for all: do some people pay more for it than others?

Pairs count for a group when both photos are of it; the threshold keeps a false-match rate over all pairs
(differential performance, ISO/IEC 19795-10).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import stats
from benchmarks.exams import Exam
from recog.calibration import threshold_at_rate
from recog.errors import DataError

FMR = 1e-3
FEWEST = 30  # pairs of a kind, for a rate of it
Measured = tuple[str, float, stats.Interval, int]


def read_groups(path: Path, column: str) -> dict[str, str]:
    """Group by photo or by identity: a CSV with `column` and a column "file" or "identity".

    Files are known by their last two parts (identity/photo).

    Raises: DataError: unreadable, or the columns are missing.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
    names = rows[0].keys() if rows else ()
    key = next((name for name in ("file", "identity") if name in names), None)
    if key is None or column not in names:
        raise DataError(f"{path}: needs a column {column!r} and one of file, identity; it has {list(names)}.")
    return {"/".join(Path(row[key]).parts[-2:]): row[column] for row in rows}


def by_group(exam: Exam, scores: NDArray[np.float64], groups: Mapping[str, str]) -> list[Measured]:
    """(metric, value, 95 % interval, pairs) for each group that has enough pairs.

    Args:
        scores: (N,) of the exam's pairs.
        groups: see `read_groups`.
    Raises: DataError: no photo of the exam has a group; TooFewPairs.
    """
    found = (groups.get(key) for key in _keys(exam.pairs.photos, groups))
    known = sorted({group for group in found if group is not None})
    if not known:
        raise DataError(f"{exam.data}: none of its photos or people is in the list of groups.")
    code = {group: number for number, group in enumerate(known)}
    of_photo = np.array([code.get(groups.get(key, ""), -1) for key in _keys(exam.pairs.photos, groups)])
    left, right = of_photo[exam.pairs.left], of_photo[exam.pairs.right]
    threshold = threshold_at_rate(scores[~exam.pairs.mated], FMR)
    accepted, mated = scores >= threshold, exam.pairs.mated
    measured = []
    for group, number in code.items():
        inside = (left == number) & (right == number)
        for kind, chosen, wrong in (("FMR", ~mated, accepted), ("FNMR", mated, ~accepted)):
            pairs = inside & chosen
            n = int(pairs.sum())
            if n >= FEWEST:
                count = int((wrong & pairs).sum())
                interval = stats.proportion_interval(count, n)
                measured.append((f"{kind} of {group}, FMR {FMR:g} overall", count / n, interval, n))
    return measured


def _keys(photos: tuple[str, ...], groups: Mapping[str, str]) -> list[str]:
    """What the list of groups calls each photo: identity/photo, or the identity."""
    return [photo if photo in groups else photo.partition("/")[0] for photo in photos]
