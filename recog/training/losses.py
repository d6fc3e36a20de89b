"""What a run minimises: a margin loss over identities, or the distance to a teacher."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_metric_learning.losses import ArcFaceLoss, CosFaceLoss, SupConLoss
from pytorch_metric_learning.utils.common_functions import TorchInitWrapper
from torch import Tensor, nn

from recog.training.config import DistillConfig, TrainConfig

# Only the direction of a class centre counts, so its length sets how far a step of AdamW turns it. The
# library's default, 1, turns 5,000 centres so slowly that nothing is learned in the first 75,000 crops
# (measured: AUC 0.60 on other people).
CENTRE_STD = 0.05


class Loss(nn.Module):
    """What the loop needs of a loss: it says how far the run is, calls it, and logs its parts."""

    parts: Mapping[str, Tensor] = MappingProxyType({})  # of the last call, by name, for the log

    def set_progress(self, progress: float) -> None:
        """Say which share of the run is over, 0..1."""

    def forward(self, embeddings: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        """A scalar, of embeddings (B, D), labels (B,) and the teacher's targets (B, D) or (B, 0)."""
        raise NotImplementedError


class MarginLoss(Loss):
    """ArcFace (arXiv:1801.07698) or CosFace (arXiv:1801.09414) with a margin that grows during the run.

    With few photos a person the centres learn late; a supervised contrastive term over the batch
    (arXiv:2004.11362) teaches from the first step. With `mixup`, embeddings are mixed in pairs, and the
    margin is asked of both people, each as much as is of them (mixup, arXiv:1710.09412, at the last layer as
    in arXiv:1806.05236). With `transfer_weight`, embeddings are also moved as two photos of another person in
    the batch differ, and still are asked to be the same person: who has few photos borrows the variation of
    others (feature transfer: arXiv:1803.09014, there learned apart, here drawn from the batch).
    """

    def __init__(self, config: TrainConfig, classes: int) -> None:
        super().__init__()
        kind = ArcFaceLoss if config.loss == "arcface" else CosFaceLoss
        # the library takes ArcFace's margin in degrees and CosFace's as a cosine
        self.full_margin = (
            math.degrees(config.full_margin) if config.loss == "arcface" else config.full_margin
        )
        init = TorchInitWrapper(nn.init.normal_, std=CENTRE_STD)
        self.inner = kind(
            classes, config.embedding_size, margin=self.full_margin, scale=config.scale, weight_init_func=init
        )
        self.contrastive = SupConLoss(temperature=config.temperature)
        self.config = config
        self.in_degrees = config.loss == "arcface"
        self._step = 0

    def set_progress(self, progress: float) -> None:
        """The margin follows."""
        begin, full = self.config.margin_start, self.config.margin_full
        share = 1.0 if progress >= full else max(0.0, (progress - begin) / (full - begin))
        margin = self.full_margin * share
        self.inner.margin = math.radians(margin) if self.in_degrees else margin
        self._step = round(progress * self.config.steps)

    def forward(self, embeddings: Tensor, labels: Tensor, targets: Tensor | None = None) -> Tensor:
        del targets  # nobody teaches but the labels
        loss = self._mixed(embeddings, labels) if self.config.mixup else self._apart(embeddings, labels)
        if self.config.transfer_weight:
            loss = loss + self.config.transfer_weight * self._apart(self._moved(embeddings, labels), labels)
        if self.config.contrastive_weight:
            loss = loss + self.config.contrastive_weight * self.contrastive(embeddings, labels)
        return loss

    def _apart(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return cast(Tensor, self.inner(embeddings, labels))

    def _mixed(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """A pure function of seed and step, so that a run that goes on mixes as it would have."""
        rng = self._chance(3)
        share = float(rng.beta(self.config.mixup, self.config.mixup))
        order = torch.from_numpy(rng.permutation(len(labels))).to(labels.device)
        directions = F.normalize(embeddings, dim=1)
        mixed = share * directions + (1 - share) * directions[order]
        return share * self._apart(mixed, labels) + (1 - share) * self._apart(mixed, labels[order])

    def _moved(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """(B, D) directions, each moved by the difference of two photos of somebody; as `_mixed`."""
        rng = self._chance(5)
        count, people = len(labels), labels.cpu().numpy()
        ones = rng.permutation(count)
        others = np.array([rng.choice(np.flatnonzero(people == people[one])) for one in ones])
        directions = F.normalize(embeddings, dim=1)
        return directions + directions[ones] - directions[others]

    def _chance(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.config.seed, self._step, purpose])


class DistillLoss(Loss):
    """Distance of the student's embeddings to the teacher's, as vectors, as relations and as classes.

    Terms: 1 - cosine to the target; the mean squared difference of the batch's cosines (distance-wise
    relational distillation, arXiv:1904.05068, with cosines for distances); ArcFace on the labelled crops with
    the teacher's mean embedding of each person as fixed centre, which gives the labels a say.
    """

    centres: Tensor  # (C, D)

    def __init__(self, config: DistillConfig, centres: Tensor) -> None:
        """
        Args:
            centres: (C, D) unit vectors, a row for each label.
        """
        super().__init__()
        self.config = config
        self.register_buffer("centres", centres, persistent=False)
        self.arcface = ArcFaceLoss(
            len(centres), centres.shape[1], margin=math.degrees(config.margin), scale=config.scale
        )
        self.arcface.W = nn.Parameter(centres.T.clone(), requires_grad=False)

    def forward(self, embeddings: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        student = F.normalize(embeddings, dim=1)
        parts = {"cosine": 1 - (student * targets).sum(1).mean()}
        if self.config.relational_weight:
            difference = student @ student.T - targets @ targets.T
            parts["relational"] = difference.square().sum() / max(len(student) * (len(student) - 1), 1)
        known = labels >= 0
        if self.config.arcface_weight and known.any():
            parts["arcface"] = self.arcface(student[known], labels[known])
        self.parts = {name: value.detach() for name, value in parts.items()}
        weighted = [getattr(self.config, f"{name}_weight") * value for name, value in parts.items()]
        return torch.stack(weighted).sum()
