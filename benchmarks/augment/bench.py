"""The runs of `recog bench augment`: every arm of a seed gets the same people, photos, weights and steps.

Each seed draws N people and K photos of each, and gives that draw to every arm with the same initial weights,
the same number of gradient steps and the same exams. The differences between arms are therefore paired by
seed. The exam's people are resampled in the same way for every run, so that differences have their say on
other people, too. That the exam's people are in no draw is checked by name; that a generator of the open
regime has not learned from them is for whoever names both to know (the bundled ones learned from CelebA's
role `fit`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import metrics
from benchmarks.augment.drawing import search
from benchmarks.augment.enrolling import Gallery, Way, measured, resampled_users
from benchmarks.augment.making import Faces, Material
from benchmarks.augment.plan import FPIR, Plan
from benchmarks.claims import claimed
from benchmarks.exams import Exam
from benchmarks.rows import Measurement, Origin, Row, append, file_of, origin, plan_hash, read
from benchmarks.verification import FMRS, marks, tar_name
from generative.augmenting import trained_on
from recog.device import precision, resolve
from recog.embedding import Embedder
from recog.errors import ConfigError
from recog.progress import progress
from recog.training import train

logger = logging.getLogger(__name__)

BENCH = "augment"
OWN = "the people who were learned from, found by other photos of them among strangers"
SCALE = 10_000  # resampled rates are kept in steps of a hundredth of a point
Train = Callable[..., Embedder]


class Bench:
    """A plan with its material."""

    def __init__(
        self, plan: Plan, material: Material, *, device: str = "auto", training: Train = train
    ) -> None:
        """Raises: DataError: the material does not fit the plan; ConfigError: an arm needs a maker."""
        self.plan, self.material, self.device, self.training = plan, material, device, training
        if plan.kinds and material.makers is None:
            raise ConfigError(
                "Arms with synthetic faces need a generator: pass --generator, or leave these arms out."
            )
        if not material.exams and not plan.own:
            raise ConfigError("No exam: pass --report with a folder of people to verify.")
        if bool(plan.start) != (material.start is not None):
            raise ConfigError(
                f"The plan starts from {plan.start or 'random weights'!r}, the material does not."
            )
        names = [exam.data for exam in material.exams]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ConfigError(
                f"Two exams are called {twice}: rows would not say which. Move one of the folders."
            )
        self.faces = Faces(plan, material)
        chosen = self.faces.draw(plan.first_seed)  # raises where people are too few
        if plan.own:
            search(material.user, chosen, plan.first_seed)

    @cached_property
    def origin(self) -> Origin:
        """What all rows of this plan share; its `plan` tells them from those of other plans."""
        return origin(BENCH, "paired seeds", self.material.name, self._decisions, self.device)

    @cached_property
    def declaration(self) -> dict[str, Any]:
        """What was declared before these rows were measured: by this they are judged together."""
        plan = self.plan
        return {
            "digest": plan.digest,
            "arms": {name: self.recipe(name) for name in plan.arms},
            "seeds": [plan.first_seed, plan.first_seed + plan.seeds],
            "baseline": plan.baseline,
            "margin": plan.margin,
            "metric": plan.metric,
            "confirms": plan.confirms,
        }

    @cached_property
    def family(self) -> str:
        """Digest of all but the numbers of people and photos: such rows make learning curves."""
        return plan_hash({k: v for k, v in self._decisions.items() if k not in ("people", "photos")})

    @cached_property
    def _decisions(self) -> dict[str, Any]:
        user = self.material.user
        pixels = hashlib.sha256("\n".join(user.files).encode())
        pixels.update(np.ascontiguousarray(user.images).tobytes())
        exams = [exam.digest() for exam in self.material.exams]
        start = {"start": self.material.start.digest} if self.material.start is not None else {}
        return {**self.plan.decisions(), **start, "user": pixels.hexdigest(), "exams": exams}

    def recipe(self, arm: str, **changes: int) -> str:
        """Digest of all that decides an arm, with changes, beside the plan."""
        kind = self.plan.kind(arm)
        maker = None if kind is None else self.material.made_by[kind]
        return plan_hash({**self.plan.arms[arm].to_json(), "maker": maker, **changes})

    def regime_of(self, arm: str) -> str | None:
        """Where the synthetic faces of an arm come from; None where it has none."""
        kind = self.plan.kind(arm)
        return None if kind is None else kind.regime

    def run(self, out: Path) -> Iterator[Row]:
        """Run what is missing in `out`, appending and yielding rows as they come.

        An arm and seed whose rows are there (same plan and recipe) is not run again. Calls at the same time
        share the runs.
        """
        source = self.origin
        path = file_of(out, BENCH)
        there = self._complete(read(path), source.plan)
        todo = [(seed, arm) for seed in self.plan.every_seed for arm in self.plan.arms]
        for seed, arm in progress(todo, total=len(todo), desc=BENCH):
            run = (arm, self.recipe(arm), seed)
            if run in there:
                logger.info("%s, seed %d: rows of plan %s are there", arm, seed, source.plan)
                continue
            with claimed(out, f"{source.plan}-{run[1]}-{seed}") as mine:
                there = self._complete(read(path), source.plan)  # what calls beside this one did meanwhile
                if run in there or not mine:
                    logger.info("%s, seed %d: another call %s", arm, seed, "did" if mine else "does that")
                    continue
                found = self._one(source, arm, seed, out)
                append(path, *found)  # in one write: half a run would pass for a whole one
            yield from found

    def embedder(self, arm: str, seed: int) -> tuple[Embedder, dict[str, Any]]:
        """What an arm's run comes to, and what it was made of."""
        started = time.perf_counter()
        plan, material = self.plan, self.material
        real = material.user.subset(self.faces.draw(seed))
        made = self.faces.of(arm, seed)
        synthesised = time.perf_counter()
        embedder = material.start
        phases = plan.phases(arm, seed)
        for phase in phases:
            crops = real if phase.real or made is None else made.crops
            mixed = made.crops if made is not None and phase.real and phase.made_up else None
            embedder = trained_on(self.training, phase.config, crops, mixed, embedder, self.device)
        assert embedder is not None, "what is not trained starts from somewhere: the plan saw to it"
        details = {
            "recipe": self.recipe(arm),
            "twin": self.recipe(arm, chance=0),
            "declaration": self.declaration,
            "how": {"all": dict(plan.train), "arm": plan.arms[arm].said()},
            "family": self.family,
            "people": plan.people,
            "photos": plan.photos,
            "steps": sum(phase.config.steps for phase in phases),
            "real_crops": len(real) if any(phase.real for phase in phases) else 0,
            "synthetic_crops": 0 if made is None else len(made.crops),
            "precision": precision(resolve(self.device)),
            "networks": {} if made is None else dict(made.networks),
            "seconds_of_synthesis": round(synthesised - started, 2),
            "seconds_of_training": round(time.perf_counter() - synthesised, 2),
        }
        return embedder, details

    def _one(self, source: Origin, arm: str, seed: int, out: Path) -> list[Row]:
        started = time.perf_counter()
        embedder, details = self.embedder(arm, seed)
        details["pictures"] = self.faces.shown(arm, seed, out)
        marked = [(exam.data, exam.protocol, self._marks(exam, embedder)) for exam in self.material.exams]
        if self.plan.own:
            marked.append((self.material.name, OWN, self._found_again(embedder, seed)))
        seconds = time.perf_counter() - started
        return [
            row
            for data, protocol, found in marked
            for row in dataclasses.replace(source, data=data, protocol=self._protocol(protocol)).rows(
                found,
                arm=arm,
                seed=seed,
                model=embedder.digest,
                regime=self.regime_of(arm),
                seconds=seconds,
                details=details,
            )
        ]

    def _found_again(self, embedder: Embedder, seed: int) -> list[Measurement]:
        """Whether those who were learned from are found by other photos of them, among strangers."""
        user = self.material.user
        images = np.asarray(user.images)
        whose = search(user, self.faces.draw(seed), seed)
        drawn = Gallery.of(user, whose, lambda rows: embedder.embed(images[rows]))
        return measured(drawn, Way(), seed, FPIR, resampled_users(len(user.identities), self.plan.resamples))

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

    def _protocol(self, asked: str) -> str:
        plan = self.plan
        config = plan.config(next(iter(plan.arms)), plan.first_seed)
        learned = f"{plan.people} people x {plan.photos} photos, {config.total_kimg:g} kimg"
        start = f" from {plan.start}" if plan.start else ""
        return f"{learned}, {plan.backbone}{start} at {config.image_size} px; {asked}"

    def _complete(self, measured: Sequence[Row], plan: str) -> set[tuple[str, str, int]]:
        """Arms with recipe and seed that have as many kinds of rows as the fullest, for all exams."""
        kinds: dict[tuple[str, str, int], set[tuple[str, str]]] = {}
        for row in measured:
            if row.plan == plan and row.seed is not None and "recipe" in row.details:
                key = (row.arm, row.details["recipe"], row.seed)
                kinds.setdefault(key, set()).add((row.data, row.metric))
        most = max(map(len, kinds.values()), default=0)
        full = {key for key, found in kinds.items() if len(found) == most}
        exams = len(self.material.exams) + self.plan.own
        return {key for key in full if len({data for data, _ in kinds[key]}) == exams}


def _fmr(metric: str) -> float | None:
    return next((fmr for fmr in FMRS if tar_name(fmr) == metric), None)
