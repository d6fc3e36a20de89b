from __future__ import annotations

import pytest
import torch

from generative.diffaugment import cut_out, diff_augment, recoloured, translated
from generative.objectives.gan import GanSettings
from recog.errors import ConfigError


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_shape_is_kept_and_gradients_reach_every_face() -> None:
    images = torch.rand(6, 3, 16, 16, requires_grad=True)
    augmented = diff_augment(images, rng())
    assert augmented.shape == images.shape
    augmented.square().sum().backward()
    assert images.grad is not None
    assert (images.grad.abs().sum(dim=(1, 2, 3)) > 0).all()


def test_the_policy_chooses_the_parts() -> None:
    images = torch.randn(4, 3, 16, 16)
    assert torch.equal(diff_augment(images, rng(), ()), images)
    assert torch.equal(diff_augment(images, rng(), ("cutout",)), cut_out(images, rng()))
    with pytest.raises(ConfigError, match="'blur'"):
        GanSettings(augment=("blur",))


def test_the_same_seed_augments_alike() -> None:
    images = torch.rand(4, 3, 16, 16)
    assert torch.equal(diff_augment(images, rng(5)), diff_augment(images, rng(5)))
    assert not torch.equal(diff_augment(images, rng(5)), diff_augment(images, rng(6)))


def test_translation_moves_by_at_most_an_eighth_and_fills_with_zeros() -> None:
    images = torch.zeros(64, 3, 16, 16)
    images[:, :, 8, 8] = 1
    where = translated(images, rng())[:, 0].flatten(1).argmax(dim=1)
    rows, columns = where // 16, where % 16
    assert set(rows.tolist()) == set(columns.tolist()) == {6, 7, 8, 9, 10}
    border = translated(torch.ones(64, 3, 16, 16), rng())
    assert sorted({int(v) for v in border.unique()}) == [0, 1]


def test_cut_out_takes_at_most_a_quarter_of_a_face() -> None:
    kept = cut_out(torch.ones(200, 3, 16, 16), rng()).mean(dim=(1, 2, 3))
    assert kept.min() == pytest.approx(0.75, abs=0.07)
    assert (kept < 1).all()


def test_colour_keeps_grey_faces_grey() -> None:
    grey = torch.rand(4, 1, 8, 8).expand(-1, 3, -1, -1)
    coloured = recoloured(grey, rng())
    assert torch.allclose(coloured[:, 0], coloured[:, 2], atol=1e-5)
    assert not torch.allclose(coloured, grey)
