"""Each technique against its own formula, by numbers worked out another way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from generative import adversarial
from generative.adversarial import LOSSES, PENALTIES, Judged

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


@pytest.mark.parametrize(
    ("name", "smoothing", "midpoint"),
    [
        ("non-saturating", 0.0, 0.0),
        ("non-saturating", 0.2, 0.0),
        ("hinge", 0.0, 0.0),
        ("least-squares", 0.0, 0.5),
        ("least-squares", 0.2, 0.4),
        ("wasserstein", 0.0, None),
        ("relativistic", 0.0, None),
    ],
)
def test_the_midpoint_is_between_what_real_and_fake_faces_should_get(
    name: str, smoothing: float, midpoint: float | None
) -> None:
    assert LOSSES[name](smoothing).midpoint == (None if midpoint is None else pytest.approx(midpoint))


def test_an_answer_at_the_midpoint_of_least_squares_is_as_far_from_either_target() -> None:
    squares = LOSSES["least-squares"](0.2)
    assert squares.midpoint is not None
    answer, at = torch.tensor([squares.midpoint]), torch.zeros(1)
    as_real = squares.discriminator(answer, at)  # a fake at 0 costs nothing
    as_fake = squares.discriminator(torch.tensor([0.8]), answer)  # nor does a real one at 0.8
    assert float(as_real) == pytest.approx(float(as_fake))


def judged(images: Tensor, given: float = 0.0) -> Judged:
    return Judged(images, torch.full((len(images), 2), given))


def linear(images: Tensor, given: Tensor) -> Tensor:
    """A critic whose slope is (1, 2, 0, -2) everywhere: of length 3."""
    return (images * torch.tensor([[[1.0, 2.0], [0.0, -2.0]]])).sum(dim=(1, 2, 3))


@pytest.mark.parametrize(("name", "wanted"), [("r1", 9 / 2), ("r1+r2", 9.0), ("interpolated", 4.0)])
def test_penalties_of_a_linear_critic(name: str, wanted: float) -> None:
    real, fake = torch.rand(2, 3, 1, 2, 2)
    rng = torch.Generator().manual_seed(0)
    found = PENALTIES[name].measure(linear, judged(real), judged(fake), rng)
    assert float(found) == pytest.approx(wanted)


def test_penalties_look_where_they_should() -> None:
    seen: list[Tensor] = []

    def critic(images: Tensor, given: Tensor) -> Tensor:
        seen.append(images.detach().clone())
        return images.square().sum(dim=(1, 2, 3))

    real, fake = judged(torch.zeros(2, 1, 1, 1)), judged(torch.ones(2, 1, 1, 1))
    rng = torch.Generator().manual_seed(0)
    found = {name: PENALTIES[name].measure(critic, real, fake, rng).item() for name in ("r1", "r1+r2")}
    assert found["r1"] == pytest.approx(0, abs=1e-6)  # slope 0 at 0
    assert found["r1+r2"] == pytest.approx(2)  # slope 2 at 1
    seen.clear()
    PENALTIES["interpolated"].measure(critic, real, fake, rng)
    assert 0 < float(seen[0].min()) < float(seen[0].max()) < 1


@pytest.mark.parametrize(("name", "wanted"), [("r1", [1]), ("r1+r2", [1, 2]), ("interpolated", [2])])
def test_penalties_judge_faces_with_the_conditions_they_belong_to(name: str, wanted: list[int]) -> None:
    seen: list[Tensor] = []

    def critic(images: Tensor, given: Tensor) -> Tensor:
        seen.append(given)
        return linear(images, given)

    real, fake = (
        judged(images, given) for images, given in zip(torch.rand(2, 3, 1, 2, 2), (1, 2), strict=True)
    )
    PENALTIES[name].measure(critic, real, fake, torch.Generator().manual_seed(0))
    assert [given.unique().tolist() for given in seen] == [[value] for value in wanted]


def test_each_penalty_has_its_usual_weight_and_pace() -> None:
    usual = {name: (penalty.weight, penalty.every) for name, penalty in PENALTIES.items()}
    assert usual == {"r1": (0.05, 16), "r1+r2": (0.05, 16), "interpolated": (10, 1)}


def test_penalties_are_differentiable_in_the_critic() -> None:
    slope = torch.tensor(3.0, requires_grad=True)
    faces = judged(torch.rand(2, 1, 1, 1))
    rng = torch.Generator().manual_seed(0)
    adversarial.r1(lambda x, given: (x * slope).sum(dim=(1, 2, 3)), faces, faces, rng).backward()
    assert slope.grad is not None
    assert float(slope.grad) == pytest.approx(3.0)
