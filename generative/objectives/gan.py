"""The adversarial objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from generative.data import Batch, FaceData, condition
from generative.models.dcgan import PlainGenerator
from generative.models.gan import GENERATOR_WIDTHS, Generator, doublings
from generative.objectives import identity
from generative.objectives.conditional import ConditionalObjective, usual_similarity
from generative.objectives.game import Fakes, Game, GameSettings
from generative.reading import AttributeReader
from generative.training import Moment, Phase
from recog.embedding import Embedder
from recog.settings import Checks, at_least


@dataclass(frozen=True, kw_only=True)
class GanSettings(GameSettings):
    """Settings of the adversarial objective."""

    noise_size: int = 64
    generator_widths: tuple[int, ...] = GENERATOR_WIDTHS
    identity_weight: float = 3.0  # of the identity window; 0 switches it off
    identity_every: int = 2  # steps

    def _checks(self) -> Checks:
        return super()._checks() | at_least(1, self, "noise_size")

    def applied(self, image_size: int) -> dict[str, Any]:
        """As of `ConditionalSettings.applied`."""
        widths = self.generator_widths[: doublings(image_size) + 1]
        return {**super().applied(image_size), "generator_widths": widths}


class GanObjective(ConditionalObjective):
    """A game of any kind, conditions that fade in, and the identity window."""

    network: Generator | PlainGenerator
    settings: GanSettings

    def __init__(
        self,
        data: FaceData,
        embedder: Embedder,
        settings: GanSettings,
        image_size: int,
        reader: AttributeReader | None = None,
    ) -> None:
        super().__init__(data, embedder, settings, image_size, reader)
        self.window_low = -1.0  # cosine
        if settings.identity_weight:
            self.window_low = usual_similarity(data, settings.identity_quantile)
        plain = settings.architecture == "dcgan"
        self.kind = "dcgan" if plain else "gan"
        self.network = (PlainGenerator if plain else Generator)(**self.network_config())
        self.game = Game(settings, data.vocabulary, self.condition_size, image_size, embedder)
        self.phases = (
            Phase("discriminator", self.game.discriminator, self._discriminator_loss),
            Phase("generator", self.network, self._generator_loss),
        )
        self._fakes: Fakes | None = None
        self._given = torch.empty(0)
        self._level: float | None = None  # of the last step

    def network_config(self) -> dict[str, Any]:
        """The generator's arguments."""
        shared = {"noise_size": self.settings.noise_size, "image_size": self.image_size}
        if self.kind == "dcgan":
            return shared
        return {
            **shared,
            "condition_size": self.condition_size,
            "widths": list(self.settings.generator_widths),
            "block": self.settings.block,
            "fold": self.settings.fold,
        }

    def drawn(self, network: nn.Module, noise: Tensor, given: Tensor) -> Tensor:
        """Faces as far as the network has grown."""
        faces: Tensor = network(noise, given, self._level)
        return faces

    def trouble(self, means: Mapping[str, float]) -> str | None:
        """Why the run has gone wrong, if it has."""
        return self.game.trouble(means)

    def _discriminator_loss(self, batch: Batch, moment: Moment) -> tuple[Tensor, dict[str, Tensor]]:
        """Also makes the fakes that the generator's phase uses: one forward pass serves both."""
        known, self._given = self.conditions(batch, moment.rng)
        noise = torch.randn(len(batch.images), self.settings.noise_size, generator=moment.rng)
        wanted = self.game.turned(known, moment.rng)
        asked = condition(batch.centres, wanted)
        self._level = self.game.level(moment)
        images = self.network(noise.to(batch.images.device), asked * self.game.ramp(moment), self._level)
        self._fakes = Fakes(images, wanted, asked)
        return self.game.discriminator_loss(batch, self._given, self._fakes, moment)

    def _generator_loss(self, batch: Batch, moment: Moment) -> tuple[Tensor, dict[str, Tensor]]:
        assert self._fakes is not None, "the discriminator's phase comes first"
        fakes, ramp = self._fakes, self.game.ramp(moment)
        loss, stats = self.game.generator_loss(batch, self._given, fakes, moment)
        attributes, found = self.attribute_loss(fakes.images, fakes.wanted, ramp)
        loss, stats = loss + attributes, stats | found
        if not self.settings.identity_weight or moment.step % self.settings.identity_every:
            return loss, stats
        window, seen = identity.window(self.embedder, fakes.images, batch.centres, self.window_low)
        loss = loss + self.settings.identity_weight * ramp * window
        return loss, stats | seen
