"""The repair objective: a conditional GAN on images, anchored to the pixels and to the person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generative import damage, losses
from generative.adversarial import LOSSES, Judged, r1
from generative.damage import Mixture
from generative.data import Batch, FaceData
from generative.models.repairer import CRITIC_WIDTHS, WIDTHS, PatchCritic, Repaired, UNet
from generative.objectives.identity import FACES, window
from generative.training import Moment, Phase
from recog.embedding import Embedder
from recog.errors import ConfigError
from recog.pixels import resized
from recog.settings import Checks, above_zero, at_least, check, shares

LEVEL = 127.5  # of 255, in pixels of -1 to 1
PIXEL_LOSSES = ("charbonnier", "psnr")


@dataclass(frozen=True, kw_only=True)
class RepairSettings:
    """Settings of the repair objective.

    Raises: ConfigError: a value is outside its range.
    """

    widths: tuple[int, ...] = WIDTHS
    sizes: tuple[int, ...] = (64, 112)  # px: a step takes one of those up to the data's side
    prior: tuple[int, ...] = (
        20,
        128,
    )  # px and components of the faces that holes are first filled from; none: ()
    finds_covers: bool = True  # also learn which pixels do not show the face
    names_damage: bool = True  # also learn what a face suffers from
    pixel_loss: str = "psnr"  # of `PIXEL_LOSSES`
    pixel_weight: float = 0.1
    floor_levels: float = 5.0  # of 255: psnr hardly counts deviations below it,
    floor_share: float = 0.1  # nor squared errors below this share of what the damage did
    intact_share: float = 0.1  # of the faces, undamaged: what is whole should be left alone
    covered_times: float = 3.0  # so often counts the error of a pixel that nothing is seen of
    ssim_weight: float = 0.1
    cover_weight: float = 0.05  # of the cross-entropy of what is found covered
    damage_weight: float = 0.01  # of the cross-entropy of what it suffers from
    identity_weight: float = 0.1  # of the window of recogniser A's cosine to the face; 0 or no model: off
    identity_low: float = 0.9  # cosine from which a repaired face is the same person beyond doubt
    identity_every: int = 4  # steps
    adversarial_weight: float = 0.002  # of the patch critic's say; 0: no critic
    loss: str = "hinge"  # of `adversarial.LOSSES`
    critic_widths: tuple[int, ...] = CRITIC_WIDTHS
    penalty_weight: float = 0.05  # of R1 on the critic
    penalty_every: int = 16  # steps

    def __post_init__(self) -> None:
        check(self, self._checks)

    def _checks(self) -> Checks:
        return {
            **at_least(1, self, "identity_every", "penalty_every", "covered_times"),
            **at_least(
                0,
                self,
                "pixel_weight",
                "floor_share",
                "ssim_weight",
                "cover_weight",
                "damage_weight",
                "identity_weight",
                "adversarial_weight",
                "penalty_weight",
            ),
            **shares(self, "intact_share", "identity_low"),
            **above_zero(self, "floor_levels"),
            "prior": (
                len(self.prior) in (0, 2) and all(part >= 1 for part in self.prior),
                "px and components, 1 or more, or nothing",
            ),
            "pixel_loss": (self.pixel_loss in PIXEL_LOSSES, f"one of {', '.join(PIXEL_LOSSES)}"),
            "loss": (self.loss in LOSSES, f"one of {', '.join(LOSSES)}"),
        }


class Step(NamedTuple):
    """What both networks of a step look at."""

    clean: Tensor  # (B, 3, S, S)
    mixture: Mixture
    repaired: Repaired

    @property
    def given(self) -> Tensor:
        """(B, 4, S, S): what the critic sees beside a face."""
        return torch.cat([self.mixture.images * (1 - self.mixture.told), self.mixture.told], dim=1)


class RepairObjective:
    """Pixels + SSIM + identity window + what a patch critic sees, over mixed damages."""

    kind = "repairer"
    phases: Sequence[Phase]

    def __init__(
        self, data: FaceData, settings: RepairSettings, image_size: int, embedder: Embedder | None = None
    ) -> None:
        self.settings, self.embedder = settings, embedder
        self.network = UNet(settings.widths, **self._taught())
        if self.network.prior is not None:
            self.network.prior.fit(data.crops.images)
        self.sizes = [size for size in settings.sizes if size <= image_size] or [image_size]
        wrong = [size for size in self.sizes if size % self.network.multiple]
        if wrong:
            raise ConfigError(
                f"sizes has {wrong[0]} px; the repairer needs multiples of {self.network.multiple}."
            )
        self.game = LOSSES[settings.loss](0.0)
        self.critic: PatchCritic | None = None
        self.phases = (Phase("repairer", self.network, self._loss),)
        if settings.adversarial_weight > 0:
            self.critic = PatchCritic(settings.critic_widths)
            self.phases = (Phase("critic", self.critic, self._critic_loss), *self.phases)
        self._step: Step | None = None

    def _taught(self) -> dict[str, Any]:
        damages = damage.KINDS if self.settings.names_damage else ()
        prior = {"prior": list(self.settings.prior)} if self.settings.prior else {}
        return {"finds_covers": self.settings.finds_covers, "damages": list(damages), **prior}

    def run_config(self) -> dict[str, Any]:
        """What makes this run what it is."""
        return {**asdict(self.settings), "model_digest": self.embedder.digest if self.embedder else None}

    def model_config(self) -> dict[str, Any]:
        """Enough to build the U-Net again."""
        network = {"widths": list(self.settings.widths), **self._taught()}
        guided = self.embedder is not None and self.settings.identity_weight > 0
        guide = {"identity_digest": self.embedder.digest} if guided and self.embedder else {}
        return {"network": network, "sizes": self.sizes, **guide}

    def extra_tensors(self, network: nn.Module, data: FaceData) -> dict[str, Tensor]:
        """Nothing ships beside the weights."""
        return {}

    def rehearse(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> None:
        """Damaged faces, repaired."""
        mixture = damage.mixed(batch.images, rng)
        network(mixture.images, mixture.told)

    def samples(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> tuple[Tensor, int]:
        """Rows of clean, damaged and repaired faces: real people, for the run directory only."""
        clean = batch.images[:10]
        mixture = damage.mixed(clean, rng)
        repaired = network(mixture.images, mixture.told).images.float()
        return torch.cat([clean, mixture.images, repaired]), len(clean)

    def trouble(self, means: Mapping[str, float]) -> str | None:
        """Nothing but a loss that is not finite goes wrong here: the pixels hold the game."""
        return None

    def _pixel_error(self, step: Step, weights: Tensor) -> Tensor:
        s, faces = self.settings, step.repaired.images
        if s.pixel_loss == "charbonnier":
            return losses.charbonnier(faces, step.clean, weights=weights)
        # a log alone follows faces that are almost whole, where a level more is many times the error; beside
        # the damage's own error, 250 steps of 16 faces teach to repair noise to 23 dB instead of 21
        damaged = losses.face_errors(step.given[:, :3], step.clean, weights)
        floor = (s.floor_levels / LEVEL) ** 2 + s.floor_share * damaged
        return losses.psnr_error(faces, step.clean, floor, weights)

    def _critic_loss(self, batch: Batch, moment: Moment) -> tuple[Tensor, dict[str, Tensor]]:
        assert self.critic is not None, "this phase is there with a critic only"
        step = self._step = self._taken(batch, moment)
        real = self.critic(step.clean, step.given)
        fake = self.critic(step.repaired.images.detach(), step.given)
        loss = self.game.discriminator(real, fake)
        stats = {"critic_real": real.mean(), "critic_fake": fake.mean()}
        s = self.settings
        if s.penalty_weight > 0 and moment.step % s.penalty_every == 0:
            clean = Judged(step.clean, step.given)
            stats["penalty"] = r1(self.critic, clean, clean, moment.rng)
            loss = loss + s.penalty_weight * s.penalty_every * stats["penalty"]
        return loss, stats

    def _loss(self, batch: Batch, moment: Moment) -> tuple[Tensor, dict[str, Tensor]]:
        s = self.settings
        step, self._step = self._step or self._taken(batch, moment), None
        covered, faces = step.mixture.covered, step.repaired.images
        weights = 1 + (s.covered_times - 1) * covered
        error = self._pixel_error(step, weights)
        loss, stats = s.pixel_weight * error, {s.pixel_loss: error}
        if s.ssim_weight > 0:
            stats["ssim_error"] = losses.ssim_error(faces, step.clean, moment.rng)
            loss = loss + s.ssim_weight * stats["ssim_error"]
        if step.repaired.covered is not None:
            logits = step.repaired.covered.float()
            stats["cover_error"] = F.binary_cross_entropy_with_logits(logits, covered)
            loss = loss + s.cover_weight * stats["cover_error"]
        if step.repaired.damage is not None:
            suffered = step.mixture.kinds
            stats["damage_error"] = F.cross_entropy(step.repaired.damage, suffered)
            loss = loss + s.damage_weight * stats["damage_error"]
        if self.embedder is not None and s.identity_weight > 0 and moment.step % s.identity_every == 0:
            with torch.no_grad():
                person = self.embedder.forward_tensor(step.clean[:FACES])
            missed, said = window(self.embedder, faces, person, s.identity_low)
            loss, stats = loss + s.identity_weight * missed, {**stats, **said}
        if self.critic is not None:
            real = self.critic(step.clean, step.given) if self.game.paired else None
            stats["adversarial"] = self.game.generator(self.critic(faces, step.given), real)
            loss = loss + s.adversarial_weight * stats["adversarial"]
        return loss, stats

    def _taken(self, batch: Batch, moment: Moment) -> Step:
        """A size, damages and repairs for this step."""
        clean = self._sized(batch.images, moment.rng)
        mixture = damage.mixed(clean, moment.rng, self.settings.intact_share)
        return Step(clean, mixture, self.network(mixture.images, mixture.told))

    def _sized(self, images: Tensor, rng: torch.Generator) -> Tensor:
        size = self.sizes[int(torch.randint(len(self.sizes), (), generator=rng))]
        return resized(images, size).clamp(-1, 1)
