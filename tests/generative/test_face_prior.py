"""The first guess of what is behind a mask."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from generative.models.face_prior import FacePrior
from generative.models.repairer import UNet

SIDE = 8


@pytest.fixture
def faces() -> NDArray[np.uint8]:
    """(200, 16, 16, 3) that vary in two ways only, each over the whole picture."""
    rng = np.random.default_rng(0)
    blocks = rng.uniform(-1, 1, (2, SIDE, SIDE, 3)).repeat(2, axis=1).repeat(2, axis=2)
    codes = rng.normal(0, 25, (200, 2))
    levels = 128 + np.einsum("nk,khwc->nhwc", codes, blocks)
    return np.rint(levels.clip(0, 255)).astype(np.uint8)


@pytest.fixture
def prior(faces: NDArray[np.uint8]) -> FacePrior:
    made = FacePrior(SIDE, 4)
    made.fit(faces)
    return made


def as_pixels(images: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def test_what_is_known_tells_what_is_missing(prior: FacePrior, faces: NDArray[np.uint8]) -> None:
    whole = as_pixels(faces[:20])
    missing = torch.zeros(20, 1, 16, 16)
    missing[..., 4:10, 6:12] = 1
    guess = prior(whole * (1 - missing), missing)
    assert guess.shape == whole.shape
    inside = missing.expand_as(whole) > 0
    # bilinear between the prior's own pixels: compared at its side
    small = torch.nn.functional.adaptive_avg_pool2d
    seen = small(inside.float(), SIDE) == 1
    error = (small(guess, SIDE) - small(whole, SIDE))[seen].square().mean()
    spread = small(whole, SIDE)[seen].var()
    assert error < 0.35 * spread  # interpolation blurs; the mean face alone leaves all of it
    black = prior(whole * (1 - missing) + missing, missing)  # what stands there is not looked at
    assert not torch.allclose(black, torch.ones_like(black))


def test_the_guess_follows_the_face_that_is_seen(prior: FacePrior, faces: NDArray[np.uint8]) -> None:
    whole = as_pixels(faces[:2])
    missing = torch.zeros(2, 1, 16, 16)
    missing[..., :8, :] = 1
    guess = prior(whole * (1 - missing), missing)
    swapped = prior(whole.flip(0) * (1 - missing), missing)
    assert torch.allclose(swapped.flip(0), guess, atol=1e-4)
    assert (guess[0] - guess[1]).abs().max() > 0.05


def test_nothing_known_gives_the_mean(prior: FacePrior) -> None:
    guess = prior(torch.zeros(1, 3, 16, 16), torch.ones(1, 1, 16, 16))
    mean = prior.mean.view(1, 3, SIDE, SIDE)
    assert torch.allclose(torch.nn.functional.adaptive_avg_pool2d(guess, SIDE), mean, atol=0.2)
    assert not guess.isnan().any()


def test_few_faces_leave_components_empty() -> None:
    prior = FacePrior(4, 8)
    prior.fit(np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8))
    assert prior.basis[:2].abs().sum() > 0
    assert not prior.basis[2:].any()
    assert not prior(torch.zeros(1, 3, 8, 8), torch.ones(1, 1, 8, 8)).isnan().any()


def test_a_repairer_begins_with_the_guess(faces: NDArray[np.uint8]) -> None:
    network = UNet((4, 8), prior=(SIDE, 4))
    assert network.prior is not None
    network.prior.fit(faces)
    whole = as_pixels(faces[:3])
    missing = torch.zeros(3, 1, 16, 16)
    missing[:2, :, 4:10, 6:12] = 1  # the third is whole
    known = whole * (1 - missing)
    expected = known + network.prior(known, missing) * missing
    assert torch.allclose(network(whole, missing).images, expected, atol=1e-6)
    again = UNet((4, 8), prior=(SIDE, 4))
    again.load_state_dict(network.state_dict())
    assert torch.equal(again(whole, missing).images, network(whole, missing).images)
