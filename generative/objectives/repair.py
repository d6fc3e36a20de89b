"""The repair objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from generative import damage, losses
from generative.data import Batch, FaceData
from generative.models.repairer import WIDTHS, UNet
from generative.objectives.identity import identity_error
from generative.training import Moment, Phase
from recog.embedding import Embedder
from recog.errors import ConfigError
from recog.pixels import resized
from recog.settings import Checks, at_least, check


@dataclass(frozen=True, kw_only=True)
class RepairSettings:
    """Settings of the repair objective.

    Raises: ConfigError: a value is outside its range.
    """

    widths: tuple[int, ...] = WIDTHS
    sizes: tuple[int, ...] = (64, 112)  # px: a step takes one of those up to the data's side
    ssim_weight: float = 0.1
    identity_weight: float = 0.1  # of 1 - cosine(recogniser A: face, repaired); 0 or no model: off
    identity_every: int = 4  # steps

    def __post_init__(self) -> None:
        check(self, self._checks)

    def _checks(self) -> Checks:
        return {
            **at_least(1, self, "identity_every"),
            **at_least(0, self, "ssim_weight", "identity_weight"),
        }


class RepairObjective:
    """Charbonnier + SSIM + identity over mixed damages."""

    kind = "repairer"

    def __init__(self, settings: RepairSettings, image_size: int, embedder: Embedder | None = None) -> None:
        self.settings, self.embedder = settings, embedder
        self.network = UNet(settings.widths)
        self.sizes = [size for size in settings.sizes if size <= image_size] or [image_size]
        wrong = [size for size in self.sizes if size % self.network.multiple]
        if wrong:
            raise ConfigError(
                f"sizes has {wrong[0]} px; the repairer needs multiples of {self.network.multiple}."
            )
        self.phases = (Phase("repairer", self.network, self._loss),)

    def run_config(self) -> dict[str, Any]:
        """What makes this run what it is."""
        return {**asdict(self.settings), "model_digest": self.embedder.digest if self.embedder else None}

    def model_config(self) -> dict[str, Any]:
        """Enough to build the U-Net again."""
        return {"network": {"widths": list(self.settings.widths)}, "sizes": self.sizes}

    def extra_tensors(self, network: nn.Module, data: FaceData) -> dict[str, Tensor]:
        """Nothing ships beside the weights."""
        return {}

    def rehearse(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> None:
        """Damaged faces, repaired."""
        network(*damage.mixed(batch.images, rng))

    def samples(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> tuple[Tensor, int]:
        """Rows of clean, damaged and repaired faces: real people, for the run directory only."""
        clean = batch.images[:10]
        damaged, missing = damage.mixed(clean, rng)
        return torch.cat([clean, damaged, network(damaged, missing).float()]), len(clean)

    def trouble(self, means: Mapping[str, float]) -> str | None:
        """Nothing but a loss that is not finite goes wrong here."""
        return None

    def _loss(self, batch: Batch, moment: Moment) -> tuple[Tensor, dict[str, Tensor]]:
        clean = self._sized(batch.images, moment.rng)
        damaged, missing = damage.mixed(clean, moment.rng)
        repaired = self.network(damaged, missing)
        error = losses.charbonnier(repaired, clean)
        ssim = losses.ssim_error(repaired, clean, moment.rng)
        loss = error + self.settings.ssim_weight * ssim
        stats = {"charbonnier": error, "ssim_error": ssim}
        lazy = self.settings.identity_weight > 0 and moment.step % self.settings.identity_every == 0
        if lazy and self.embedder is not None:
            stats["identity_error"] = identity_error(self.embedder, repaired, clean)
            loss = loss + self.settings.identity_weight * stats["identity_error"]
        return loss, stats

    def _sized(self, images: Tensor, rng: torch.Generator) -> Tensor:
        size = self.sizes[int(torch.randint(len(self.sizes), (), generator=rng))]
        return resized(images, size).clamp(-1, 1)
