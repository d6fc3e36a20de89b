"""The rows of `recog bench enrich`: what can be added to galleries of few photos, and what it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from benchmarks.augment.drawing import draw, search
from benchmarks.augment.enrolling import (
    METRICS,
    RANK_1,
    Gallery,
    Variation,
    Way,
    classic,
    generated,
    made_up,
    measured,
    resampled_users,
)
from benchmarks.rows import Row, origin, plan_hash
from generative.augmenting import GeneratorMaker, Synthesis
from generative.features import FeatureGenerator
from generative.synthesis import Synthesizer
from recog.embedding import Embedder
from recog.progress import progress
from recog.settings import Checks, above_zero, at_least, check
from recog.training import CropSet
from recog.training.embeddings import embeddings

BENCH = "enrich"
PHOTOS = "photos alone"


@dataclass(frozen=True, kw_only=True)
class EnrichPlan:
    """What is enrolled and how often.

    Raises: ConfigError: a number is out of its range.
    """

    people: int = 300
    photos: tuple[int, ...] = (1, 2, 5)  # of each person, one gallery after another
    seeds: int = 10
    fpir: float = 0.01
    margin: float = 0.005  # effects that are smaller do not matter
    resamples: int = 200  # of the users, the same for all draws: these are not independent

    def __post_init__(self) -> None:
        check(self, self._checks)

    def _checks(self) -> Checks:
        return {
            **at_least(2, self, "people"),
            **at_least(1, self, "seeds"),
            **at_least(0, self, "resamples"),
            **above_zero(self, "fpir", "margin"),
            "photos": (min(self.photos, default=0) >= 1, "one number or more, each 1 or more"),
        }


def enrich(
    crops: CropSet,
    embedder: Embedder,
    ways: Mapping[str, Way],
    name: str,
    plan: EnrichPlan,
    *,
    kept: Callable[[list[Row]], None],
    done: Container[tuple[str, str, str, int]] = frozenset(),
    device: str = "auto",
) -> list[Row]:
    """Rows of each way, for each number of photos and seed.

    Args:
        crops: of the users, as the embedder takes them. ways: the first is the baseline.
        name: of the data.
        kept: takes the rows of a draw as soon as they are measured.
        done: plan, arm, recipe and seed of rows that are there already.
    Raises: DataError: too few people; TooFewPairs: too few strangers for this FPIR.
    """
    vectors = embeddings(crops, embedder)
    times = resampled_users(len(crops.identities), plan.resamples)
    found: list[Row] = []
    declared = _declared(plan, ways)
    family = plan_hash({"data": crops.fingerprint, "model": embedder.digest, "people": plan.people})
    for photos in plan.photos:
        decisions = {"people": plan.people, "photos": photos, "fpir": plan.fpir, "data": crops.fingerprint}
        decisions["resamples"] = plan.resamples
        protocol = (
            f"{plan.people} people x {photos} {'photo' if photos == 1 else 'photos'} enrolled, by the mean "
            "of each one's templates; searched with other photos of them and one of each stranger"
        )
        source = origin(BENCH, protocol, name, {**decisions, "model": embedder.digest}, device)
        for seed in progress(range(plan.seeds), total=plan.seeds, desc=f"{photos} photos"):
            whose = search(crops, draw(crops, plan.people, photos, seed, spare=1), seed)
            drawn = Gallery.of(crops, whose, lambda rows: vectors[rows])
            rows: list[Row] = []
            for arm, way in ways.items():
                if (source.plan, arm, way.recipe, seed) in done:
                    continue
                started = time.perf_counter()
                details = {
                    "recipe": way.recipe,
                    "declaration": declared,
                    "family": family,
                    "people": plan.people,
                    "photos": photos,
                }
                rows += source.rows(
                    measured(drawn, way, seed, plan.fpir, times),
                    arm=arm,
                    seed=seed,
                    model=embedder.digest,
                    seconds=time.perf_counter() - started,
                    details=details,
                )
            kept(rows)
            found += rows
    return found


def _declared(plan: EnrichPlan, ways: Mapping[str, Way]) -> dict[str, Any]:
    said = {
        "arms": {name: way.recipe for name, way in ways.items()},
        "seeds": [0, plan.seeds],
        "baseline": next(iter(ways)),
        "margin": plan.margin,
        "metric": RANK_1,
        "confirms": False,
    }
    return {"digest": plan_hash({**said, "plan": asdict(plan)}), **said}


def whole(rows: Sequence[Row]) -> set[tuple[str, str, str, int]]:
    """Plan, arm, recipe and seed of all that was measured to its end."""
    found: dict[tuple[str, str, str, int], set[str]] = {}
    for row in rows:
        if row.seed is not None:
            found.setdefault((row.plan, row.arm, row.details["recipe"], row.seed), set()).add(row.metric)
    return {key for key, metrics in found.items() if len(metrics) == METRICS}


def ways(
    embedder: Embedder, generators: Mapping[str, Synthesizer], rich: CropSet | None, copies: int
) -> dict[str, Way]:
    """The photos alone, and all that can be added to them.

    Args:
        generators: by the name that reports call them.
        rich: crops of other people who have many photos: how photos of a person vary is learned from them.
        copies: templates added for each that there is.
    """
    found = {
        PHOTOS: Way(),
        "augmented copies": Way(classic(embedder, copies), recipe=f"strong x{copies}"),
    }
    for name, synthesizer in generators.items():
        make = partial(_copied, synthesizer, embedder, copies)
        found[f"{name}'s photos"] = Way(made_up(embedder, make), recipe=f"{synthesizer.digest} x{copies}")
    if rich is not None:
        vectors = embeddings(rich, embedder)
        variation = Variation.learn(vectors, rich.labels)
        learned = cache(lambda: FeatureGenerator.learn(vectors, rich.labels))  # minutes: once it is needed
        recipe = f"{rich.fingerprint} x{copies}"
        found["drawn around"] = Way(variation.drawn(copies), recipe=recipe)
        found["vectors made up"] = Way(
            generated(lambda *asked: learned().draw(*asked), copies), recipe=recipe
        )
        found["normalised"] = Way(variation=variation, recipe=rich.fingerprint)
    return found


def _copied(synthesizer: Synthesizer, embedder: Embedder, copies: int, draw: CropSet, seed: int) -> CropSet:
    """As many made-up photos of each person as `copies` times their real ones."""
    photos = copies * int(np.bincount(draw.labels).max())
    return GeneratorMaker(synthesizer, embedder)(draw, Synthesis(photos=photos), seed)
