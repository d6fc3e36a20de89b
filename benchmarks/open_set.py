"""`recog bench openset`: how misses and false alarms grow with the gallery.

Three cohorts of people who share nobody: some are enrolled, strangers of one cohort set the thresholds,
strangers of the other are counted. For each size of gallery many random galleries are drawn; a threshold is
set for each of them as `recog calibrate FOLDER` does, and by the model's card as without calibration.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from benchmarks import stats
from benchmarks.rows import Measurement, Row, origin
from recog import calibration
from recog.cards import Card
from recog.errors import ConfigError, DataError, GalleryError
from recog.faces import EmbedderLike
from recog.progress import progress
from recog.types import FMR, Purpose
from recog.vectors import centres

RANKS = (1, 5, 10)
CMC_RANKS = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100)
DET_FPIRS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
Vectors = NDArray[np.float32]
Labels = NDArray[np.int64]
Compare = Literal["best", "centre", "both"]
COMPARED: dict[Compare, str] = {
    "best": "the most alike",
    "centre": "their centre",
    "both": "the mean of the most alike and their centre",
}


@dataclass(frozen=True, kw_only=True)
class OpenSetPlan:
    """What is drawn.

    Raises: ConfigError: a number is under 1, or a rate outside 0..1.
    """

    sizes: tuple[int, ...] = (10, 30, 100, 300, 1000)  # people enrolled
    photos: int = 1  # templates of each
    compare: Compare = "both"  # with the best of them, with their centre, or the mean of both as galleries do
    probes: int = 3  # other photos searched of each, at most
    draws: int = 20  # random galleries a size
    fpirs: tuple[float, ...] = (0.01, 0.1)
    fmr: float = FMR
    seed: int = 0

    def __post_init__(self) -> None:
        counts = (*self.sizes, self.photos, self.probes, self.draws)
        if min(counts) < 1 or not self.sizes:
            raise ConfigError(f"sizes, photos, probes and draws are {counts}; give at least 1.")
        if self.compare not in get_args(Compare):
            raise ConfigError(f"compare is {self.compare!r}; give one of {', '.join(get_args(Compare))}.")
        if not all(0 < rate < 1 for rate in (*self.fpirs, self.fmr)):
            raise ConfigError(f"rates are {(*self.fpirs, self.fmr)}; give fractions between 0 and 1.")


@dataclass(frozen=True, eq=False)
class Draw:
    """What was searched in one random gallery."""

    people: Labels  # (P,) whom each probe shows
    best: NDArray[np.float64]  # (P,) its score with the likeliest person
    ahead: Labels  # (P,) how many others score as high as its own person, or higher
    strangers: NDArray[np.float64]  # (S,) best score of each stranger's photo that is counted

    def missed(self, threshold: float) -> NDArray[np.bool_]:
        """(P,) whether the probe's own person does not come first, or not over the threshold."""
        missed: NDArray[np.bool_] = (self.ahead > 0) | (self.best < threshold)
        return missed

    def at_fpir(self, rate: float) -> NDArray[np.bool_]:
        """(P,) what is missed where just this share of the strangers is matched."""
        return self.missed(calibration.threshold_at_rate(self.strangers, rate))


@dataclass(frozen=True, eq=False)
class Cohort:
    """Faces of some people."""

    vectors: Vectors  # (N, D) unit vectors
    people: Labels  # (N,) who each one is


@dataclass(frozen=True, eq=False)
class Cohorts:
    """Three cohorts of people who share nobody."""

    enrolled: Cohort  # galleries are drawn from these
    others: Cohort  # strangers that set thresholds
    strangers: Cohort  # strangers that are counted
    data: str  # what reports call them
    how: str  # how the faces were prepared


class Tally:
    """What was counted of each person's searches, one random gallery after another."""

    def __init__(self, redrawn: bool) -> None:
        """
        Args:
            redrawn: every gallery has people of its own; otherwise the same people search every gallery.
        """
        self.redrawn = redrawn
        self.people: list[Labels] = []
        self.flags: list[NDArray[np.bool_]] = []

    def add(self, people: Labels, flags: NDArray[np.bool_]) -> None:
        """The searches of one gallery, (N,) whose they are and whether they count."""
        self.people.append(people)
        self.flags.append(flags)

    def share(self, metric: str, details: Mapping[str, Any]) -> Measurement:
        """The share of searches that count, with its 95 % interval over people and galleries."""
        people, flags = np.concatenate(self.people), np.concatenate(self.flags)
        interval = stats.share_interval(flags, people) if self.redrawn else self._crossed(people, flags)
        return Measurement(metric, float(flags.mean()), len(flags), interval, details)

    def _crossed(self, people: Labels, flags: NDArray[np.bool_]) -> stats.Interval:
        """The interval over people who all search the same galleries."""
        names, rows = np.unique(people, return_inverse=True)
        columns = np.repeat(np.arange(len(self.people)), [len(searches) for searches in self.people])
        counts, hits = np.zeros((2, len(names), len(self.people)))
        np.add.at(counts, (rows, columns), 1)
        np.add.at(hits, (rows[flags], columns[flags]), 1)
        return calibration.rate_interval(hits, counts, 0)


def open_set(
    cohorts: Cohorts,
    plan: OpenSetPlan,
    embedder: EmbedderLike,
    card: Card,
    device: str = "auto",
    *,
    arm: str | None = None,
) -> list[Row]:
    """Measure one embedder at each size of gallery.

    Args:
        card: the model's impostor statistics; an empty one gives no rows for it.
        arm: what reports call the model; default its name.
    Raises: DataError: fewer people than the largest gallery needs; TooFewPairs: too few strangers.
    """
    started = time.perf_counter()
    able = _able(cohorts.enrolled, plan.photos)
    if len(able) < max(plan.sizes):
        raise DataError(
            f"{len(able)} people have over {plan.photos} photos; a gallery of {max(plan.sizes)} needs more. "
            "Ask for smaller --sizes or fewer --photos."
        )
    # as `recog calibrate` counts: people, not photos
    calibrating, counted = (len(np.unique(one.people)) for one in (cohorts.others, cohorts.strangers))
    for rate in plan.fpirs:
        calibration.require(min(calibrating, counted), rate, "An FPIR", "strangers")
    compared = "" if plan.photos == 1 else f", compared by {COMPARED[plan.compare]}"
    protocol = (
        f"open set by gallery size: {plan.photos} template(s) a person{compared}, {plan.draws} random "
        f"galleries a size; {cohorts.how}"
    )
    sha = hashlib.sha256()
    for cohort in (cohorts.enrolled, cohorts.others, cohorts.strangers):
        sha.update(cohort.vectors.tobytes() + cohort.people.tobytes())
    digest = {"plan": asdict(plan), "model": embedder.digest, "faces": sha.hexdigest()}
    source = origin("identify", protocol, cohorts.data, digest, device)
    name = arm or embedder.name
    measured = {"any size": _verify(cohorts, plan, card)}
    for size in progress(plan.sizes, total=len(plan.sizes), desc="galleries"):
        tallies, draws = _at_size(cohorts, able, size, plan, card)
        details = {"name": name, "people": size}
        curves = {"rank-1": _curves(draws, size, counted)}
        measured[f"{size:,} people"] = [
            tally.share(metric, details | curves.get(metric, {})) for metric, tally in tallies.items()
        ]
    seconds, model = time.perf_counter() - started, embedder.digest
    return [
        row
        for gallery, found in measured.items()
        for row in source.rows(found, arm=f"{name}, {gallery}", seed=plan.seed, model=model, seconds=seconds)
    ]


def _verify(cohorts: Cohorts, plan: OpenSetPlan, card: Card) -> list[Measurement]:
    """False matches of pairs of strangers at thresholds set on other strangers."""
    pairs = calibration.StrangerPairs.of(cohorts.strangers.vectors, cohorts.strangers.people)
    other = cohorts.others
    ours = calibration.for_verify(other.vectors, other.people, plan.fmr, "others").threshold
    wanted = {f"FMR, {100 * plan.fmr:g} % wanted": ours}
    by_card = _by_card(card, "verify", plan.fmr, 0)
    if by_card is not None:
        wanted[f"FMR by the card, {100 * plan.fmr:g} % wanted"] = by_card
    found = []
    for metric, threshold in wanted.items():
        value, low, high = pairs.rate(threshold)
        found.append(Measurement(metric, value, len(pairs.scores), (low, high)))
    return found


def _at_size(
    cohorts: Cohorts, able: Labels, size: int, plan: OpenSetPlan, card: Card
) -> tuple[dict[str, Tally], list[Draw]]:
    tallies: dict[str, Tally] = {}

    def count(name: str, people: Labels, flags: NDArray[np.bool_]) -> None:
        redrawn = people is not cohorts.strangers.people
        tallies.setdefault(name, Tally(redrawn)).add(people, flags)

    draws = []
    for number in range(plan.draws):
        rng = np.random.default_rng([plan.seed, size, number])
        chosen = rng.choice(able, size, replace=False)
        draws.append(_count_draw(cohorts, chosen, rng, plan, card, count))
    return tallies, draws


def _count_draw(
    cohorts: Cohorts,
    chosen: Labels,
    rng: np.random.Generator,
    plan: OpenSetPlan,
    card: Card,
    count: Callable[[str, Labels, NDArray[np.bool_]], None],
) -> Draw:
    """One random gallery: its thresholds, its false alarms, its misses."""
    templates, probes = _split(cohorts.enrolled, chosen, rng, plan)
    gallery, owners = cohorts.enrolled.vectors[templates], cohorts.enrolled.people[templates]
    best, ahead = _search(cohorts.enrolled, probes, gallery, owners, plan.compare)
    calibrating, counted = (
        _by_person(cohort.vectors, gallery, owners, plan.compare).max(axis=1)
        for cohort in (cohorts.others, cohorts.strangers)
    )
    draw = Draw(cohorts.enrolled.people[probes], best, ahead, counted)
    for rate in plan.fpirs:
        wanted = f"{100 * rate:g} % wanted"
        threshold = calibration.threshold_for_new(calibrating, rate)
        count(f"FPIR, {wanted}", cohorts.strangers.people, counted >= threshold)
        count(f"FNIR, {wanted}", draw.people, draw.missed(threshold))
        count(f"FNIR at FPIR {100 * rate:g} %", draw.people, draw.at_fpir(rate))
        by_card = _by_card(card, "query", rate, len(templates))
        if by_card is not None:
            count(f"FPIR by the card, {wanted}", cohorts.strangers.people, counted >= by_card)
    for rank in RANKS:
        if rank <= len(chosen):
            count(f"rank-{rank}", draw.people, ahead < rank)
    return draw


def _curves(draws: Sequence[Draw], size: int, strangers: int) -> dict[str, list[list[float]]]:
    """Means over galleries: "cmc", how often one's own person is among the first; "det", FNIR by FPIR."""
    ranks = [rank for rank in CMC_RANKS if rank <= size]
    rates = [rate for rate in DET_FPIRS if calibration.can_show(strangers, rate)]
    return {
        "cmc": [[rank, _mean(draw.ahead < rank for draw in draws)] for rank in ranks],
        "det": [[rate, _mean(draw.at_fpir(rate) for draw in draws)] for rate in rates],
    }


def _mean(flags: Iterable[NDArray[np.bool_]]) -> float:
    return round(float(np.concatenate(list(flags)).mean()), 5)


def _search(
    cohort: Cohort, probes: Labels, gallery: Vectors, owners: Labels, compare: Compare
) -> tuple[NDArray[np.float64], Labels]:
    """Best score of each probe, and how many other people score as high as its own, or higher."""
    scores = _by_person(cohort.vectors[probes], gallery, owners, compare)
    own = scores[np.arange(len(probes)), np.searchsorted(np.unique(owners), cohort.people[probes])]
    ahead: Labels = (scores >= own[:, None]).sum(axis=1) - 1
    return scores.max(axis=1), ahead


def _by_person(vectors: Vectors, gallery: Vectors, owners: Labels, compare: Compare) -> NDArray[np.float64]:
    """(N, people) similarities of vectors (N, D) to people who have templates (T, D)."""
    names, columns = np.unique(owners, return_inverse=True)
    centre = (vectors @ centres(gallery, columns, len(names)).T).astype(np.float64)
    if compare == "centre":
        return centre
    similarity = vectors @ gallery.T  # (N, T)
    best = np.full(centre.shape, -np.inf)
    for column, person in enumerate(columns):
        np.maximum(best[:, person], similarity[:, column], out=best[:, person])
    return best if compare == "best" else (best + centre) / 2


def _split(
    cohort: Cohort, chosen: Labels, rng: np.random.Generator, plan: OpenSetPlan
) -> tuple[Labels, Labels]:
    """(indices of templates, indices of probes) of the people chosen."""
    order = rng.permutation(len(cohort.people))
    templates, probes = [], []
    by_person = {int(person): order[cohort.people[order] == person] for person in chosen}
    for found in by_person.values():
        templates.append(found[: plan.photos])
        probes.append(found[plan.photos : plan.photos + plan.probes])
    return np.concatenate(templates), np.concatenate(probes)


def _able(cohort: Cohort, photos: int) -> Labels:
    """People with a photo to search after so many are enrolled."""
    people, counts = np.unique(cohort.people, return_counts=True)
    able: Labels = people[counts > photos]
    return able


def _by_card(card: Card, purpose: Purpose, rate: float, templates: int) -> float | None:
    """The card's threshold; None where it does not reach to this rate."""
    try:
        return calibration.from_card(card, purpose, rate, (templates, templates)).threshold
    except GalleryError:
        return None
