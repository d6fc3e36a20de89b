"""Each technique against its own formula, by numbers worked out another way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from generative import adversarial
from generative.adversarial import LOSSES, PENALTIES

REAL, FAKE = np.array([2.0, -1.0, 0.3]), np.array([0.5, 3.0, -2.0])


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def cross_entropy(answers: np.ndarray, target: float) -> float:
    share = sigmoid(answers)
    return float(-(target * np.log(share) + (1 - target) * np.log(1 - share)).mean())


WANTED = {
    "non-saturating": (
        cross_entropy(REAL, 1) + cross_entropy(FAKE, 0),
        cross_entropy(FAKE, 1),
    ),
    "least-squares": (((REAL - 1) ** 2).mean() / 2 + (FAKE**2).mean() / 2, ((FAKE - 1) ** 2).mean() / 2),
    "wasserstein": (FAKE.mean() - REAL.mean(), -FAKE.mean()),
    "hinge": (
        np.maximum(0, 1 - REAL).mean() + np.maximum(0, 1 + FAKE).mean(),
        -FAKE.mean(),
    ),
    "relativistic": (-np.log(sigmoid(REAL - FAKE)).mean(), -np.log(sigmoid(FAKE - REAL)).mean()),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_those_of_their_papers(name: str) -> None:
    loss = LOSSES[name](0.0)
    real, fake = torch.from_numpy(REAL), torch.from_numpy(FAKE)
    discriminator, generator = WANTED[name]
    assert float(loss.discriminator(real, fake)) == pytest.approx(float(discriminator), rel=1e-5)
    assert float(loss.generator(fake, real if loss.paired else None)) == pytest.approx(
        float(generator), rel=1e-5
    )


def test_smoothing_moves_the_target_of_real_faces_alone() -> None:
    real, fake = torch.from_numpy(REAL), torch.from_numpy(FAKE)
    smooth = LOSSES["non-saturating"](0.1)
    wanted = cross_entropy(REAL, 0.9) + cross_entropy(FAKE, 0)
    assert float(smooth.discriminator(real, fake)) == pytest.approx(wanted, rel=1e-5)
    assert float(smooth.generator(fake)) == pytest.approx(cross_entropy(FAKE, 1), rel=1e-5)
    squares = LOSSES["least-squares"](0.1)
    wanted = float(((REAL - 0.9) ** 2).mean() / 2 + (FAKE**2).mean() / 2)
    assert float(squares.discriminator(real, fake)) == pytest.approx(wanted, rel=1e-5)


def linear(images: Tensor) -> Tensor:
    """A critic whose slope is (1, 2, 0, -2) everywhere: of length 3."""
    return (images * torch.tensor([[[1.0, 2.0], [0.0, -2.0]]])).sum(dim=(1, 2, 3))


@pytest.mark.parametrize(("name", "wanted"), [("r1", 9 / 2), ("r1+r2", 9.0), ("interpolated", 4.0)])
def test_penalties_of_a_linear_critic(name: str, wanted: float) -> None:
    real, fake = torch.rand(2, 3, 1, 2, 2)
    rng = torch.Generator().manual_seed(0)
    assert float(PENALTIES[name](linear, real, fake, rng)) == pytest.approx(wanted)


def test_penalties_look_where_they_should() -> None:
    seen: list[Tensor] = []

    def critic(images: Tensor) -> Tensor:
        seen.append(images.detach().clone())
        return images.square().sum(dim=(1, 2, 3))

    real, fake = torch.zeros(2, 1, 1, 1), torch.ones(2, 1, 1, 1)
    rng = torch.Generator().manual_seed(0)
    assert PENALTIES["r1"](critic, real, fake, rng).item() == pytest.approx(0, abs=1e-6)  # slope 0 at 0
    assert PENALTIES["r1+r2"](critic, real, fake, rng).item() == pytest.approx(2)  # slope 2 at 1
    seen.clear()
    PENALTIES["interpolated"](critic, real, fake, rng)
    assert 0 < float(seen[0].min()) < float(seen[0].max()) < 1


def test_penalties_are_differentiable_in_the_critic() -> None:
    slope = torch.tensor(3.0, requires_grad=True)
    images = torch.rand(2, 1, 1, 1)
    rng = torch.Generator().manual_seed(0)
    adversarial.r1(lambda x: (x * slope).sum(dim=(1, 2, 3)), images, images, rng).backward()
    assert slope.grad is not None
    assert float(slope.grad) == pytest.approx(3.0)
