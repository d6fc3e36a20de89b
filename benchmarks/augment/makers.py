"""Who makes faces for an arm: the bundled generators, or such as know nothing but the photos of the draw.

Regimes. "open": the generator and the recogniser that conditions and filters learned from other people, so
that knowledge from outside comes in. "closed": each of them learned from the N x K photos of the draw alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.augment.plan import NEW, Plan, Synthesis
from generative import presets
from generative.curation import Window
from generative.data import FaceData, leave_one_out
from generative.synthesis import Synthesizer, SyntheticPerson
from generative.training import train as train_generator
from recog.embedding import Embedder
from recog.errors import DataError
from recog.training import CropSet, train

Recogniser = Callable[[CropSet, int], Embedder]  # of a draw and a seed
SEEDS_APART = 100_003  # of two people's photos


class Maker(Protocol):
    """Makes the faces of one kind of generator."""

    @property
    def networks(self) -> Mapping[str, str]:
        """Digests of all networks that had a say in the faces."""

    def __call__(self, draw: CropSet, synthesis: Synthesis, seed: int) -> CropSet:
        """Made-up photos: of the people on `draw`, crops as recognisers take them, or of new ones."""


Makers = Callable[[str, CropSet, int], Maker]  # the kind of maker, a draw and its seed


@dataclass(frozen=True, eq=False)
class GeneratorMaker:
    """A generator with the recogniser that conditions it and chooses among its faces."""

    synthesizer: Synthesizer
    embedder: Embedder

    @cached_property
    def networks(self) -> Mapping[str, str]:
        """Digests of all networks that had a say."""
        guides = {f"guide {place}": one for place, one in enumerate(sorted(self.synthesizer.guides))}
        return {"generator": self.synthesizer.digest, "recogniser": self.embedder.digest, **guides}

    def __call__(self, draw: CropSet, synthesis: Synthesis, seed: int) -> CropSet:
        """As `Maker`. Raises: SynthesisExhausted: so many new people are not there."""
        window = None if synthesis.window else Window()
        if synthesis.of == NEW:
            strangers = self.synthesizer.new_people(
                synthesis.people, synthesis.photos, seed, candidates=synthesis.candidates, window=window
            )
            return crops_of(strangers)
        vectors = self.embedder.embed(np.asarray(draw.images))
        made = [
            self.synthesizer.person(
                name,
                vectors[draw.labels == code],
                synthesis.photos,
                seed * SEEDS_APART + code,
                candidates=synthesis.candidates,
                window=window,
            )
            for code, name in enumerate(draw.identities)
        ]
        return crops_of(made)


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
        """As of `Makers`. Raises: DataError: there is no such generator."""
        if maker not in self._made:
            raise DataError(
                f"No generator of kind {maker!r} is at hand; give one of {', '.join(self._made)}."
            )
        return self._made[maker]

    @property
    def digest(self) -> str:
        """Of all generators and what conditions them."""
        return digest_of([one.networks for one in self._made.values()])


@dataclass(frozen=True)
class ClosedSettings:
    """How generators of the closed regime are trained."""

    kimg: float = 30.0  # thousands of faces seen
    settings: tuple[tuple[str, Any], ...] = ()  # of the objective
    pace: tuple[tuple[str, Any], ...] = ()


class ClosedMakers:
    """Generators that learn from the draw alone, conditioned by a recogniser that did, too."""

    def __init__(self, recogniser: Recogniser, runs: Path, how: ClosedSettings, device: str = "auto") -> None:
        """
        Args:
            recogniser: what conditions a generator, and learned from the same crops alone.
            runs: folder of the generators' runs, which go on where they stopped.
        """
        self._recogniser, self._runs, self._how, self._device = recogniser, runs, how, device
        self._made: dict[tuple[str, str, int], Maker] = {}

    def __call__(self, maker: str, draw: CropSet, seed: int) -> Maker:
        """As of `Makers`; trains what is not there yet."""
        key = (maker, draw.fingerprint, seed)
        if key not in self._made:
            self._made = {key: self._trained(maker, draw, seed)}  # one at a time is held
        return self._made[key]

    def _trained(self, maker: str, draw: CropSet, seed: int) -> Maker:
        embedder = self._recogniser(draw, seed)
        faces = of_draw(draw, embedder)
        usual = presets.pace(
            maker,
            total_kimg=self._how.kimg,
            image_size=int(draw.images.shape[1]),
            seed=seed,
            **dict(self._how.pace),
        )
        settings = presets.settings(maker, reader_weight=0.0, turned_share=0.0, **dict(self._how.settings))
        objective = presets.objective(usual, faces, embedder, settings)
        folder = self._runs / f"{maker}-{digest_of([faces.fingerprint, usual, settings])}"
        weights = train_generator(usual, faces, objective, folder, self._device)
        synthesizer = Synthesizer.load(weights, embedder, self._device)
        return GeneratorMaker(synthesizer, embedder)

    @property
    def digest(self) -> str:
        """Of how they are trained; what from is the plan's."""
        return digest_of([self._how])


def learned_alone(plan: Plan, device: str = "auto") -> Recogniser:
    """Recognisers that learn from a draw as the plan's baseline does."""

    def recogniser(draw: CropSet, seed: int) -> Embedder:
        return train(plan.config(plan.baseline, seed), draw, device=device)

    return recogniser


def of_draw(draw: CropSet, embedder: Embedder) -> FaceData:
    """The photos of a draw for a generator to learn from: nothing is known of them but who is on them."""
    vectors = embedder.embed(np.asarray(draw.images))
    centres, similarities = leave_one_out(vectors, draw.labels)
    nothing = np.zeros((len(draw), 0), np.float32)
    return FaceData(draw, centres, similarities, nothing, model_digest=embedder.digest)


def crops_of(people: Sequence[SyntheticPerson]) -> CropSet:
    """Made-up people as crops to train on or to draw from."""
    return CropSet(
        np.concatenate([person.images for person in people]),
        np.repeat(np.arange(len(people)), [len(person.images) for person in people]).astype(np.int64),
        tuple(person.identity for person in people),
        tuple(f"{person.identity}/{k:04d}" for person in people for k in range(len(person.images))),
    )


def digest_of(parts: Sequence[object]) -> str:
    """Twelve hex digits of anything that prints what it is."""
    return hashlib.sha256(repr(list(parts)).encode()).hexdigest()[:12]
