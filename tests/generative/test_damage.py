from __future__ import annotations

import pytest
import torch

from generative import damage
from recog.alignment import template
from recog.errors import ConfigError


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def smooth(size: int) -> torch.Tensor:
    coarse = torch.rand(6, 3, 4, 4, generator=rng()) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size, mode="bicubic").clamp(-0.9, 0.9)


@pytest.fixture
def faces() -> torch.Tensor:
    return smooth(32)


def middle(name: str) -> float:
    return (damage.NAMED[name].mildest + damage.NAMED[name].strongest) / 2


@pytest.mark.parametrize("name", damage.NAMED)
@pytest.mark.parametrize("size", [32, 56])
def test_the_same_seed_makes_the_same_damage(name: str, size: int) -> None:
    faces = smooth(size)
    once, covered = damage.apply(name, faces, middle(name), rng(3))
    again, _ = damage.apply(name, faces, middle(name), rng(3))
    assert torch.equal(once, again)
    assert once.shape == faces.shape
    assert covered.shape == (6, 1, size, size)
    assert not torch.equal(once, faces)
    assert once.abs().max() <= 1 + 1e-6
    assert bool(covered.any()) == damage.NAMED[name].covers


@pytest.mark.parametrize("name", [name for name, one in damage.NAMED.items() if one.covers])
def test_covers_change_what_they_cover_and_nothing_else(faces: torch.Tensor, name: str) -> None:
    damaged, covered = damage.apply(name, faces, middle(name), rng(1))
    apart = (damaged != faces).any(dim=1, keepdim=True)
    assert not apart[covered == 0].any()
    assert apart[covered == 1].float().mean() > 0.95
    share = covered.mean(dim=(1, 2, 3))
    assert 0.03 < share.min() <= share.max() < 0.6


@pytest.mark.parametrize(
    ("name", "seen", "hidden"),
    [
        ("mask", [0, 1], [3, 4]),
        ("sunglasses", [2, 3, 4], [0, 1]),
        ("scarf", [0, 1, 2], [3, 4]),
    ],
)
@pytest.mark.parametrize("size", [64, 112])
def test_worn_things_hide_what_they_are_worn_over(
    name: str, seen: list[int], hidden: list[int], size: int
) -> None:
    faces = smooth(size)
    _, covered = damage.apply(name, faces, 1.0, rng(2))
    x, y = template(size).round().astype(int).T
    at = covered[:, 0, y, x]
    assert (at[:, hidden] == 1).all()
    assert (at[:, seen] == 0).all()


def test_strokes_cover_the_share_they_are_given(faces: torch.Tensor) -> None:
    _, covered = damage.apply("strokes", faces, 0.2, rng())
    share = covered.mean(dim=(1, 2, 3))
    assert 0.2 <= share.min() <= share.max() < 0.45
    assert len({tuple(one.flatten().tolist()) for one in covered}) == len(faces)


@pytest.mark.parametrize(("name", "strength"), [("motion", 9.0), ("defocus", 3.0), ("blur", 2.0)])
def test_blur_of_a_flat_face_is_the_face_and_of_a_point_sums_to_one(name: str, strength: float) -> None:
    flat = torch.full((2, 3, 32, 32), 0.25)
    assert torch.allclose(damage.apply(name, flat, strength, rng()).images, flat, atol=1e-5)
    point = torch.zeros(2, 3, 33, 33)
    point[..., 16, 16] = 1
    spread = damage.apply(name, point, strength, rng()).images
    assert torch.allclose(spread.sum(dim=(2, 3)), torch.ones(2, 3), atol=1e-4)
    assert spread.max() < 0.5


def test_motion_goes_another_way_on_each_face() -> None:
    point = torch.zeros(4, 3, 33, 33)
    point[..., 16, 16] = 1
    smeared = damage.motion(point, 20.0, rng()).images
    assert len({tuple((one[0] > 0).flatten().tolist()) for one in smeared}) > 1


@pytest.mark.parametrize(
    ("name", "mild", "strong"),
    [
        ("noise", 5, 50),
        ("lowres", 2, 8),
        ("blur", 1, 4),
        ("defocus", 1, 4),
        ("motion", 3, 14),
        ("jpeg", 90, 5),
        ("strokes", 0.1, 0.5),
        ("scarf", 0.8, 1.2),
    ],
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
    many = faces.repeat(8, 1, 1, 1)
    mixture = damage.mixed(many, rng(1))
    assert (mixture.images - many).abs().amax(dim=(1, 2, 3)).min() > 0
    assert mixture.kinds.min() > 0
    for code, name in enumerate(damage.KINDS[1:], start=1):
        hidden = mixture.covered[mixture.kinds == code].amax(dim=(1, 2, 3)) > 0
        assert (hidden == damage.NAMED[name].covers).all()
    hidden, told = (one.amax(dim=(1, 2, 3)) > 0 for one in (mixture.covered, mixture.told))
    assert 0 < told.float().mean() < hidden.float().mean() < 1
    assert (mixture.covered >= mixture.told).all()
    assert torch.equal(damage.mixed(many, rng(1)).images, mixture.images)


def test_what_nobody_told_of_looks_like_something(faces: torch.Tensor) -> None:
    many = torch.full((64, 3, 32, 32), 0.3)
    mixture = damage.mixed(many, rng(2))
    untold = (mixture.covered - mixture.told).expand_as(many) > 0
    assert untold.any()
    assert (mixture.images[untold] == 0).float().mean() < 0.01  # not the grey of a hole that is told
    assert mixture.images.abs().max() <= 1


def test_some_faces_of_a_mixture_stay_whole(faces: torch.Tensor) -> None:
    many = faces.repeat(20, 1, 1, 1)
    mixture = damage.mixed(many, rng(1), intact=0.3)
    whole = (mixture.images == many).all(dim=(1, 2, 3))
    assert 0.2 < whole.float().mean() < 0.4
    assert torch.equal(mixture.kinds == 0, whole)
    assert not mixture.covered[whole].any()
    assert not mixture.told[whole].any()


def test_shares_of_damages_sum_to_one() -> None:
    assert sum(one.share for one in damage.NAMED.values()) == pytest.approx(1)


def test_unknown_damage_is_refused(faces: torch.Tensor) -> None:
    with pytest.raises(ConfigError, match="scratches"):
        damage.apply("scratches", faces, 1, rng())
