"""Scores of strangers -> the threshold that keeps a wanted error rate, with an interval.

`verify` compares one pair, so its rate is the FMR. `query` takes the best of everyone enrolled, so its rate
is the FPIR, which grows with the gallery (terms: ISO/IEC 19795-1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from recog.errors import ConfigError, GalleryError, TooFewPairs
from recog.records import Calibration

FMR = 1e-3  # of `verify`: one stranger in a thousand pairs is taken for the same person
FPIR = 1e-2  # of `query`: one stranger in a hundred is taken for someone enrolled
RATES = {"verify": FMR, "query": FPIR}
RESAMPLES = 500
CONFIDENCE = 0.95
CARD = "model card"

Floats = NDArray[np.floating]


def threshold_at_rate(non_mated: Floats, rate: float) -> float:
    """The lowest cosine that at most `rate` of these scores reach: for describing scores.

    Args:
        non_mated: (N,) scores between different people.
        rate: as a fraction, 0 < rate < 1.
    Raises: TooFewPairs: under 1/rate scores cannot show this rate; ConfigError: rate outside 0..1.
    """
    _require(non_mated, rate)
    return _above(non_mated, math.floor(rate * len(non_mated) + 1e-9))


def threshold_for_new(non_mated: Floats, rate: float) -> float:
    """The lowest cosine that the next stranger reaches with a probability of at most `rate`.

    Of N scores it lets through one fewer than `threshold_at_rate`, or so: a threshold that was chosen on
    scores looks better on them than on new ones. Holds for scores that are exchangeable with the new one
    (split conformal prediction, arXiv:2107.07511, section 1).

    Args, Raises: as `threshold_at_rate`.
    """
    _require(non_mated, rate)
    return _above(non_mated, math.floor(rate * (len(non_mated) + 1) + 1e-9) - 1)


def _above(scores: Floats, allowed: int) -> float:
    """The lowest threshold that at most `allowed` of the scores reach."""
    first_refused = np.sort(np.asarray(scores, np.float64))[::-1][allowed]
    return float(np.nextafter(first_refused, np.inf))


def _require(non_mated: Floats, rate: float) -> None:
    if not 0 < rate < 1:
        raise ConfigError(f"The rate is {rate}; give a fraction between 0 and 1, for example 0.001.")
    needed = math.ceil(1 / rate - 1e-9)
    if len(non_mated) < needed:
        raise TooFewPairs(
            f"A rate of {rate:g} needs at least {needed} comparisons of strangers, and there are "
            f"{len(non_mated)}. Give more photos of people, or ask for a higher rate."
        )


def for_verify(
    embeddings: NDArray[np.float32], people: NDArray[np.int64], fmr: float, source: str, seed: int = 0
) -> Calibration:
    """The 1:1 threshold from photos of known people: all pairs of different people.

    Args:
        embeddings: (N, D) unit vectors.
        people: (N,) who each one is.
        fmr: wanted false-match rate, as a fraction.
    Raises: TooFewPairs.
    """
    first, second = np.triu_indices(len(people), k=1)
    apart = people[first] != people[second]
    first, second = first[apart], second[apart]
    scores = (embeddings @ embeddings.T)[first, second]
    threshold = threshold_for_new(scores, fmr)
    hits = scores >= threshold
    _, codes = np.unique(people, return_inverse=True)
    ends = (codes[first], codes[second])
    low, high = _interval(_table(ends, hits), _table(ends, np.ones_like(hits)), seed)
    return Calibration(threshold, fmr, source, low, high, len(scores))


def for_query(
    best: NDArray[np.floating], people: NDArray[np.int64], fpir: float, source: str, enrolled: tuple[int, int]
) -> Calibration:
    """The 1:N threshold from strangers' best scores against the whole gallery, at its present size.

    Args:
        best: (N,) cosine of each stranger's photo to the nearest template of anyone enrolled.
        people: (N,) who each stranger is.
        fpir: wanted false-positive identification rate, as a fraction.
        enrolled: (people, templates) in the gallery.
    Raises: TooFewPairs.
    """
    threshold = threshold_for_new(best, fpir)
    hits = best >= threshold
    _, codes = np.unique(people, return_inverse=True)
    # A stranger's photos are compared with the gallery, not with other strangers: a table of one column.
    alone = (codes, np.zeros_like(codes))
    low, high = _interval(_table(alone, hits)[:, :1], _table(alone, np.ones_like(hits))[:, :1], 0)
    return Calibration(threshold, fpir, source, low, high, len(best), *enrolled)


def from_card(
    thresholds: Mapping[str, float], purpose: str, rate: float, size: tuple[int, int]
) -> Calibration:
    """The model card's threshold for "verify" (keys fmr_RATE) or "query" (fpir_RATE_PEOPLE).

    Args:
        size: (people, templates) enrolled. The card's sizes count one template a person, and every further
            template is another chance for a stranger, so the card is read at the number of templates.
    Raises: GalleryError: the card has no threshold for this rate.
    """
    kind = {"verify": "fmr", "query": "fpir"}[purpose]
    found = {}
    for key, value in thresholds.items():
        name, *numbers = key.split("_")
        if name == kind and math.isclose(float(numbers[0]), rate):
            found[int(numbers[1]) if kind == "fpir" else 0] = float(value)
    if not found:
        raise GalleryError(
            f"The model's card has no threshold for {kind.upper()} {rate:g}. Calibrate on a folder of photos "
            "of people: recog calibrate FOLDER; or pass --threshold."
        )
    if kind == "fmr":
        return Calibration(found[0], rate, CARD)
    wanted = max(size[1], 1)
    fitting = min((people for people in found if people >= wanted), default=max(found))
    return Calibration(found[fitting], rate, CARD, people=fitting, templates=fitting)


def _table(ends: tuple[NDArray[np.int64], NDArray[np.int64]], values: NDArray[np.generic]) -> Floats:
    """(P, P) sums of values over pairs of people."""
    people = int(max(ends[0].max(), ends[1].max())) + 1
    flat = np.bincount(ends[0] * people + ends[1], values.astype(np.float64), people**2)
    return flat.astype(np.float64).reshape(people, people)


def _interval(hits: Floats, counts: Floats, seed: int) -> tuple[float, float]:
    """95 % interval of the rate: the wider of a bootstrap over people and Clopper-Pearson over comparisons.

    Comparisons that share a person are not independent, hence the bootstrap; where hardly anything was hit
    the bootstrap sees no spread, hence Clopper-Pearson.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(hits), np.full(len(hits), 1 / len(hits)), size=RESAMPLES).astype(np.float64)
    columns = drawn if hits.shape[1] > 1 else np.ones((RESAMPLES, 1))
    totals = np.einsum("rp,pq,rq->r", drawn, counts, columns, optimize=True)
    rates = np.einsum("rp,pq,rq->r", drawn, hits, columns, optimize=True)[totals > 0] / totals[totals > 0]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(rates, [tail, 1 - tail])
    exact = binomtest(int(hits.sum()), int(counts.sum())).proportion_ci(CONFIDENCE, method="exact")
    return float(min(low, exact.low)), float(max(high, exact.high))
