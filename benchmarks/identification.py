"""`recog bench identify`: who is it, and are strangers refused?

People are split in two halves that share nobody. Each half enrolls as many people, and has other photos of
them and photos of strangers to search with. Thresholds come from the calibration half; every error that is
reported was made on the test half, at the same size of gallery.

Photos that show no face stay in the count: of an enrolled person they are a miss, of a stranger a refusal.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import stats
from benchmarks.exams import NO_FACE, compare
from benchmarks.pairs import Pairs, all_pairs
from benchmarks.photos import Graded, grade, people_of, subject
from benchmarks.rows import Measurement, Row, label, origin
from recog import calibration, images
from recog.errors import ConfigError, DataError, GalleryError, ImageError
from recog.faces import DetectorLike, EmbedderLike
from recog.progress import progress
from recog.recognizer import Recognizer
from recog.types import FMR, FPIR

logger = logging.getLogger(__name__)
CALIBRATED = "calibrated on other people"


@dataclass(frozen=True, kw_only=True)
class IdentifyPlan:
    """What is enrolled and searched in each half.

    Raises: ConfigError: a number is under 1.
    """

    people: int = 100  # enrolled
    enroll_photos: int = 3  # of each
    probe_photos: int = 3  # other photos of each, at most
    strangers: int = 1000  # one photo each, at most
    fpir: float = FPIR  # wanted of query
    fmr: float = FMR  # wanted of verify
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("people", "enroll_photos", "probe_photos", "strangers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; give at least 1.")


@dataclass(frozen=True)
class Half:
    """One half of the people."""

    enrolled: Mapping[str, list[Path]]
    probes: list[tuple[str, Path]]  # other photos of the enrolled
    strangers: list[Path]


@dataclass(frozen=True, eq=False)
class Searches:
    """What `query` said of each photo's subject; -1 and "" where no face was found."""

    best: NDArray[np.float64]  # (N,) similarity of the best candidate
    identity: NDArray[np.str_]  # (N,) who that is


@dataclass(frozen=True, eq=False)
class Observed:
    """Everything that was observed on one half."""

    mated: Searches
    truth: NDArray[np.str_]  # (N,) who the mated probes show
    strangers: Searches
    faces: Graded  # of all photos of enrolled people
    pairs: Pairs  # all pairs of those photos
    templates: int
    not_enrolled: list[tuple[int, int]]  # of each person: photos that failed, and all that were given


def split(people: Mapping[str, list[Path]], plan: IdentifyPlan) -> tuple[Half, Half]:
    """(calibration, test): halves that share nobody.

    A pure function of its arguments.

    Raises: DataError: not enough people with enough photos, or no strangers left.
    """
    generator = np.random.default_rng(plan.seed)
    names = sorted(people)
    able = [name for name in names if len(people[name]) > plan.enroll_photos]
    if len(able) < 2 * plan.people:
        raise DataError(
            f"{len(able)} people have over {plan.enroll_photos} photos; two halves of {plan.people} need "
            f"{2 * plan.people}. Enroll fewer people or fewer photos of each."
        )
    chosen = [able[k] for k in generator.permutation(len(able))[: 2 * plan.people]]
    rest = [name for name in names if name not in set(chosen)]
    rest = [rest[k] for k in generator.permutation(len(rest))][: 2 * plan.strangers]
    if len(rest) < 2:
        raise DataError("Nobody is left to be a stranger. Enroll fewer people.")
    return (
        _half(people, chosen[: plan.people], rest[: len(rest) // 2], plan),
        _half(people, chosen[plan.people :], rest[len(rest) // 2 :], plan),
    )


def identify(
    folder: Path,
    plan: IdentifyPlan,
    embedder: EmbedderLike,
    detector: DetectorLike,
    *,
    device: str = "auto",
) -> list[Row]:
    """Measure query and verify on people who were never used for calibration.

    Args:
        folder: photos, one sub-folder a person.
    Returns: rows of two arms: thresholds calibrated on other people of the folder, and the model card's.
    Raises: DataError: see `split`; TooFewPairs: too few strangers for these rates.
    """
    started = time.perf_counter()
    halves = split(people_of(folder), plan)
    tuned, tested = (_measure(half, embedder, detector) for half in halves)
    query = calibration.threshold_for_new(tuned.strangers.best, plan.fpir)
    found = tuned.faces.found
    vectors, people = tuned.faces.vectors[found], tuned.pairs.people[found]
    verify = calibration.for_verify(vectors, people, plan.fmr, folder.name, plan.seed).threshold
    arms = {CALIBRATED: (query, verify), **_card_arm(embedder, plan, tested)}
    protocol = (
        f"open set: {plan.people} people x {plan.enroll_photos} photos enrolled, MTCNN; thresholds for FPIR "
        f"{plan.fpir:g} and FMR {plan.fmr:g} from the other half"
    )
    source = origin(
        "identify",
        protocol,
        label(folder),
        {"plan": asdict(plan), "model": embedder.digest, "photos": listing(folder)},
        device,
    )
    seconds = time.perf_counter() - started
    return [
        row
        for arm, thresholds in arms.items()
        for row in source.rows(
            _errors(tested, *thresholds),
            arm=f"{embedder.name}, {arm}",
            seed=plan.seed,
            model=embedder.digest,
            seconds=seconds,
            details={"templates": tested.templates},
        )
    ]


def counted(
    metric: str, count: int, n: int, ci95: stats.Interval, threshold: float | None = None
) -> Measurement:
    """`count` of `n`, at a threshold where it depends on one."""
    return Measurement(metric, count / n, n, ci95, {"count": count, "threshold": threshold})


def share(
    metric: str, flags: NDArray[np.bool_], people: NDArray[np.generic], threshold: float | None = None
) -> Measurement:
    """How many of (N,) flags are set, with an interval over (N,) the people they are of."""
    interval = stats.share_interval(flags, people)
    return counted(metric, int(flags.sum()), len(flags), interval, threshold)


def not_enrolled(counts: Sequence[tuple[int, int]]) -> Measurement:
    """How many photos to enroll could not be, from (failed, given) of each person."""
    flags = np.concatenate([np.arange(given) < failed for failed, given in counts])
    return share("failure to enroll", flags, np.repeat(np.arange(len(counts)), [n for _, n in counts]))


def listing(folder: Path) -> str:
    """Changes with the photos of a folder: names and sizes."""
    people = people_of(folder).values()
    found = [(str(path.relative_to(folder)), path.stat().st_size) for photos in people for path in photos]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def _half(
    people: Mapping[str, list[Path]], enrolled: list[str], strangers: list[str], plan: IdentifyPlan
) -> Half:
    last = plan.enroll_photos + plan.probe_photos
    return Half(
        {name: people[name][: plan.enroll_photos] for name in enrolled},
        [(name, photo) for name in enrolled for photo in people[name][plan.enroll_photos : last]],
        [people[name][0] for name in strangers],
    )


def _measure(half: Half, embedder: EmbedderLike, detector: DetectorLike) -> Observed:
    """Enroll the half into a gallery of its own and search it, as a program that embeds Recognizer would."""
    with Recognizer.open(None, embedder=embedder, detector=detector) as recognizer:
        done = [
            recognizer.enroll(name, photos, largest=True)
            for name, photos in progress(half.enrolled.items(), total=len(half.enrolled), desc="enroll")
        ]
        mated = _search(recognizer, [photo for _, photo in half.probes])
        strangers = _search(recognizer, half.strangers)
    photos = [(name, photo) for name, several in half.enrolled.items() for photo in several] + half.probes
    people = np.unique([name for name, _ in photos], return_inverse=True)[1].astype(np.int64)
    return Observed(
        mated=mated,
        truth=np.array([name for name, _ in half.probes]),
        strangers=strangers,
        faces=grade([photo for _, photo in photos], embedder, detector),
        pairs=all_pairs(people, [str(photo) for _, photo in photos]),
        templates=sum(result.added for result in done),
        not_enrolled=[
            (len(result.failed), result.added + result.skipped + len(result.failed)) for result in done
        ],
    )


def _search(recognizer: Recognizer, photos: list[Path]) -> Searches:
    best = np.full(len(photos), NO_FACE)
    identity = [""] * len(photos)
    for place, photo in enumerate(progress(photos, total=len(photos), desc="query")):
        try:
            image = images.read(photo)
        except ImageError as error:
            logger.warning("%s", error)
            continue
        seen = [answer for answer in recognizer.query(image, 1, threshold=1.0) if answer.box is not None]
        if seen:
            answer = seen[subject([a.box for a in seen if a.box is not None], image.shape)]
            best[place], identity[place] = answer.candidates[0].similarity, answer.candidates[0].identity
    return Searches(best, np.array(identity))


def _card_arm(embedder: EmbedderLike, plan: IdentifyPlan, tested: Observed) -> dict[str, tuple[float, float]]:
    """The thresholds that an uncalibrated gallery would use, where the model has a card."""
    size = (plan.people, tested.templates)
    try:
        query = calibration.from_card(embedder.card, "query", plan.fpir, size).threshold
        verify = calibration.from_card(embedder.card, "verify", plan.fmr, size).threshold
    except GalleryError as error:
        logger.info("no arm for the model card: %s", error)
        return {}
    return {"model card": (query, verify)}


def _errors(tested: Observed, query: float, verify: float) -> list[Measurement]:
    right = tested.mated.identity == tested.truth
    missed = ~(right & (tested.mated.best >= query))
    strangers = tested.strangers.best >= query  # one photo each
    scores = compare(tested.faces.vectors, tested.faces.found, tested.pairs)
    mated, (first, second) = tested.pairs.mated, tested.pairs.sides
    refused = (scores < verify)[mated]
    people = int(tested.pairs.people.max()) + 1
    pairs = calibration.StrangerPairs(scores[~mated], people, first[~mated], second[~mated], None)
    rate, low, high = pairs.rate(verify)
    matched, compared = round(rate * len(pairs.scores)), len(pairs.scores)
    return [
        share("FPIR (strangers matched)", strangers, np.arange(len(strangers)), query),
        share("FNIR (enrolled missed)", missed, tested.truth, query),
        share("rank-1", right, tested.truth),
        counted("FMR (strangers verified)", matched, compared, (low, high), verify),
        share("FNMR (same person refused)", refused, first[mated], verify),
        not_enrolled(tested.not_enrolled),
    ]
