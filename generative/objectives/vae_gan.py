"""The variational and the adversarial objective together: one decoder, and a discriminator as a loss.

After Larsen et al. 2016 (arXiv:1512.09300): a discriminator judges the decoder's faces, and what its first
maps see of a photo and of its reconstruction is compared, beside the pixels. In the paper it judges
reconstructions as well as faces from drawn latent codes. Here by default it judges faces from made-up codes
only (drawn, or those of another person's photo); with a `made_up_share` below 1 the rest are reconstructions,
and an `edited_share` has the photo's own code, for other attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from generative.data import Batch, FaceData, condition
from generative.objectives import identity
from generative.objectives.conditional import usual_similarity
from generative.objectives.game import Fakes, Game, GameSettings
from generative.objectives.vae import Encoded, VaeObjective, VaeSettings
from generative.reading import AttributeReader
from generative.training import Moment, Phase
from recog.embedding import Embedder
from recog.settings import Checks, at_least, shares

MAPS = 3  # of the discriminator that are compared


@dataclass(frozen=True, kw_only=True)
class VaeGanSettings(GameSettings, VaeSettings):
    """Settings of both objectives, and how much each weighs."""

    identity_weight: float = 0.1  # of reconstructions, as a VAE's; the window below is of made-up faces
    # of all that a GAN's generator minimises; the error of pixels weighs 1. At a face, the game's gradient
    # is about a hundred times that of a mean over pixels: with 0.1, faces were not reconstructed at all
    adversarial_weight: float = 0.02
    feature_weight: float = 0.2  # of the mean absolute error of the discriminator's first maps
    window_weight: float = 3.0  # of the identity window, for faces from made-up codes; 0 switches it off
    made_up_share: float = 1.0  # of the faces that are judged; the others are reconstructions
    edited_share: float = 0.0  # of these codes: the photo's own, to show an attribute reversed or another age
    swapped_share: float = 0.5  # of the other codes: another person's photo's, so that codes hold no identity

    def _checks(self) -> Checks:
        return super()._checks() | {
            **at_least(0, self, "adversarial_weight", "feature_weight", "window_weight"),
            **shares(self, "made_up_share", "edited_share", "swapped_share"),
            "architecture": (self.architecture == "styled", "styled: the decoder is the generator"),
            "grow": (not self.grow, "False: the encoder does not grow"),
        }


class Step(NamedTuple):
    """What one phase leaves for the other."""

    encoded: Encoded
    faces: Tensor  # (B, 3, S, S) reconstructions
    fakes: Fakes  # B faces to judge: from made-up codes for the first `made` people, else reconstructions
    made: int
    given: Tensor  # (B, C) of the real faces


class VaeGanObjective(VaeObjective):
    """The negative ELBO, the error of the discriminator's maps, and the adversarial game."""

    kind = "vae-gan"
    settings: VaeGanSettings

    def __init__(
        self,
        data: FaceData,
        embedder: Embedder,
        settings: VaeGanSettings,
        image_size: int,
        reader: AttributeReader | None = None,
    ) -> None:
        super().__init__(data, embedder, settings, image_size, reader)
        self.game = Game(settings, data.vocabulary, self.condition_size, image_size, embedder)
        self.phases = (
            Phase("discriminator", self.game.discriminator, self._discriminator_loss),
            Phase("vae", self.network, self._both_losses),
        )
        self.window_low = -1.0  # cosine
        if settings.window_weight:
            self.window_low = usual_similarity(data, settings.identity_quantile)
        self._step: Step | None = None

    def trouble(self, means: Mapping[str, float]) -> str | None:
        """Why the run has gone wrong, if it has."""
        return self.game.trouble(means)

    def _discriminator_loss(self, batch: Batch, moment: Moment) -> tuple[Tensor, dict[str, Tensor]]:
        """Also makes the faces that the other phase uses: one pass serves both."""
        known, given = self.conditions(batch, moment.rng)
        encoded = self._encoded(batch, given, moment)
        codes = self._made_up(encoded.code.detach(), moment)  # the game is the decoder's, not the encoder's
        count = len(codes)
        edits = self._edits(count)
        edited = self._edited(known, moment)[:edits]
        wanted = torch.cat([edited, self.game.turned(known[edits:count], moment.rng)])
        asked = condition(batch.centres[:count], wanted)
        # together: what is normalised over a batch is normalised alike
        faces, made = self.network(torch.cat([encoded.code, codes]), torch.cat([given, asked])).split(
            [len(batch.images), count]
        )
        fakes = Fakes(
            torch.cat([made, faces[count:]]),
            torch.cat([wanted, known[count:]]),
            torch.cat([asked, given[count:]]),
        )
        self._step = Step(encoded, faces, fakes, count, given)
        return self.game.discriminator_loss(batch, given, fakes, moment)

    def _made_up(self, codes: Tensor, moment: Moment) -> Tensor:
        """Codes (F, Z) for the batch's first people, from theirs (B, Z): own ones first, which are edited."""
        count = round(self.settings.made_up_share * len(codes))
        edited = self._edits(count)
        swapped = edited + round(self.settings.swapped_share * (count - edited))
        drawn = torch.randn(count - swapped, codes.shape[1], generator=moment.rng).to(codes)
        return torch.cat([codes[:edited], codes.roll(1, dims=0)[edited:swapped], drawn])

    def _edits(self, count: int) -> int:
        """How many of so many made-up faces have their photo's own code."""
        return round(self.settings.edited_share * count)

    def _edited(self, known: Tensor, moment: Moment) -> Tensor:
        """Attributes (B, V) as edits ask for them: one reversed, half of the faces of another's age."""
        wanted = self.game.turned(known, moment.rng, share=1.0)
        ages = len(self.vocabulary.attributes)  # columns from here on
        older = (torch.rand(len(known), 1, generator=moment.rng) < 0.5).to(known.device)
        others = torch.where(older, known.roll(1, dims=0), wanted)
        return torch.cat([wanted[:, :ages], others[:, ages:]], dim=1)

    def _both_losses(self, batch: Batch, moment: Moment) -> tuple[Tensor, dict[str, Tensor]]:
        assert self._step is not None, "the discriminator's phase comes first"
        step = self._step
        loss, stats = self._negative_elbo(batch, step.encoded, step.faces, moment)
        stats["view_error"] = self._view_error(batch, step.faces, moment)
        loss = loss + self.settings.feature_weight * stats["view_error"]
        game, more = self._game_loss(batch, step, moment)
        return loss + self.settings.adversarial_weight * game, stats | more

    def _game_loss(self, batch: Batch, step: Step, moment: Moment) -> tuple[Tensor, dict[str, Tensor]]:
        """What a GAN's generator minimises."""
        loss, stats = self.game.generator_loss(batch, step.given, step.fakes, moment)
        made, ramp = step.fakes.images[: step.made], self.game.ramp(moment)
        attributes, found = self.attribute_loss(made, step.fakes.wanted[: step.made], ramp)
        loss, stats = loss + attributes, stats | found
        if step.made and self.settings.window_weight and moment.step % self.settings.identity_every == 0:
            window, seen = identity.window(self.embedder, made, batch.centres, self.window_low)
            loss = loss + self.settings.window_weight * ramp * window
            stats = stats | seen
        return loss, stats

    def _view_error(self, batch: Batch, faces: Tensor, moment: Moment) -> Tensor:
        """Mean absolute difference of the discriminator's first maps of faces and their reconstructions."""
        nothing = batch.images.new_zeros(len(batch.images), self.condition_size)  # maps do not depend on it
        with torch.no_grad():
            real = self.game.discriminator(batch.images, nothing).maps[:MAPS]
        again = self.game.discriminator(faces, nothing).maps[:MAPS]
        errors = [F.l1_loss(a.float(), b.float()) for a, b in zip(again, real, strict=True)]
        return torch.stack(errors).mean()
