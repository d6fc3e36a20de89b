"""Made-up faces to learn from: who makes them, which are asked for, and when they are learned from.

A recipe is a `Synthesis`; a `Maker` makes its faces from real crops; `phases` parts a run between the two.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Protocol

import numpy as np

from generative.curation import Window
from generative.recombining import WAYS, recombined
from generative.synthesis import Synthesizer, SyntheticPerson
from recog.alignment import square
from recog.embedding import Embedder
from recog.errors import ConfigError
from recog.settings import Checks, at_least, check
from recog.training import CropSet, TrainConfig

MAKERS = ("gan", "vae", "vae-gan", *WAYS)
SAME, NEW = OF = ("same", "new")
WINDOW, ALIKE, HARD = KEEPS = ("window", "alike", "hard")  # which of the candidates
SEEDS_APART = 100_003  # of two people's photos


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """Which made-up faces are learned from, and when.

    Raises: ConfigError: a value is outside its range.
    """

    maker: str = "gan"
    of: str = SAME  # same: more photos of the people who are learned from; new: people who do not exist
    people: int = 0  # of "new"
    photos: int = 16  # of each person
    share: float = 0.5  # of each batch; 1: real photos are not learned from
    first: float = 0.0  # share of the steps that are over before the first real photo is seen
    candidates: int = 2  # photos made for each that is kept
    keep: str = WINDOW  # those as like the person as real photos are; alike: the most alike; hard: as like as
    # real photos are, and of these those that the recogniser finds hardest

    def __post_init__(self) -> None:
        check(self, self._checks)

    def _checks(self) -> Checks:
        wanted = self.of == NEW
        return {
            "maker": (self.maker in MAKERS, f"one of {', '.join(MAKERS)}"),
            "of": (
                self.of in OF and (wanted or self.maker not in WAYS),
                f"one of {', '.join(OF)}; people by {', '.join(WAYS)} are {NEW}",
            ),
            "people": (self.people >= 2 if wanted else self.people == 0, "2 or more of new people, else 0"),
            **at_least(1, self, "photos", "candidates"),
            "keep": (self.keep in KEEPS, f"one of {', '.join(KEEPS)}"),
            "share": (
                0 <= self.share <= 1 and self.share + self.first > 0,
                "0 to 1, above 0 unless first is",
            ),
            "first": (0 <= self.first < 1, "0 or more, less than 1"),
        }


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of a run: which faces, and for how long."""

    config: TrainConfig
    real: bool
    made_up: bool


def phases(config: TrainConfig, synthesis: Synthesis | None) -> tuple[Phase, ...]:
    """What a run does one after another; together they have as many steps as `config`.

    Raises: ConfigError: the share is none, or all, of a batch.
    """
    if synthesis is None:
        return (Phase(config=config, real=True, made_up=False),)
    share = synthesis.share
    mixes = 0 < share < 1
    if mixes and not 1 <= round(share * config.batch_size) < config.batch_size:
        raise ConfigError(f"A share of {share} is none, or all, of {config.batch_size} crops.")
    first, rest = parted(config, synthesis.first)
    last = dataclasses.replace(rest, synthetic_share=share if mixes else 0.0)
    before = [Phase(config=first, real=False, made_up=True)] if first is not None else []
    return (*before, Phase(config=last, real=share < 1, made_up=share > 0))


def parted(config: TrainConfig, share: float) -> tuple[TrainConfig | None, TrainConfig]:
    """A run in two, of which the first has this share of the steps (0: there is none)."""
    if not share:
        return None, config
    first = max(1, min(config.steps - 1, round(share * config.steps)))
    return _of_steps(config, first), _of_steps(config, config.steps - first)


def _of_steps(config: TrainConfig, steps: int) -> TrainConfig:
    return dataclasses.replace(config, total_kimg=steps * config.batch_size / 1000)


class Maker(Protocol):
    """Makes the faces of one kind of generator."""

    @property
    def networks(self) -> Mapping[str, str]:
        """Digests of all networks that had a say in the faces."""

    def __call__(self, draw: CropSet, synthesis: Synthesis, seed: int) -> CropSet:
        """Made-up photos: of the people on `draw`, crops as recognisers take them, or of new ones."""


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
        window = self._window(synthesis.keep)
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

    def _window(self, keep: str) -> Window:
        usual = self.synthesizer.window
        chosen = {WINDOW: usual, ALIKE: Window(), HARD: dataclasses.replace(usual, hardest=True)}
        return chosen[keep]


@dataclass(frozen=True)
class RecombiningMaker:
    """Recombines the photos of the draw in one of `generative.recombining.WAYS`; nothing else has a say."""

    way: str
    networks: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __call__(self, draw: CropSet, synthesis: Synthesis, seed: int) -> CropSet:
        """As `Maker`. Raises: DataError: so many pairs are not there."""
        return recombined(draw, self.way, synthesis.people, synthesis.photos, seed)


def trained_on(
    training: Callable[..., Embedder],
    config: TrainConfig,
    crops: CropSet,
    mixed: CropSet | None,
    start: Embedder | None,
    device: str,
) -> Embedder:
    """Train on crops, and some that are mixed in, from the weights of `start` where there are some."""
    if start is None:
        return training(config, crops, synthetic=mixed, device=device)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "start.safetensors"
        start.save(weights)
        return training(config, crops, synthetic=mixed, device=device, start=weights)


def crops_of(people: Sequence[SyntheticPerson]) -> CropSet:
    """Made-up people as crops to train on or to draw from."""
    return CropSet(
        np.concatenate([person.images for person in people]),
        np.repeat(np.arange(len(people)), [len(person.images) for person in people]).astype(np.int64),
        tuple(person.identity for person in people),
        tuple(f"{person.identity}/{k:04d}" for person in people for k in range(len(person.images))),
    )


def sized(crops: CropSet, size: int) -> CropSet:
    """Crops at the side that is trained: what generators make has one of its own."""
    return dataclasses.replace(crops, images=np.stack([square(one, size) for one in crops.images]))
