"""Margin losses over identities, from pytorch-metric-learning."""

from __future__ import annotations

import math
from typing import cast

from pytorch_metric_learning.losses import ArcFaceLoss, CosFaceLoss, SupConLoss
from pytorch_metric_learning.utils.common_functions import TorchInitWrapper
from torch import Tensor, nn

from recog.training.config import TrainConfig

# Only the direction of a class centre counts, so its length sets how far a step of AdamW turns it. The
# library's default, 1, turns 5,000 centres so slowly that nothing is learned in the first 75,000 crops
# (measured: AUC 0.60 on other people).
CENTRE_STD = 0.05


class MarginLoss(nn.Module):
    """ArcFace (arXiv:1801.07698) or CosFace (arXiv:1801.09414) with a margin that grows during the run.

    With few photos a person the centres learn late; a supervised contrastive term over the batch
    (arXiv:2004.11362) teaches from the first step.
    """

    def __init__(self, config: TrainConfig, classes: int) -> None:
        super().__init__()
        kind = ArcFaceLoss if config.loss == "arcface" else CosFaceLoss
        # the library takes ArcFace's margin in degrees and CosFace's as a cosine
        self.full_margin = math.degrees(config.margin) if config.loss == "arcface" else config.margin
        init = TorchInitWrapper(nn.init.normal_, std=CENTRE_STD)
        self.inner = kind(
            classes, config.embedding_size, margin=self.full_margin, scale=config.scale, weight_init_func=init
        )
        self.contrastive = SupConLoss(temperature=config.temperature)
        self.config = config
        self.in_degrees = config.loss == "arcface"

    def set_progress(self, progress: float) -> None:
        """Say which share of the run is over, 0..1; the margin follows."""
        begin, full = self.config.margin_start, self.config.margin_full
        share = 1.0 if progress >= full else max(0.0, (progress - begin) / (full - begin))
        margin = self.full_margin * share
        self.inner.margin = math.radians(margin) if self.in_degrees else margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        loss = cast(Tensor, self.inner(embeddings, labels))
        if self.config.contrastive_weight:
            loss = loss + self.config.contrastive_weight * self.contrastive(embeddings, labels)
        return loss
