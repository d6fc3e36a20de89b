from __future__ import annotations

import pytest
import torch

from generative import damage
from recog.errors import ConfigError


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def faces() -> torch.Tensor:
    smooth = torch.nn.functional.interpolate(
        torch.rand(6, 3, 4, 4, generator=rng()) * 2 - 1, 32, mode="bicubic"
    )
    return smooth.clamp(-0.9, 0.9)


@pytest.mark.parametrize(
    ("name", "strength"), [("hole", 0.5), ("noise", 25), ("lowres", 4), ("blur", 2), ("jpeg", 10)]
)
def test_the_same_seed_makes_the_same_damage(faces: torch.Tensor, name: str, strength: float) -> None:
    once, mask = damage.apply(name, faces, strength, rng(3))
    again, _ = damage.apply(name, faces, strength, rng(3))
    assert torch.equal(once, again)
    assert once.shape == faces.shape
    assert mask.shape == (6, 1, 32, 32)
    assert not torch.equal(once, faces)
    assert once.abs().max() <= 1 + 1e-6


@pytest.mark.parametrize(
    ("name", "mild", "strong"), [("noise", 5, 50), ("lowres", 2, 8), ("blur", 1, 4), ("jpeg", 90, 5)]
)
def test_strength_orders_the_damage(faces: torch.Tensor, name: str, mild: float, strong: float) -> None:
    errors = [(damage.apply(name, faces, s, rng())[0] - faces).square().mean() for s in (mild, strong)]
    assert errors[0] < errors[1]


def test_a_hole_is_a_square_of_its_side_and_nothing_else_changes(faces: torch.Tensor) -> None:
    damaged, mask = damage.hole(faces, 0.375, rng())
    assert mask.sum(dim=(1, 2, 3)).tolist() == [144.0] * 6
    assert torch.equal(damaged, faces * (1 - mask))
    assert len({tuple(m.flatten().tolist()) for m in mask}) > 1


def test_noise_has_the_sigma_it_is_given() -> None:
    damaged, mask = damage.noise(torch.zeros(4, 3, 64, 64), 25, rng())
    assert float(damaged.std()) == pytest.approx(25 / 127.5, rel=0.02)
    assert mask.sum() == 0


def test_low_resolution_of_a_flat_face_is_the_face() -> None:
    flat = torch.full((1, 3, 32, 32), 0.25)
    assert torch.allclose(damage.lowres(flat, 4, rng())[0], flat, atol=1e-5)


def test_mixed_damages_every_face_and_repeats(faces: torch.Tensor) -> None:
    many = faces.repeat(4, 1, 1, 1)
    damaged, mask = damage.mixed(many, rng(1))
    assert (damaged - many).abs().amax(dim=(1, 2, 3)).min() > 0
    assert 0 < (mask.amax(dim=(1, 2, 3)) > 0).float().mean() < 1
    assert torch.equal(damage.mixed(many, rng(1))[0], damaged)
    assert (damaged[mask.expand_as(damaged) == 1] == 0).all()


def test_unknown_damage_is_refused(faces: torch.Tensor) -> None:
    with pytest.raises(ConfigError, match="scratches"):
        damage.apply("scratches", faces, 1, rng())
