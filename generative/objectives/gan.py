"""The adversarial objective."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from generative import losses
from generative.data import Batch, FaceData
from generative.diffaugment import POLICY, diff_augment
from generative.models.gan import DISCRIMINATOR_WIDTHS, GENERATOR_WIDTHS, Discriminator, Generator
from generative.objectives import identity
from generative.objectives.conditional import ConditionalObjective, ConditionalSettings
from generative.training import Moment, Phase
from recog.embedding import Embedder
from recog.errors import DataError
from recog.settings import Checks, at_least, shares


@dataclass(frozen=True, kw_only=True)
class GanSettings(ConditionalSettings):
    """Settings of the adversarial objective."""

    noise_size: int = 64
    generator_widths: tuple[int, ...] = GENERATOR_WIDTHS
    discriminator_widths: tuple[int, ...] = DISCRIMINATOR_WIDTHS
    r1_gamma: float = 0.5  # weight of R1
    r1_every: int = 16  # steps (lazy regularisation: the weight makes up for it)
    augment: tuple[str, ...] = POLICY  # DiffAugment: which of its parts
    conditioning_ramp: float = 0.2  # share of the run in which the condition fades in (arXiv:2201.06578)
    identity_weight: float = 0.5  # of the identity window; 0 switches it off
    identity_quantile: float = 0.25  # of real same-identity cosines: where the window begins

    def _checks(self) -> Checks:
        return super()._checks() | {
            "augment": (set(self.augment) <= set(POLICY), f"some of {', '.join(POLICY)}"),
            **at_least(1, self, "noise_size", "r1_every"),
            **at_least(0, self, "r1_gamma"),
            **shares(self, "conditioning_ramp", "identity_quantile"),
        }


class GanObjective(ConditionalObjective):
    """Non-saturating loss, lazy R1, DiffAugment, projection, conditioning ramp, identity window."""

    kind = "gan"
    network: Generator
    settings: GanSettings

    def __init__(self, data: FaceData, embedder: Embedder, settings: GanSettings, image_size: int) -> None:
        super().__init__(data, embedder, settings, image_size)
        self.window_low = -1.0  # cosine
        if settings.identity_weight:
            self.window_low = _usual_similarity(data, settings.identity_quantile)
        self.network = Generator(**self.network_config())
        self.discriminator = Discriminator(self.condition_size, image_size, settings.discriminator_widths)
        self.phases = (
            Phase("discriminator", self.discriminator, self._discriminator_loss),
            Phase("generator", self.network, self._generator_loss),
        )
        self._fakes = self._given = torch.empty(0)

    def network_config(self) -> dict[str, Any]:
        """The generator's arguments."""
        return {
            "noise_size": self.settings.noise_size,
            "condition_size": self.condition_size,
            "image_size": self.image_size,
            "widths": list(self.settings.generator_widths),
        }

    def _discriminator_loss(self, batch: Batch, moment: Moment) -> tuple[Tensor, dict[str, Tensor]]:
        """Also makes the fakes that the generator's phase uses: one forward pass serves both."""
        ramp = self._ramp(moment)
        self._given = self.conditions(batch, moment.rng)
        noise = torch.randn(len(batch.images), self.settings.noise_size, generator=moment.rng)
        self._fakes = self.network(noise.to(batch.images.device), self._given * ramp)
        real = self._seen(batch.images, moment)
        fake = self._seen(self._fakes.detach(), moment)
        on_real = self.discriminator(real, self._given, ramp)
        on_fake = self.discriminator(fake, self._given, ramp)
        loss = losses.discriminator_loss(on_real, on_fake)
        stats = {"real_sign": on_real.sign().mean(), "fake_sign": on_fake.sign().mean()}
        if self.settings.r1_gamma and moment.step % self.settings.r1_every == 0:
            leaf = real.detach().requires_grad_()
            stats["r1"] = losses.r1_penalty(self.discriminator(leaf, self._given, ramp), leaf)
            loss = loss + self.settings.r1_gamma * self.settings.r1_every * stats["r1"]
        return loss, stats

    def _generator_loss(self, batch: Batch, moment: Moment) -> tuple[Tensor, dict[str, Tensor]]:
        ramp = self._ramp(moment)
        seen = self._seen(self._fakes, moment)
        loss = losses.generator_loss(self.discriminator(seen, self._given, ramp))
        if not self.settings.identity_weight or moment.step % self.settings.identity_every:
            return loss, {}
        vectors = self.embedder.forward_tensor(self._fakes[: identity.FACES])
        similarity = (vectors * batch.centres[: identity.FACES]).sum(dim=1)
        window = losses.identity_window(similarity, self.window_low)
        loss = loss + self.settings.identity_weight * ramp * window
        return loss, {"identity_cosine": similarity.mean(), "identity_window": window}

    def _seen(self, images: Tensor, moment: Moment) -> Tensor:
        return diff_augment(images, moment.rng, self.settings.augment)

    def _ramp(self, moment: Moment) -> float:
        span = self.settings.conditioning_ramp
        return min(1.0, moment.progress / span) if span else 1.0


def _usual_similarity(data: FaceData, quantile: float) -> float:
    """This quantile of the cosines between a real photo and the other photos of its person."""
    similarities = torch.from_numpy(data.similarities)
    if bool(similarities.isnan().all()):
        raise DataError(
            "No person has two photos, so nothing says how alike photos of a person are. Give more "
            "photos of some people, or set identity_weight to 0."
        )
    return float(torch.nanquantile(similarities, quantile))
