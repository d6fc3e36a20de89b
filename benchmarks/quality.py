"""`recog bench quality`: does refusing the worst photos lower the miss rate? Error against discard.

All pairs of photos of one person that a list names are compared at the threshold that keeps a false-match
rate on the list's other pairs. Then the pairs with the worst photos are discarded, share by share
(error-versus-discard characteristic; Grother and Tabassi, PAMI 29(4), 2007). The threshold stays. Pairs with
a photo that shows no face are left out: no quality foretold that, and `recog bench verify` counts them.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import stats
from benchmarks.exams import compare
from benchmarks.pairs import Pairs, read_pairs
from benchmarks.photos import Graded, grade
from benchmarks.rows import Measurement, Row, label, origin
from recog.calibration import threshold_at_rate
from recog.errors import TooFewPairs
from recog.faces import DetectorLike, EmbedderLike
from recog.quality import WEIGHTS
from recog.types import FMR

DISCARDED = (0.0, 0.05, 0.1, 0.2, 0.3)


def quality(
    folder: Path,
    pairs_file: Path,
    embedder: EmbedderLike,
    detector: DetectorLike,
    *,
    device: str = "auto",
    resamples: int = 1000,
) -> list[Row]:
    """Miss rates with the worst photos discarded, by the score and by each of its parts.

    Returns: rows "FNMR", one for each share discarded, and for the score "FNMR lowered by discarding 10 %".
    Raises: DataError: the list cannot be used; TooFewPairs: no pair of one person shows two faces, or too few
        pairs of different people.
    """
    started = time.perf_counter()
    pairs = read_pairs(pairs_file, folder)
    graded = grade([folder / photo for photo in pairs.photos], embedder, detector)
    scores = compare(graded.vectors, graded.found, pairs)
    threshold = threshold_at_rate(scores[~pairs.mated], FMR)
    seen = pairs.mated & graded.found[pairs.left] & graded.found[pairs.right]
    if not seen.any():
        raise TooFewPairs(f"{pairs_file}: no pair of one person has a face on both photos. Check the folder.")
    missed, people = (scores < threshold)[seen], pairs.people[pairs.left][seen]
    marks = {name: _of_pairs(graded, name, pairs)[seen] for name in ("score", *WEIGHTS)}
    source = origin(
        "quality",
        f"error against discard of pairs at FMR {FMR:g}; MTCNN, largest central face; left out are pairs "
        "with a photo without a face",
        f"{label(folder)}, {pairs_file.name}",
        {
            "model": embedder.digest,
            "shares": DISCARDED,
            "weights": WEIGHTS,
            "resamples": resamples,
            "faces": hashlib.sha256(graded.vectors.tobytes() + pairs.mated.tobytes()).hexdigest(),
        },
        device,
    )
    measured = {
        name: [_curve_point(missed, mark, people, share) for share in DISCARDED]
        for name, mark in marks.items()
    }
    measured["score"].append(_gain(missed, marks["score"], people, resamples))
    seconds, details = time.perf_counter() - started, {"threshold": threshold}
    return [
        row
        for name, found in measured.items()
        for row in source.rows(
            found,
            arm=f"{embedder.name}, by {name}",
            model=embedder.digest,
            seconds=seconds,
            details=details,
        )
    ]


def kept(mark: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    """(N,) True for what stays when `share` of the lowest marks is discarded; ties fall by lot."""
    lot = np.random.default_rng(0).permutation(len(mark))
    order = np.lexsort((lot, mark))
    stays = np.ones(len(mark), np.bool_)
    stays[order[: round(share * len(mark))]] = False
    return stays


def _of_pairs(graded: Graded, part: str, pairs: Pairs) -> NDArray[np.float64]:
    """(N,) the worse photo's mark of each pair; 0 without a face."""
    values = [{**asdict(q), "score": q.score}[part] if q is not None else 0.0 for q in graded.qualities]
    marks = np.array(values)
    worse: NDArray[np.float64] = np.minimum(marks[pairs.left], marks[pairs.right])
    return worse


def _curve_point(
    missed: NDArray[np.bool_], mark: NDArray[np.float64], people: NDArray[np.int64], share: float
) -> Measurement:
    stays = kept(mark, share)
    rate, interval = float(missed[stays].mean()), stats.share_interval(missed[stays], people[stays])
    metric = f"FNMR, worst {share:.0%} discarded"
    return Measurement(metric, rate, int(stays.sum()), interval, {"discarded": share})


def _gain(
    missed: NDArray[np.bool_], mark: NDArray[np.float64], people: NDArray[np.int64], resamples: int
) -> Measurement:
    """How much lower the miss rate is without the worst tenth, with a bootstrap interval over people."""
    _, codes = np.unique(people, return_inverse=True)
    rows = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])

    def lowered(drawn: NDArray[np.integer]) -> NDArray[np.float64]:
        chosen = np.concatenate([rows[person] for person in drawn])
        return np.array([missed[chosen].mean() - missed[chosen][kept(mark[chosen], 0.1)].mean()])

    interval = stats.bootstrap(lowered, len(rows), resamples=resamples)[0] if missed.any() else None
    value = float(lowered(np.arange(len(rows)))[0])
    return Measurement("FNMR lowered by discarding the worst 10%", value, len(missed), interval)
