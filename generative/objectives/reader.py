"""What a reader of attributes and age is trained for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generative import losses
from generative.conditions import Vocabulary
from generative.data import Batch, FaceData
from generative.models.reader import WIDTHS, Reader
from generative.training import Moment, Phase
from recog.errors import DataError
from recog.settings import Checks, check

DRAWN = 50_000  # rows from which it is seen how common an attribute is


@dataclass(frozen=True, kw_only=True)
class ReaderSettings:
    """Settings of the reading objective.

    Raises: ConfigError: a value is outside its range.
    """

    widths: tuple[int, ...] = WIDTHS
    zoom: float = 0.25  # faces are shown up to so much larger or smaller: crops are framed in many ways
    shift: float = 0.1  # of the side, at most
    turn: float = 12.0  # degrees, at most
    age_weight: float = 4.0  # of the age, an attribute at 1
    even_handed: bool = False  # answers as if each attribute were had by half of all faces

    def __post_init__(self) -> None:
        check(self, self._checks)

    def _checks(self) -> Checks:
        return {
            "zoom": (0 <= self.zoom < 1, "0 or more, less than 1"),
            "shift": (0 <= self.shift < 1, "0 or more, less than 1"),
            "turn": (0 <= self.turn <= 180, "0 to 180"),
            "age_weight": (self.age_weight > 0, "more than 0"),
        }


class ReaderObjective:
    """Cross-entropy of attributes and of the knots of age, over what is known of each face."""

    kind = "reader"

    def __init__(
        self, data: FaceData, settings: ReaderSettings, image_size: int, balanced_share: float = 0.0
    ) -> None:
        """`balanced_share`: of the batches that are drawn, as of the run's pace."""
        if not len(data.vocabulary):
            raise DataError(
                "Nothing is known of these faces. Give a CSV of attributes and ages (--attributes)."
            )
        self.settings, self.image_size = settings, image_size
        self.vocabulary: Vocabulary = data.vocabulary
        self._usual = _log_odds(data, balanced_share) if settings.even_handed else None
        self.network = Reader(**self._network_config())
        self.phases = (Phase("reader", self.network, self._loss),)

    def run_config(self) -> dict[str, Any]:
        """What makes this run what it is."""
        return {**asdict(self.settings), "names": list(self.vocabulary.names)}

    def model_config(self) -> dict[str, Any]:
        """Enough to build the reader again."""
        return {
            "network": self._network_config(),
            "image_size": self.image_size,
            "attributes": list(self.vocabulary.attributes),
            "ages": self.vocabulary.ages,
        }

    def _network_config(self) -> dict[str, Any]:
        return {"attribute_size": len(self.vocabulary), "widths": list(self.settings.widths)}

    def extra_tensors(self, network: nn.Module, data: FaceData) -> dict[str, Tensor]:
        """Nothing ships beside the weights."""
        return {}

    def rehearse(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> None:
        """Faces as they are seen in training."""
        network(self._seen(batch.images, rng))

    def samples(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> tuple[Tensor, int]:
        """Faces as the reader sees them: real people, for the run directory only."""
        return self._seen(batch.images, rng), 8

    def trouble(self, means: Mapping[str, float]) -> str | None:
        """Nothing but a loss that is not finite goes wrong here."""
        return None

    def _loss(self, batch: Batch, moment: Moment) -> tuple[Tensor, dict[str, Tensor]]:
        logits = self.network(self._seen(batch.images, moment.rng))
        if self._usual is not None:
            logits = logits.float() + self._usual.to(logits.device)
        weight = max(1, len(self.vocabulary.attributes)) / self.settings.age_weight
        loss = losses.attribute_error(logits, batch.attributes, self.vocabulary, weight)
        return loss, {"error": loss}

    def _seen(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Faces framed, turned and lit in many ways."""
        zoom, turn, across, down = 2 * torch.rand(4, len(images), generator=rng) - 1
        scale = (1 - self.settings.zoom) ** zoom
        angle = math.radians(self.settings.turn) * turn
        cos, sin = scale * angle.cos(), scale * angle.sin()
        shift = 2 * self.settings.shift * torch.stack([across, down], dim=1)
        theta = torch.cat([torch.stack([cos, -sin, sin, cos], dim=1).reshape(-1, 2, 2), shift[:, :, None]], 2)
        grid = F.affine_grid(theta.to(images.device), list(images.shape), align_corners=False)
        framed = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
        light = 1 + 0.4 * (torch.rand(2, len(images), 1, 1, 1, generator=rng).to(images.device) - 0.5)
        seen = light[0] * framed + (light[1] - 1)
        return seen.clamp(-1, 1)


def _log_odds(data: FaceData, balanced_share: float) -> Tensor:
    """(V,) log odds of each attribute among the faces drawn; 0 for the knots of age.

    Added to the logits in training only, they leave an answer that knows nothing of how common an attribute
    is (logit adjustment, arXiv:2007.07314).
    """
    rows = data.rows(DRAWN, torch.Generator().manual_seed(0), balanced_share)
    names = len(data.vocabulary.attributes)
    flags = data.attributes[rows][:, :names]
    had, lacked = (flags > 0).sum(axis=0) + 1, (flags < 0).sum(axis=0) + 1
    return torch.cat(
        [torch.from_numpy(np.log(had / lacked)).float(), torch.zeros(len(data.vocabulary) - names)]
    )
