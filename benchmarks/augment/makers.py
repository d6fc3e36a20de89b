"""Who makes faces for an arm: the bundled generators, or such as know nothing but the photos of the draw.

Regimes. "open": the generator and the recogniser that conditions and filters learned from other people, so
that knowledge from outside comes in. "closed": each of them learned from the N x K photos of the draw alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from benchmarks.augment.plan import CLOSED, Kind, Plan
from generative import presets
from generative.augmenting import GeneratorMaker, Maker, RecombiningMaker, trained_on
from generative.data import FaceData, leave_one_out
from generative.recombining import WAYS
from generative.synthesis import Synthesizer
from generative.training import GeneratorConfig
from generative.training import train as train_generator
from recog.embedding import Embedder
from recog.errors import ConfigError
from recog.training import CropSet, train

ATTRIBUTES = frozenset({"reader_weight", "turned_share"})  # settings of those who know some of each photo
OfRegime = Callable[[str, CropSet, int], Maker]  # by name, for a draw and its seed
Makers = Callable[[Kind, CropSet, int], Maker]


def by_kind(generators: Mapping[str, OfRegime]) -> Makers:
    """Generators by regime, and what needs no network, which is the same in both."""

    def chosen(kind: Kind, draw: CropSet, seed: int) -> Maker:
        if kind.maker in WAYS:
            return RecombiningMaker(kind.maker)
        return generators[kind.regime](kind.maker, draw, seed)

    return chosen


class OpenMakers:
    """Generators that learned from other people's photos; the same for every draw."""

    def __init__(
        self, generators: Mapping[str, str | Path], embedder: Embedder | None = None, device: str = "auto"
    ) -> None:
        """
        Args:
            generators: name or file by kind of maker.
            embedder: that conditions them; None: the bundled one.
        """
        loaded = embedder or Embedder.load("bundled", device)
        self._made = {
            maker: GeneratorMaker(Synthesizer.load(name, loaded, device), loaded)
            for maker, name in generators.items()
        }

    def __call__(self, maker: str, draw: CropSet, seed: int) -> Maker:
        """As of `OfRegime`. Raises: ConfigError: there is no such generator."""
        if maker not in self._made:
            raise ConfigError(
                f"No generator of kind {maker!r} is at hand; give one of {', '.join(self._made)}."
            )
        return self._made[maker]

    @property
    def digests(self) -> Mapping[str, str]:
        """Of each generator and what conditions it, by kind of maker."""
        return {maker: digest_of(sorted(one.networks.items())) for maker, one in self._made.items()}


@dataclass(frozen=True)
class ClosedSettings:
    """How generators of the closed regime are trained."""

    kimg: float = 30.0  # thousands of faces seen
    settings: tuple[tuple[str, Any], ...] = ()  # of the objective
    pace: tuple[tuple[str, Any], ...] = ()


class ClosedMakers:
    """Generators that learn from the draw alone, conditioned by a recogniser that did, too.

    From outside come constants only: the presets of training, and what faces usually score in quality.
    """

    def __init__(
        self, plan: Plan, runs: Path, how: ClosedSettings | None = None, device: str = "auto"
    ) -> None:
        """
        Args:
            plan: whose baseline says how the recognisers learn.
            runs: folder of the generators' runs, which go on where they stopped.
        Raises: ConfigError: generators cannot make faces of the plan's size.
        """
        self._plan, self._runs, self._how, self._device = plan, runs, how or ClosedSettings(), device
        self._made: dict[tuple[str, str, int], Maker] = {}
        for maker in plan.generators_of(CLOSED):
            self._pace(maker, 0)

    def __call__(self, maker: str, draw: CropSet, seed: int) -> Maker:
        """As of `OfRegime`; trains what is not there yet."""
        key = (maker, draw.fingerprint, seed)
        if key not in self._made:
            self._made = {key: self._trained(maker, draw, seed)}  # one at a time is held
        return self._made[key]

    @property
    def digests(self) -> Mapping[str, str]:
        """Of how they are trained, and what conditions them, by kind of maker; what from is the plan's."""
        recogniser = self._plan.arms[self._plan.baseline].to_json()
        return {
            maker: digest_of([recogniser, self._pace(maker, 0), self._settings(maker)])
            for maker in self._plan.generators_of(CLOSED)
        }

    def recogniser(self, draw: CropSet, seed: int) -> Embedder:
        """What conditions the generators of a draw; learned once, whoever asks."""
        decided = [phase.config for phase in self._plan.phases(self._plan.baseline, seed)]
        weights = self._runs / f"recogniser-{digest_of([draw.fingerprint, decided])}.safetensors"
        with _one_at_a_time(weights):
            if not weights.exists():
                learned_alone(self._plan, draw, seed, self._device).save(weights)
        return Embedder.load(weights, self._device)

    def _pace(self, maker: str, seed: int) -> GeneratorConfig:
        size, how = self._plan.image_size, self._how
        return presets.pace(maker, total_kimg=how.kimg, image_size=size, seed=seed, **dict(how.pace))

    def _settings(self, maker: str) -> presets.Settings:
        off = dict.fromkeys(ATTRIBUTES & presets.names(maker), 0.0)
        return presets.settings(maker, **off, **dict(self._how.settings))

    def _trained(self, maker: str, draw: CropSet, seed: int) -> Maker:
        embedder = self.recogniser(draw, seed)
        faces = of_draw(draw, embedder)
        pace, settings = self._pace(maker, seed), self._settings(maker)
        objective = presets.objective(pace, faces, embedder, settings)
        folder = self._runs / f"{maker}-{digest_of([faces.fingerprint, pace, settings])}"
        with _one_at_a_time(folder):
            weights = train_generator(pace, faces, objective, folder, self._device)
        return GeneratorMaker(Synthesizer.load(weights, embedder, self._device), embedder)


def _one_at_a_time(target: Path) -> FileLock:
    """Of several calls that want the same network one makes it, and the others wait for that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(target.with_name(f".{target.name}.lock"))


def learned_alone(plan: Plan, draw: CropSet, seed: int, device: str = "auto") -> Embedder:
    """A recogniser that learns from a draw as the plan's baseline does."""
    embedder: Embedder | None = None
    for phase in plan.phases(plan.baseline, seed):
        embedder = trained_on(train, phase.config, draw, None, embedder, device)
    assert embedder is not None, "a plan has one phase or more"
    return embedder


def of_draw(draw: CropSet, embedder: Embedder) -> FaceData:
    """The photos of a draw for a generator to learn from: nothing is known of them but who is on them."""
    vectors = embedder.embed(np.asarray(draw.images))
    centres, similarities = leave_one_out(vectors, draw.labels)
    nothing = np.zeros((len(draw), 0), np.float32)
    return FaceData(draw, centres, similarities, nothing, model_digest=embedder.digest)


def digest_of(parts: Sequence[object]) -> str:
    """Twelve hex digits of anything that prints what it is."""
    return hashlib.sha256(repr(list(parts)).encode()).hexdigest()[:12]
