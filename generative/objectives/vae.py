"""The variational objective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generative import losses
from generative.data import Batch, FaceData
from generative.directions import directions
from generative.models.gan import doublings
from generative.models.vae import CODE_SIZE, DECODER_WIDTHS, ENCODER_WIDTHS, VAE
from generative.objectives.conditional import ConditionalObjective, ConditionalSettings
from generative.objectives.identity import identity_error
from generative.reading import AttributeReader
from generative.training import Moment, Phase
from recog.embedding import Embedder
from recog.settings import Checks, at_least, shares


@dataclass(frozen=True, kw_only=True)
class VaeSettings(ConditionalSettings):
    """Settings of the variational objective."""

    code_size: int = CODE_SIZE
    encoder_widths: tuple[int, ...] = ENCODER_WIDTHS
    decoder_widths: tuple[int, ...] = DECODER_WIDTHS
    ssim_weight: float = 0.2
    kl_weight: float = 1e-3  # a nat against a mean absolute error of 1
    kl_warmup: float = 0.2  # share of the run in which the KL term grows from 0
    free_nats: float = 0.05  # a dimension of the latent code
    identity_weight: float = 0.1  # of 1 - cosine(recogniser A: face, reconstruction); 0 switches it off

    def _checks(self) -> Checks:
        return super()._checks() | {
            **at_least(1, self, "code_size"),
            **at_least(0, self, "ssim_weight", "kl_weight", "free_nats"),
            **shares(self, "kl_warmup"),
        }

    def applied(self, image_size: int) -> dict[str, Any]:
        """As of `ConditionalSettings.applied`."""
        count = doublings(image_size)
        return {
            **super().applied(image_size),
            "encoder_widths": self.encoder_widths[:count],
            "decoder_widths": self.decoder_widths[: count + 1],
        }


class Encoded(NamedTuple):
    """Faces as latent codes."""

    code: Tensor  # (B, Z) as drawn
    mean: Tensor  # (B, Z)
    log_variance: Tensor  # (B, Z)


class VaeObjective(ConditionalObjective):
    """L1 + SSIM + recogniser features + KL with warm-up and free bits."""

    kind = "vae"
    network: VAE
    settings: VaeSettings
    phases: Sequence[Phase]

    def __init__(
        self,
        data: FaceData,
        embedder: Embedder,
        settings: VaeSettings,
        image_size: int,
        reader: AttributeReader | None = None,
    ) -> None:
        super().__init__(data, embedder, settings, image_size, reader)
        self.network = VAE(**self.network_config())
        self.phases = (Phase("vae", self.network, self._loss),)

    def extra_tensors(self, network: nn.Module, data: FaceData) -> dict[str, Tensor]:
        """The spread of identities, and the directions of attributes in the latent code."""
        assert isinstance(network, VAE)
        extra = super().extra_tensors(network, data)
        return {**extra, "directions": directions(network, data)} if self.vocabulary.names else extra

    def rehearse(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> None:
        """Faces through the code and back, and from made-up codes."""
        assert isinstance(network, VAE)
        _, given = self.conditions(batch, rng)
        network(network.encode(batch.images, given)[0], given)
        super().rehearse(network, batch, rng)

    def network_config(self) -> dict[str, Any]:
        """The VAE's arguments."""
        return {
            "condition_size": self.condition_size,
            "image_size": self.image_size,
            "code_size": self.settings.code_size,
            "encoder_widths": list(self.settings.encoder_widths),
            "decoder_widths": list(self.settings.decoder_widths),
            "block": self.settings.block,
            "fold": self.settings.fold,
        }

    def _loss(self, batch: Batch, moment: Moment) -> tuple[Tensor, dict[str, Tensor]]:
        wanted, given = self.conditions(batch, moment.rng)
        encoded = self._encoded(batch, given, moment)
        faces = self.network(encoded.code, given)
        loss, stats = self._negative_elbo(batch, encoded, faces, moment)
        attributes, found = self.attribute_loss(faces, wanted, 1.0)
        return loss + attributes, stats | found

    def _encoded(self, batch: Batch, given: Tensor, moment: Moment) -> Encoded:
        """The batch in the code, a draw for each face."""
        mean, log_variance = self.network.encode(batch.images, given)
        noise = torch.randn(mean.shape, generator=moment.rng).to(mean)
        return Encoded(mean + noise * (0.5 * log_variance).exp(), mean, log_variance)

    def _negative_elbo(
        self, batch: Batch, encoded: Encoded, faces: Tensor, moment: Moment
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Negative evidence lower bound (ELBO): what is lost of the faces, and the KL divergence, weighed.

        In place of a likelihood of pixels stand L1, SSIM and, every few steps, the cosine of recogniser A.

        Args:
            faces: (B, 3, S, S) the reconstructions.
        """
        l1 = F.l1_loss(faces, batch.images)
        ssim = losses.ssim_error(faces, batch.images, moment.rng)
        kl = losses.kl_divergence(encoded.mean, encoded.log_variance, self.settings.free_nats)
        warm = min(1.0, moment.progress / self.settings.kl_warmup) if self.settings.kl_warmup else 1.0
        loss = l1 + self.settings.ssim_weight * ssim + self.settings.kl_weight * warm * kl
        stats = {"l1": l1, "ssim_error": ssim, "kl_nats": kl}
        if self.settings.identity_weight and moment.step % self.settings.identity_every == 0:
            stats["identity_error"] = identity_error(self.embedder, faces, batch.images)
            loss = loss + self.settings.identity_weight * stats["identity_error"]
        return loss, stats
