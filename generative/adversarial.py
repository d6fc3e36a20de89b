"""What a discriminator and its generator play for: adversarial losses and gradient penalties.

Each is an object that the objectives call without knowing which; `LOSSES` and `PENALTIES` name them. To add
one, write its formula here with its source and give it a name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

Critic = Callable[[Tensor, Tensor], Tensor]  # images (B, 3, S, S), conditions (B, C) -> logits (B,)


class AdversarialLoss(Protocol):
    """Scores answers to real and to generated faces, (B,) or a panel's (B, K), as scalars to minimise."""

    paired: ClassVar[bool]  # the generator's score needs the answers to real faces too

    @property
    def midpoint(self) -> float | None:
        """Answers above it stand for real faces; None: an answer says nothing by itself."""

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """What the discriminator minimises."""

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """What the generator minimises."""


@dataclass(frozen=True)
class NonSaturating:
    """Cross-entropy, the generator's in its non-saturating form (Goodfellow et al. 2014, section 3).

    `smoothing` takes the target of real faces from 1 to 1 - smoothing (one-sided label smoothing: Salimans et
    al. 2016, arXiv:1606.03498, section 3.4).
    """

    smoothing: float = 0.0
    paired: ClassVar[bool] = False
    midpoint: ClassVar[float | None] = 0.0

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        s, real = self.smoothing, real.float()
        return ((1 - s) * F.softplus(-real) + s * F.softplus(real)).mean() + F.softplus(fake.float()).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return F.softplus(-fake.float()).mean()


@dataclass(frozen=True)
class LeastSquares:
    """Squared distance to 1 for real faces, to 0 for others (Mao et al. 2017, arXiv:1611.04076, eq. 9).

    `smoothing` as of `NonSaturating`.
    """

    smoothing: float = 0.0
    paired: ClassVar[bool] = False

    @property
    def midpoint(self) -> float | None:
        """Halfway between the targets of fake and of real faces."""
        return (1 - self.smoothing) / 2

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        target = 1 - self.smoothing
        return ((real.float() - target).square().mean() + fake.float().square().mean()) / 2

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return (fake.float() - 1).square().mean() / 2


@dataclass(frozen=True)
class Wasserstein:
    """Difference of means (arXiv:1701.07875); needs a 1-Lipschitz critic (arXiv:1704.00028)."""

    paired: ClassVar[bool] = False
    midpoint: ClassVar[float | None] = None

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake.float().mean() - real.float().mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -fake.float().mean()


@dataclass(frozen=True)
class Hinge:
    """Answers beyond a margin of 1 cost nothing (Lim and Ye 2017, arXiv:1705.02894, eq. 4 and 5)."""

    paired: ClassVar[bool] = False
    midpoint: ClassVar[float | None] = 0.0

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return F.relu(1 - real.float()).mean() + F.relu(1 + fake.float()).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -fake.float().mean()


@dataclass(frozen=True)
class Relativistic:
    """Whether a real face looks more real than a made-up one beside it (arXiv:1807.00734; as in R3GAN,
    arXiv:2501.05441, eq. 2): pairs keep the generator from leaving parts of the data out."""

    paired: ClassVar[bool] = True
    midpoint: ClassVar[float | None] = None

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return F.softplus(fake.float() - real.float()).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        assert real is not None, "a relativistic loss compares with real faces"
        return F.softplus(real.float() - fake.float()).mean()


LOSSES: Mapping[str, Callable[[float], AdversarialLoss]] = {
    "non-saturating": NonSaturating,
    "least-squares": LeastSquares,
    "wasserstein": lambda smoothing: Wasserstein(),
    "hinge": lambda smoothing: Hinge(),
    "relativistic": lambda smoothing: Relativistic(),
}
SMOOTHED = ("non-saturating", "least-squares")  # losses with a target that can be smoothed


class Judged(NamedTuple):
    """Faces, and the conditions that a critic judges them with."""

    images: Tensor  # (B, 3, S, S)
    given: Tensor  # (B, C)


class Penalty(NamedTuple):
    """A gradient penalty, and how much of it is usual."""

    measure: Callable[[Critic, Judged, Judged, torch.Generator], Tensor]  # of real and made-up faces
    weight: float
    every: int  # steps (lazy regularisation, arXiv:1912.04958, section 3.1: the weight makes up for it)


def r1(critic: Critic, real: Judged, fake: Judged, rng: torch.Generator) -> Tensor:
    """Mean of |grad D|^2 / 2 on real faces (Mescheder et al. 2018, arXiv:1801.04406, eq. 9)."""
    return gradient_norms(critic, real).square().mean() / 2


def r1_and_r2(critic: Critic, real: Judged, fake: Judged, rng: torch.Generator) -> Tensor:
    """R1 and the same on made-up faces (the two belong together: arXiv:2501.05441, section 2.2)."""
    return r1(critic, real, fake, rng) + gradient_norms(critic, fake).square().mean() / 2


def interpolated(critic: Critic, real: Judged, fake: Judged, rng: torch.Generator) -> Tensor:
    """Mean of (|grad D| - 1)^2 between real and made-up faces (WGAN-GP: arXiv:1704.00028, eq. 3).

    A blend of two faces is judged with the conditions of the made-up one: those the generator is taught with.
    """
    share = torch.rand(len(real.images), 1, 1, 1, generator=rng).to(real.images)
    between = share * real.images + (1 - share) * fake.images
    return (gradient_norms(critic, Judged(between, fake.given)) - 1).square().mean()


def gradient_norms(critic: Critic, faces: Judged) -> Tensor:
    """(B,) length of the gradient of each answer in its image, differentiable in the critic's weights."""
    leaf = faces.images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(leaf, faces.given).float().sum(), leaf, create_graph=True)
    return (gradient.float().square().sum(dim=(1, 2, 3)) + 1e-12).sqrt()


PENALTIES: Mapping[str, Penalty] = {
    "r1": Penalty(r1, weight=0.05, every=16),
    "r1+r2": Penalty(r1_and_r2, weight=0.05, every=16),
    "interpolated": Penalty(interpolated, weight=10.0, every=1),
}
