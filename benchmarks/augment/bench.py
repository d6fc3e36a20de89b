"""The runs of `recog bench augment`: every arm of a seed gets the same people, photos, weights and steps.

Each seed draws N people and K photos of each, and gives that draw to every arm with the same initial weights,
the same number of gradient steps and the same exams, whose people are in no draw and in no generator. The
differences between arms are therefore paired by seed. The exam's people are resampled in the same way for
every run, so that differences have their say on other people, too.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import metrics
from benchmarks.augment.makers import Makers
from benchmarks.augment.plan import SAME, Plan, Synthesis
from benchmarks.exams import Exam
from benchmarks.rows import Measurement, Origin, Row, append, file_of, origin, plan_hash, read
from benchmarks.verification import FMRS, marks, tar_name
from recog.embedding import Embedder
from recog.errors import ConfigError, DataError
from recog.progress import progress
from recog.training import CropSet, train

logger = logging.getLogger(__name__)

BENCH = "augment"
SCALE = 10_000  # resampled rates are kept in steps of a hundredth of a point
Train = Callable[..., Embedder]


@dataclass(frozen=True, kw_only=True)
class Material:
    """The faces that a plan works with."""

    name: str  # what reports call the users' photos
    user: CropSet  # from which N people x K photos are drawn, at the size that is trained
    native: CropSet  # the same crops as makers take them
    exams: tuple[Exam, ...]  # of people who are not in `user`
    makers: Makers | None = None
    made_by: str | None = None  # digest of the makers


def draw(crops: CropSet, people: int, photos: int, seed: int) -> NDArray[np.int64]:
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


class Bench:
    """A plan with its material."""

    def __init__(
        self, plan: Plan, material: Material, *, device: str = "auto", training: Train = train
    ) -> None:
        """Raises: DataError: the material does not fit the plan; ConfigError: an arm needs a maker."""
        self.plan, self.material, self.device, self.training = plan, material, device, training
        if plan.makers and material.makers is None:
            raise ConfigError(
                "Arms with synthetic faces need a generator: pass --generator, or leave these arms out."
            )
        if not material.exams:
            raise ConfigError("No exam: pass --report with a folder of people to verify.")
        names = [exam.data for exam in material.exams]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ConfigError(
                f"Two exams are called {twice}: rows would not say which. Move one of the folders."
            )
        draw(material.user, plan.people, plan.photos, seed=plan.first_seed)  # raises where people are too few
        self._made: dict[tuple[int, Synthesis], CropSet] = {}

    @property
    def origin(self) -> Origin:
        """What all rows of this plan share; its `plan` tells them from those of other plans."""
        material = self.material
        decisions = {
            **self.plan.decisions(),
            "user": hashlib.sha256("\n".join(material.user.files).encode()).hexdigest(),
            "exams": [exam.digest() for exam in material.exams],
        }
        return origin(BENCH, "paired seeds", material.name, decisions, self.device)

    def recipe(self, arm: str) -> str:
        """Digest of all that decides an arm beside the plan."""
        chosen = self.plan.arms[arm]
        makers = self.material.made_by if chosen.synthesis is not None else None
        return plan_hash({**chosen.to_json(), "makers": makers})

    def regime_of(self, arm: str) -> str | None:
        """Where the synthetic faces of an arm come from; None where it has none."""
        return None if self.plan.arms[arm].synthesis is None else self.plan.regime

    def run(self, out: Path) -> Iterator[Row]:
        """Run what is missing in `out`, appending and yielding rows as they come.

        An arm and seed whose rows are there (same plan and recipe) is not run again.
        """
        source = self.origin
        path = file_of(out, BENCH)
        there = self._complete(read(path), source.plan)
        todo = [(seed, arm) for seed in self.plan.every_seed for arm in self.plan.arms]
        for seed, arm in progress(todo, total=len(todo), desc=BENCH):
            if (arm, self.recipe(arm), seed) in there:
                logger.info("%s, seed %d: rows of plan %s are there", arm, seed, source.plan)
                continue
            found = self._one(source, arm, seed)
            append(path, *found)  # in one write: half a run would pass for a whole one
            yield from found

    def embedder(self, arm: str, seed: int) -> tuple[Embedder, dict[str, Any]]:
        """What an arm's run comes to, and what it was made of."""
        started = time.perf_counter()
        plan, material, synthesis = self.plan, self.material, self.plan.arms[arm].synthesis
        chosen = draw(material.user, plan.people, plan.photos, seed)
        real = material.user.subset(chosen)
        made = None if synthesis is None else self._made_up(chosen, synthesis, seed)
        synthesised = time.perf_counter()
        embedder: Embedder | None = None
        for phase in plan.phases(arm, seed):
            crops = real if phase.real or made is None else made
            mixed = made if phase.real and phase.made_up else None
            embedder = self._trained(phase.config, crops, mixed, embedder)
        assert embedder is not None, "a plan has one phase or more"
        details = {
            "recipe": self.recipe(arm),
            "declared": plan.digest,
            "baseline": plan.baseline,
            "margin": plan.margin,
            "people": plan.people,
            "photos": plan.photos,
            "steps": sum(phase.config.steps for phase in plan.phases(arm, seed)),
            "real_crops": len(real) if any(phase.real for phase in plan.phases(arm, seed)) else 0,
            "synthetic_crops": 0 if made is None else len(made),
            "networks": {} if synthesis is None else dict(self._maker(chosen, synthesis, seed).networks),
            "seconds_of_synthesis": round(synthesised - started, 2),
            "seconds_of_training": round(time.perf_counter() - synthesised, 2),
        }
        return embedder, details

    def _one(self, source: Origin, arm: str, seed: int) -> list[Row]:
        started = time.perf_counter()
        embedder, details = self.embedder(arm, seed)
        measured = [(exam, self._marks(exam, embedder)) for exam in self.material.exams]
        seconds = time.perf_counter() - started
        return [
            row
            for exam, found in measured
            for row in dataclasses.replace(source, data=exam.data, protocol=self._protocol(exam)).rows(
                found,
                arm=arm,
                seed=seed,
                model=embedder.digest,
                regime=self.regime_of(arm),
                seconds=seconds,
                details=details,
            )
        ]

    def _trained(
        self, config: Any, crops: CropSet, mixed: CropSet | None, start: Embedder | None
    ) -> Embedder:
        if start is None:
            return self.training(config, crops, synthetic=mixed, device=self.device)
        with tempfile.TemporaryDirectory() as folder:
            weights = Path(folder) / "start.safetensors"
            start.save(weights)
            return self.training(config, crops, synthetic=mixed, device=self.device, start=weights)

    def _maker(self, chosen: NDArray[np.int64], synthesis: Synthesis, seed: int) -> Any:
        assert self.material.makers is not None, "checked when the bench was made"
        return self.material.makers(synthesis.maker, self.material.native.subset(chosen), seed)

    def _made_up(self, chosen: NDArray[np.int64], synthesis: Synthesis, seed: int) -> CropSet:
        """Made-up photos for a draw; arms that ask for the same get the same."""
        key = (seed, dataclasses.replace(synthesis, share=1.0, first=0.0))
        if key in self._made:
            return self._made[key]
        real = self.material.native.subset(chosen)
        made: CropSet = self._maker(chosen, synthesis, seed)(real, synthesis, seed)
        lost = set(real.identities) ^ set(made.identities) if synthesis.of == SAME else set()
        if lost:
            raise DataError(
                f"{len(lost)} people have only real or only made-up photos, as {min(lost)!r}: arms would "
                "differ in their number of classes. Loosen the curation."
            )
        self._made = {k: v for k, v in self._made.items() if k[0] == seed} | {key: made}
        return made

    def _marks(self, exam: Exam, embedder: Embedder) -> list[Measurement]:
        """The metrics of an exam; that which the plan counts on with its values on resampled people."""
        scores = exam.scores(embedder)
        return [
            dataclasses.replace(one, details={**one.details, "resampled": self._resampled(exam, scores, fmr)})
            if (fmr := _fmr(one.metric)) is not None and one.metric == self.plan.metric
            else one
            for one in marks(exam, scores)
        ]

    def _resampled(self, exam: Exam, scores: NDArray[np.float64], fmr: float) -> list[int]:
        """TAR in 1/SCALE where the exam's people are drawn again; -1 where it is not defined."""
        left, right = exam.pairs.sides
        people, mated = int(max(left.max(), right.max())) + 1, exam.pairs.mated
        ranking = metrics.Ranking(scores, mated)
        rng = np.random.default_rng(0)  # the same people for every run
        found = []
        for _ in range(self.plan.resamples):
            times = np.bincount(rng.integers(0, people, people), minlength=people).astype(np.float64)
            weights = np.where(mated, times[left], times[left] * times[right])
            defined = weights[mated].any() and weights[~mated].any()
            found.append(round(SCALE * ranking.tar_at_fmr(fmr, weights)) if defined else -1)
        return found

    def _protocol(self, exam: Exam) -> str:
        plan = self.plan
        config = plan.config(plan.baseline if plan.baseline in plan.arms else next(iter(plan.arms)), 0)
        learned = (
            f"{plan.people} people x {plan.photos} photos, {config.total_kimg:g} kimg, {config.backbone}"
        )
        return f"{learned} at {config.image_size} px; {exam.protocol}"

    def _complete(self, measured: Sequence[Row], plan: str) -> set[tuple[str, str, int]]:
        """Arms with recipe and seed that have as many kinds of rows as the fullest, for all exams."""
        kinds: dict[tuple[str, str, int], set[tuple[str, str]]] = {}
        for row in measured:
            if row.plan == plan and row.seed is not None and "recipe" in row.details:
                key = (row.arm, row.details["recipe"], row.seed)
                kinds.setdefault(key, set()).add((row.data, row.metric))
        most = max(map(len, kinds.values()), default=0)
        full = {key for key, found in kinds.items() if len(found) == most}
        exams = len(self.material.exams)
        return {key for key in full if len({data for data, _ in kinds[key]}) == exams}


def _fmr(metric: str) -> float | None:
    return next((fmr for fmr in FMRS if tar_name(fmr) == metric), None)
