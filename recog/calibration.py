"""Scores of strangers -> the threshold that keeps a wanted error rate, with an interval.

`verify` compares one pair, so its rate is the FMR. `query` takes the best of everyone enrolled, so its rate
is the FPIR, which grows with the gallery (terms: ISO/IEC 19795-1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from recog.cards import Card, CardEntry
from recog.errors import ConfigError, GalleryError, TooFewPairs
from recog.records import Calibration
from recog.types import FMR, FPIR, Purpose

RATES: dict[Purpose, float] = {"verify": FMR, "query": FPIR}
RESAMPLES = 500
CONFIDENCE = 0.95
CARD = "model card"
KINDS: dict[Purpose, str] = {"verify": "fmr", "query": "fpir"}
MOST_FOR_ODDS = 200_000  # non-mated pairs are thinned to about as many
FEWEST_FOR_ODDS = 30  # people with several photos: of fewer, one odd pair would decide
MOST_PHOTOS = 5_000  # all pairs of these are compared: 12.5 million
FAR = 1.5  # times as many templates as a threshold was measured with: from there on nobody has measured

Floats = NDArray[np.floating]


def threshold_at_rate(non_mated: Floats, rate: float) -> float:
    """The lowest cosine that at most `rate` of these scores reach: for describing scores.

    Args:
        non_mated: (N,) scores between different people.
        rate: as a fraction, 0 < rate < 1.
    Raises: TooFewPairs: under 1/rate scores cannot show this rate; ConfigError: rate outside 0..1.
    """
    require(len(non_mated), rate)
    return _above(non_mated, math.floor(rate * len(non_mated) + 1e-9))


def threshold_for_new(non_mated: Floats, rate: float) -> float:
    """The lowest cosine that the next stranger reaches with a probability of at most `rate`.

    Of N scores it lets through one fewer than `threshold_at_rate`, or so: a threshold that was chosen on
    scores looks better on them than on new ones. Holds for scores that are exchangeable with the new one
    (split conformal prediction, arXiv:2107.07511, section 1).

    Args, Raises: as `threshold_at_rate`.
    """
    require(len(non_mated), rate)
    return _above(non_mated, math.floor(rate * (len(non_mated) + 1) + 1e-9) - 1)


def _above(scores: Floats, allowed: int) -> float:
    """The lowest threshold that at most `allowed` of the scores reach."""
    first_refused = np.sort(np.asarray(scores, np.float64))[::-1][allowed]
    return float(np.nextafter(first_refused, np.inf))


def can_show(count: float, rate: float) -> bool:
    """Whether so many comparisons can show this rate: under 1/rate, a single error is more than that."""
    return count * rate >= 1 - 1e-9


def require(count: float, rate: float, name: str = "A rate", what: str = "comparisons of strangers") -> None:
    """Raises: TooFewPairs: so many of `what` cannot show this rate; ConfigError: rate outside 0..1."""
    if not 0 < rate < 1:
        raise ConfigError(f"The rate is {rate}; give a fraction between 0 and 1, for example 0.001.")
    if not can_show(count, rate):
        raise TooFewPairs(
            f"{name} of {rate:g} needs at least {math.ceil(1 / rate - 1e-9):,} {what}, and there are "
            f"{math.floor(count):,}. Give photos of more people, or ask for a higher rate."
        )


@dataclass(frozen=True, eq=False)
class StrangerPairs:
    """All pairs of photos of different people, and what pairs of one person look like beside them."""

    scores: Floats  # (N,) cosines of different people
    people: int
    first: NDArray[np.int64]  # (N,) who is on either photo
    second: NDArray[np.int64]
    odds: tuple[float, float] | None  # see `fit_odds`

    @classmethod
    def of(cls, embeddings: NDArray[np.float32], people: NDArray[np.int64], seed: int = 0) -> StrangerPairs:
        """From (N, D) unit vectors and (N,) who each one is; of more than MOST_PHOTOS some are drawn."""
        if len(people) > MOST_PHOTOS:
            drawn = np.random.default_rng(seed).choice(len(people), MOST_PHOTOS, replace=False)
            embeddings, people = embeddings[drawn], people[drawn]
        names, codes = np.unique(people, return_inverse=True)
        left, right = np.triu_indices(len(codes), k=1)
        apart = codes[left] != codes[right]
        similarity = (embeddings @ embeddings.T)[left, right].astype(np.float64)
        several = len(np.unique(codes[left][~apart]))
        odds = fit_odds(similarity[~apart], similarity[apart]) if several >= FEWEST_FOR_ODDS else None
        return cls(similarity[apart], len(names), codes[left][apart], codes[right][apart], odds)

    def threshold(self, fmr: float, source: str, seed: int = 0) -> Calibration:
        """The 1:1 threshold for this false-match rate, as a fraction.

        Raises: TooFewPairs.
        """
        require(self.people * (self.people - 1) / 2, fmr, "An FMR", "pairs of different people")
        threshold = threshold_for_new(self.scores, fmr)
        _, low, high = self.rate(threshold, seed)
        odds = self.odds or (None, None)
        return Calibration(threshold, fmr, source, low, high, len(self.scores), None, None, *odds)

    def rate(self, threshold: float, seed: int = 0) -> tuple[float, float, float]:
        """(false-match rate at a threshold, and its 95 % interval over people)."""
        hits = self.scores >= threshold
        ends = (self.first, self.second)
        matched, compared = (_table(ends, flags, self.people) for flags in (hits, np.ones_like(hits)))
        return float(hits.mean()), *rate_interval(matched, compared, seed, paired=True)


def for_verify(
    embeddings: NDArray[np.float32], people: NDArray[np.int64], fmr: float, source: str, seed: int = 0
) -> Calibration:
    """The 1:1 threshold from photos of known people: all pairs of different people.

    Pairs of photos of one person, where there are enough, give the probability of a similarity.

    Args:
        embeddings: (N, D) unit vectors.
        people: (N,) who each one is.
        fmr: wanted false-match rate, as a fraction.
    Raises: TooFewPairs: fewer than 1/fmr pairs of people.
    """
    return StrangerPairs.of(embeddings, people, seed).threshold(fmr, source, seed)


def for_query(
    best: NDArray[np.floating],
    people: NDArray[np.int64],
    fpir: float,
    source: str,
    enrolled: tuple[int, int],
    galleries: NDArray[np.int64] | None = None,
) -> Calibration:
    """The 1:N threshold from strangers' best scores against the whole gallery, at its present size.

    Photos are counted, not people: where strangers have many photos that are much alike, the next stranger
    matches a little oftener than asked (simulated: 1.2 % for 1 % with 120 people of 10 photos whose scores
    correlate by 0.8; 1.01 % with 400 people of 5 photos, 0.5).

    Args:
        best: (N,) cosine of each stranger's photo to the nearest template of anyone enrolled.
        people: (N,) who each stranger is.
        fpir: wanted false-positive identification rate, as a fraction.
        enrolled: (people, templates) in the gallery.
        galleries: (N,) which of several random galleries of this size was searched; default one.
    Raises: TooFewPairs: fewer than 1/fpir strangers searched a gallery.
    """
    names, codes = np.unique(people, return_inverse=True)
    column = np.zeros_like(codes) if galleries is None else np.unique(galleries, return_inverse=True)[1]
    shape = (len(names), int(column.max(initial=0)) + 1)
    compared = _sums(codes, column, np.ones(len(codes)), shape)
    # photos of one stranger say much the same, and so do several galleries that one stranger searched
    require((compared > 0).sum() / shape[1], fpir, "An FPIR", "people who are not enrolled")
    best = best.astype(np.float64)  # a threshold between two float32 scores is none of them
    threshold = threshold_for_new(best, fpir)
    matched = _sums(codes, column, best >= threshold, shape)
    low, high = rate_interval(matched, compared, 0)
    return Calibration(threshold, fpir, source, low, high, len(best), *enrolled)


def fit_odds(mated: Floats, non_mated: Floats) -> tuple[float, float] | None:
    """The log odds of "one person" as a line over similarity: (slope, intercept).

    Logistic regression (Platt scaling) with both kinds weighted alike, so that the prior odds are even; for
    prior odds o, add log(o) to the intercept.

    Args:
        mated, non_mated: cosines of pairs of one person, and of different people.
    Returns: None where there are no pairs of a kind, or where similarity does not rise with them.
    """
    if not len(mated) or not len(non_mated):
        return None
    from sklearn.linear_model import LogisticRegression

    kept = non_mated[:: max(1, len(non_mated) // MOST_FOR_ODDS)]
    scores = np.concatenate([mated, kept]).astype(np.float64)[:, None]
    same = np.repeat([True, False], [len(mated), len(kept)])
    fitted = LogisticRegression(class_weight="balanced", C=1e6).fit(scores, same)
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    return (slope, intercept) if slope > 0 else None


def from_card(card: Card, purpose: Purpose, rate: float, size: tuple[int, int]) -> Calibration:
    """The model card's threshold for "verify" or "query", read between its rates and gallery sizes.

    Args:
        size: (people, templates) enrolled. The card's sizes count one template a person, and every further
            template is another chance for a stranger, so the card is read at the number of templates; beyond
            its largest gallery the threshold goes on growing with the logarithm of the size.
    Returns: `templates` is the number up to which the threshold was measured: the gallery's, or the card's
        largest at rates like this one.
    Raises: GalleryError: the card does not reach to this rate.
    """
    kind = KINDS[purpose]
    entries = card.of_kind(kind)
    rates = sorted({entry.rate for entry in entries})
    if not rates or not rates[0] * (1 - 1e-9) <= rate <= rates[-1] * (1 + 1e-9):
        reach = f"only for {rates[0]:g} to {rates[-1]:g}" if rates else "none"
        raise GalleryError(
            f"The model's card has no threshold for {kind.upper()} {rate:g} ({reach}). Calibrate on a folder "
            "of photos of people: recog calibrate FOLDER; or pass --threshold."
        )
    templates = max(size[1], 1) if purpose == "query" else 0
    levels = [_at_size(_at_rate(entries, level), templates) for level in rates]
    threshold = float(np.interp(math.log(rate), np.log(rates), levels))
    near = _near(entries, rate)
    interval = _relative_interval(near, rate, templates)
    if purpose == "verify":
        odds = card.odds or (None, None)
        return Calibration(threshold, rate, CARD, *interval, card.comparisons, None, None, *odds)
    known = min(templates, _largest(near))
    return Calibration(threshold, rate, CARD, *interval, None, size[0], known)


def _at_size(entries: Sequence[CardEntry], templates: int) -> float:
    """The threshold of one rate for a gallery of this many templates."""
    known = sorted((math.log(max(entry.size, 1)), entry.threshold) for entry in entries)
    places, values = zip(*known, strict=True)
    wanted = math.log(max(templates, 1))
    if wanted <= places[-1] or len(places) == 1:
        return float(np.interp(wanted, places, values))
    slope = (values[-1] - values[-2]) / (places[-1] - places[-2])
    return float(values[-1] + max(slope, 0.0) * (wanted - places[-1]))


def _at_rate(entries: Sequence[CardEntry], rate: float) -> list[CardEntry]:
    return [entry for entry in entries if entry.rate == rate]


def _near(entries: Sequence[CardEntry], rate: float) -> list[CardEntry]:
    """The entries that a threshold for this rate is read from: of the rates to its left and right."""
    rates = {entry.rate for entry in entries}
    below = max((level for level in rates if level <= rate * (1 + 1e-9)), default=min(rates))
    above = min((level for level in rates if level >= rate * (1 - 1e-9)), default=max(rates))
    return [entry for entry in entries if entry.rate in (below, above)]


def _largest(entries: Sequence[CardEntry]) -> int:
    """The largest gallery that all rates among these entries were measured at."""
    rates = {entry.rate for entry in entries}
    return min(max(entry.size for entry in _at_rate(entries, rate)) for rate in rates)


def _relative_interval(
    entries: Sequence[CardEntry], rate: float, templates: int
) -> tuple[float | None, float | None]:
    """The interval of the card's nearest entry, in proportion to the rate; none far beyond its galleries."""

    def distance(entry: CardEntry) -> float:
        sizes = abs(math.log(max(entry.size, 1)) - math.log(max(templates, 1)))
        return abs(math.log(entry.rate) - math.log(rate)) + sizes

    nearest = min(entries, key=distance)
    if nearest.interval is None or templates > FAR * _largest(entries):
        return None, None
    low, high = (bound / nearest.rate * rate for bound in nearest.interval)
    return low, high


def _table(
    ends: tuple[NDArray[np.int64], NDArray[np.int64]], values: NDArray[np.generic], people: int
) -> Floats:
    """(P, P) sums of values over pairs of people."""
    return _sums(*ends, values, (people, people))


def _sums(
    rows: NDArray[np.int64], columns: NDArray[np.int64], values: NDArray[np.generic], shape: tuple[int, int]
) -> Floats:
    """Sums of values by row and column."""
    flat = np.bincount(rows * shape[1] + columns, values.astype(np.float64), shape[0] * shape[1])
    return flat.astype(np.float64).reshape(shape)


def rate_interval(hits: Floats, counts: Floats, seed: int, *, paired: bool = False) -> tuple[float, float]:
    """95 % interval of a rate: the wider of a bootstrap and Clopper-Pearson.

    Comparisons that share a person (a row) or a gallery (a column) are not independent, hence the bootstrap;
    where hardly anything was hit the bootstrap sees no spread, hence Clopper-Pearson, which counts people (or
    pairs of people), not their photos: more photos of a stranger, or more galleries, make no more strangers.

    Args:
        hits, counts: (P, C) hits and comparisons by row and column.
        paired: rows and columns are the same people.
    """
    rng = np.random.default_rng(seed)
    rows = _multinomial(len(hits), rng)
    columns = rows if paired else _multinomial(hits.shape[1], rng)
    totals, matched = (
        np.einsum("rp,pc,rc->r", rows, part, columns, optimize=True) for part in (counts, hits)
    )
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile((matched / np.maximum(totals, 1))[totals > 0], [tail, 1 - tail])
    met = np.triu(counts + counts.T, 1) > 0 if paired else counts > 0
    trials = met.sum() / (1 if paired else hits.shape[1])
    successes = hits.sum() / counts.sum() * trials
    lowest = beta.ppf(tail, successes, trials - successes + 1) if successes > 0 else 0.0
    highest = beta.ppf(1 - tail, successes + 1, trials - successes) if successes < trials else 1.0
    return float(min(low, lowest)), float(max(high, highest))


def _multinomial(items: int, rng: np.random.Generator) -> Floats:
    """(RESAMPLES, items) how often each is drawn; a single item always is."""
    return rng.multinomial(items, np.full(items, 1 / items), size=RESAMPLES).astype(np.float64)
