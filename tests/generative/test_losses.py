from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from generative import losses
from generative.conditions import Vocabulary


def test_charbonnier_is_l1_away_from_zero_and_epsilon_at_zero() -> None:
    flat = torch.zeros(1, 3, 2, 2)
    assert float(losses.charbonnier(flat, flat, 1e-3)) == pytest.approx(1e-3)
    assert float(losses.charbonnier(flat + 0.3, flat, 0.4)) == pytest.approx(0.5)


def test_ssim_error_is_zero_for_equal_images_and_that_of_torchmetrics_for_small_ones() -> None:
    rng = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 4, 3, 16, 16, generator=rng) * 2 - 1
    assert float(losses.ssim_error(a, a, rng)) == pytest.approx(0, abs=1e-6)
    expected = structural_similarity_index_measure(
        a.mean(1, True), b.mean(1, True), sigma=1.0, data_range=2.0
    )
    assert float(losses.ssim_error(a, b, rng)) == pytest.approx(1 - float(expected), abs=1e-6)


def test_ssim_error_looks_at_a_window_of_large_images() -> None:
    a = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    windows = {float(losses.ssim_error(a, -a, torch.Generator().manual_seed(s))) for s in range(4)}
    assert len(windows) == 4


def test_kl_divergence_is_the_gaussian_one() -> None:
    mean = torch.tensor([[1.0, 0.0]])
    log_variance = torch.tensor([[0.0, math.log(4.0)]])
    expected = 0.5 + 0.5 * (4 - 1 - math.log(4))
    assert float(losses.kl_divergence(mean, log_variance)) == pytest.approx(expected)


def test_free_nats_are_charged_for_a_dimension_that_says_nothing() -> None:
    zero = torch.zeros(5, 3)
    assert float(losses.kl_divergence(zero, zero, free_nats=0.1)) == pytest.approx(0.3)


def test_identity_window_is_flat_inside_and_a_hinge_outside() -> None:
    similarity = torch.tensor([0.5, 0.2, 0.9])
    assert float(losses.identity_window(similarity, 0.4, 0.8)) == pytest.approx((0 + 0.2 + 0.1) / 3)


def test_attribute_error_is_cross_entropy_over_what_is_known() -> None:
    vocabulary = Vocabulary(("Male", "Smiling"), ages=True)
    logits = torch.zeros(2, len(vocabulary))
    logits[0, 0], logits[0, 2 + 3] = 2.0, 1.0  # says Male; leans to 30 years
    known = vocabulary.encoded({"Male": np.array([1, 0]), "age": np.array([30.0, np.nan])}, 2)
    knots = len(vocabulary) - 2
    male = math.log(1 + math.exp(-2))
    age = -math.log(math.e / (math.e + knots - 1))
    assert float(losses.attribute_error(logits, torch.from_numpy(known), vocabulary)) == pytest.approx(
        male + age
    )
    nothing = torch.zeros_like(logits)
    assert float(losses.attribute_error(logits, nothing, vocabulary)) == 0


def test_psnr_error_falls_by_one_for_ten_decibels_of_each_face() -> None:
    target = torch.zeros(2, 3, 4, 4)
    rough = torch.stack([torch.full((3, 4, 4), 0.5), torch.full((3, 4, 4), 0.01)])
    better = rough / 10**0.5
    fall = losses.psnr_error(rough, target, 0.0) - losses.psnr_error(better, target, 0.0)
    assert fall.item() == pytest.approx(1.0, rel=1e-4)
    floor = torch.tensor([0.01, 0.0001])
    assert losses.psnr_error(target, target, floor).item() == pytest.approx(-3.0)


def test_psnr_error_weighs_pixels() -> None:
    prediction, target = torch.tensor([[[[0.0, 0.4]]]]), torch.zeros(1, 1, 1, 2)
    weighed = losses.psnr_error(prediction, target, 0.0, torch.tensor([[[[1.0, 3.0]]]]))
    assert weighed.item() == pytest.approx(math.log10(0.12), rel=1e-4)
