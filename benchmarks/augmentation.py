"""`recog bench augment`: does synthesis help somebody who has K photos of each of N people?

Each seed draws N people and K photos of each from the `user` identities, and gives that draw to every arm
with the same initial weights, the same number of gradient steps and the same exams, whose folders share no
person's name with those of the arms. The differences between arms are therefore paired by seed.

Regimes of the synthetic arms: "open" means that the generator learned from other people's photos (the bundled
one: from the `fit` identities), so that knowledge from outside comes in; none of the exam's people were among
them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.exams import Exam
from benchmarks.rows import Origin, Row, append, file_of, origin, read
from benchmarks.verification import marks
from recog.errors import ConfigError, DataError
from recog.faces import EmbedderLike
from recog.progress import progress
from recog.training import CropSet, TrainConfig, train

logger = logging.getLogger(__name__)

NONE, CLASSIC, MIXED, SYNTHETIC = ARMS = ("none", "classic", "classic+synthetic", "synthetic")
BENCH = "augment"

# real crops of the draw, photos a person, seed -> as many made-up crops of the same people
Synthesise = Callable[[CropSet, int, int], CropSet]
Train = Callable[..., EmbedderLike]


@dataclass(frozen=True, kw_only=True)
class AugmentPlan:
    """Everything that is decided before the first run.

    Raises: ConfigError: a value is outside its range.
    """

    people: int = 200  # N, drawn anew for each seed
    photos: int = 4  # K real photos of each
    synthetic_photos: int = 16  # made-up photos of each
    synthetic_share: float = 0.5  # of each batch in the mixed arm
    total_kimg: float = 60.0  # thousands of crops seen a run, the same in each arm
    image_size: int = 64  # px
    backbone: str = "resnet18"
    backbone_options: Mapping[str, Any] = field(default_factory=lambda: {"channels": (48, 96, 192, 384)})
    batch_size: int = 128
    learning_rate: float = 2e-3
    arms: tuple[str, ...] = ARMS
    seeds: int = 6

    def __post_init__(self) -> None:
        unknown = sorted(set(self.arms) - set(ARMS))
        if unknown or not self.arms:
            raise ConfigError(f"arms are {self.arms}; give some of {', '.join(ARMS)}.")
        for name in ("people", "photos", "synthetic_photos", "seeds"):
            least = 2 if name == "people" else 1
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}; give at least {least}.")

    @property
    def synthesises(self) -> bool:
        """Whether any arm needs made-up faces."""
        return MIXED in self.arms or SYNTHETIC in self.arms

    def config(self, arm: str, seed: int) -> TrainConfig:
        """One run: arms differ in augmentation and in where the crops come from, in nothing else."""
        return TrainConfig(
            backbone=self.backbone,
            backbone_options=dict(self.backbone_options),
            image_size=self.image_size,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            total_kimg=self.total_kimg,
            augmentation="none" if arm == NONE else "classic",
            synthetic_share=self.synthetic_share if arm == MIXED else 0.0,
            seed=seed,
        )

    def decisions(self) -> dict[str, Any]:
        """What the plan's hash covers: more seeds or arms continue the same plan."""
        shared = {k: v for k, v in dataclasses.asdict(self).items() if k not in ("arms", "seeds")}
        return {**shared, "config": self.config(CLASSIC, 0).to_json()}


@dataclass(frozen=True, kw_only=True)
class Material:
    """The faces an augmentation benchmark works with."""

    name: str  # what reports call the users' photos
    user: CropSet  # from which N people x K photos are drawn, at the size that is trained
    native: CropSet  # the same crops as the synthesiser's recogniser takes them
    exams: tuple[Exam, ...]  # of people who are not in `user`
    synthesise: Synthesise | None = None
    generator: str | None = None  # digest of its weights
    curation: str | None = None  # which of the made-up photos are kept
    regime: str | None = None


def draw(crops: CropSet, people: int, photos: int, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """(people * photos,) indices of crops, by person; a pure function of the arguments.

    Raises: DataError: fewer than `people` identities have `photos` crops.
    """
    counts = np.bincount(crops.labels, minlength=len(crops.identities))
    enough = np.flatnonzero(counts >= photos)
    if len(enough) < people:
        raise DataError(
            f"{len(enough)} people have {photos} photos, {people} are wanted. Ask for fewer of either."
        )
    generator = np.random.default_rng([seed, people, photos])
    chosen = np.sort(generator.choice(enough, people, replace=False))
    return np.concatenate(
        [np.sort(generator.choice(np.flatnonzero(crops.labels == k), photos, replace=False)) for k in chosen]
    )


def run(
    plan: AugmentPlan, material: Material, out: Path, *, device: str = "auto", training: Train = train
) -> Iterator[Row]:
    """Run what is missing of the plan in `out`, appending and yielding rows as they come.

    An arm and seed whose rows are there (same plan hash) is not run again.

    Raises: DataError: the material does not fit the plan; ConfigError: an arm needs a generator.
    """
    source = origin_of(plan, material, device)
    check(plan, material)
    path = file_of(out, BENCH)
    measured = read(path)
    there = _complete(measured, source.plan, len(material.exams))
    todo = [(seed, arm) for seed in range(plan.seeds) for arm in plan.arms]
    for seed, arm in progress(todo, total=len(todo), desc="augment"):
        if (arm, seed) in there:
            logger.info("%s, seed %d: rows of plan %s are there", arm, seed, source.plan)
            continue
        found = list(_one_run(plan, material, source, arm, seed, device, training))
        append(path, *found)  # in one write: half a run would pass for a whole one
        yield from found


def _one_run(
    plan: AugmentPlan, material: Material, source: Origin, arm: str, seed: int, device: str, training: Train
) -> list[Row]:
    started = time.perf_counter()
    chosen = draw(material.user, plan.people, plan.photos, seed)
    real = material.user.subset(chosen)
    made = _made(plan, material, chosen, seed) if arm in (MIXED, SYNTHETIC) else None
    made_seconds = time.perf_counter() - started
    crops = made if arm == SYNTHETIC and made is not None else real
    mixed = made if arm == MIXED else None
    embedder = training(plan.config(arm, seed), crops, synthetic=mixed, device=device)
    trained_seconds = time.perf_counter() - started
    details = {
        "steps": plan.config(arm, seed).steps,
        "real_crops": 0 if arm == SYNTHETIC else len(real),
        "synthetic_crops": 0 if made is None else len(made),
        "generator": None if made is None else material.generator,
        "seconds_of_synthesis": round(made_seconds, 2),
        "seconds_of_training": round(trained_seconds - made_seconds, 2),
    }
    measured = [(exam, marks(exam, embedder)) for exam in material.exams]
    seconds = time.perf_counter() - started
    return [
        row
        for exam, found in measured
        for row in dataclasses.replace(source, data=exam.data, protocol=_protocol(plan, exam)).rows(
            found,
            arm=arm,
            seed=seed,
            model=embedder.digest,
            regime=regime_of(arm, material),
            seconds=seconds,
            details=details,
        )
    ]


def _made(plan: AugmentPlan, material: Material, chosen: Any, seed: int) -> CropSet:
    """Made-up photos of the drawn people; both synthetic arms get the same ones."""
    real = material.native.subset(chosen)
    made = synthesiser(material)(real, plan.synthetic_photos, seed)
    lost = set(real.identities) ^ set(made.identities)
    if lost:
        raise DataError(
            f"{len(lost)} people have only real or only made-up photos, as {min(lost)!r}: arms would "
            "differ in their number of classes. Loosen the curation."
        )
    return made


def synthesiser(material: Material) -> Synthesise:
    """What makes up faces. Raises: ConfigError: there is no generator."""
    if material.synthesise is None:
        raise ConfigError(
            "Arms with synthetic faces need a generator: pass --generator, or leave these arms out."
        )
    return material.synthesise


def check(plan: AugmentPlan, material: Material) -> None:
    """Raises: DataError: too few people; ConfigError: no generator, or the exams cannot be told apart."""
    if plan.synthesises:
        synthesiser(material)
    if not material.exams:
        raise ConfigError("No exam: pass --report with a folder of people to verify.")
    names = [exam.data for exam in material.exams]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"Two exams are called {twice}: rows would not say which. Move one of the folders.")
    draw(material.user, plan.people, plan.photos, seed=0)  # raises when there are too few people


def origin_of(plan: AugmentPlan, material: Material, device: str = "auto") -> Origin:
    """What all rows of this plan share; its `plan` tells them from those of other plans."""
    decisions = {
        **plan.decisions(),
        "user": _fingerprint(material.user.files),
        "exams": [exam.digest() for exam in material.exams],
        "generator": material.generator,
        "curation": material.curation,
        "regime": material.regime,
    }
    return origin(BENCH, "paired seeds", material.name, decisions, device)


def _protocol(plan: AugmentPlan, exam: Exam) -> str:
    trained = f"{plan.people} people x {plan.photos} photos, {plan.total_kimg:g} kimg, {plan.backbone}"
    return f"{trained} at {plan.image_size} px; {exam.protocol}"


def regime_of(arm: str, material: Material) -> str | None:
    """Where the synthetic faces of an arm come from; None where it has none."""
    return material.regime if arm in (MIXED, SYNTHETIC) else None


def _complete(measured: Sequence[Row], plan: str, exams: int) -> set[tuple[str, int | None]]:
    """Arms and seeds of a plan that have as many kinds of rows as the fullest, for all exams."""
    kinds: dict[tuple[str, int | None], set[tuple[str, str]]] = {}
    for row in measured:
        if row.plan == plan and row.seed is not None:
            kinds.setdefault((row.arm, row.seed), set()).add((row.data, row.metric))
    most = max(map(len, kinds.values()), default=0)
    full = {key for key, found in kinds.items() if len(found) == most}
    return {key for key in full if len({data for data, _ in kinds[key]}) == exams}


def _fingerprint(files: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(files).encode()).hexdigest()
