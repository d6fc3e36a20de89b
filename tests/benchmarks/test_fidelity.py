from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.image.kid import poly_mmd

from benchmarks.generation import fidelity
from recog.errors import DataError


def draw(count: int, size: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return (shift + scale * np.random.default_rng(seed).normal(size=(count, size))).astype(np.float32)


def test_kernel_distance_is_the_unbiased_estimate() -> None:
    real, fake = draw(7, 3, 0), draw(5, 3, 1, shift=0.5)
    kernel = lambda a, b: (a @ b.T / 3 + 1) ** 3  # noqa: E731
    within = [kernel(x, x) for x in (real.astype(np.float64), fake.astype(np.float64))]
    means = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in within]
    wanted = sum(means) - 2 * kernel(real.astype(np.float64), fake.astype(np.float64)).mean()
    assert fidelity.kernel_distance(real, fake) == pytest.approx(wanted, rel=1e-6)


def test_kernel_distance_is_that_of_torchmetrics_for_sets_of_one_size() -> None:
    real, fake = draw(9, 3, 0), draw(9, 3, 1, shift=0.5)
    theirs = poly_mmd(torch.from_numpy(real), torch.from_numpy(fake)).item()
    assert fidelity.kernel_distance(real, fake) == pytest.approx(theirs, rel=1e-4)


def test_kernel_distance_of_one_distribution_is_nothing_on_average() -> None:
    found = [fidelity.kernel_distance(draw(60, 4, s), draw(60, 4, 1000 + s)) for s in range(200)]
    assert np.mean(found) == pytest.approx(0, abs=3 * np.std(found) / np.sqrt(200))
    assert fidelity.kernel_distance(draw(200, 4, 1), draw(200, 4, 2, shift=0.5)) > 5 * np.std(found)


def test_its_error_is_as_large_as_its_spread() -> None:
    pairs = [(draw(200, 4, s), draw(200, 4, 1000 + s, shift=0.4)) for s in range(60)]
    spread = np.std([fidelity.kernel_distance(*pair) for pair in pairs])
    claimed = np.mean([fidelity.kernel_distance_error(*pair) for pair in pairs])
    assert 0.7 < claimed / spread < 1.4


def test_frechet_distance_of_two_gaussians() -> None:
    real, fake = draw(20000, 2, 0), draw(20000, 2, 1, shift=1.0, scale=2.0)
    assert fidelity.frechet_distance(real, fake) == pytest.approx(2 * 1 + 2 * (2 - 1) ** 2, rel=0.05)


def test_precision_and_recall_see_what_is_missing_and_what_is_too_much() -> None:
    real = np.concatenate([draw(300, 2, 0), draw(300, 2, 1, shift=50.0)])
    half = fidelity.among(real, draw(300, 2, 2))  # one of two clusters
    assert half["precision"].value > 0.9
    assert half["recall"].value == pytest.approx(0.5, abs=0.1)
    assert half["coverage"].value == pytest.approx(0.5, abs=0.05)
    wide = fidelity.among(draw(300, 2, 0), np.concatenate([draw(300, 2, 2), draw(300, 2, 3, shift=50.0)]))
    assert wide["precision"].value == pytest.approx(0.5, abs=0.05)
    assert wide["density"].value == pytest.approx(0.5, abs=0.15)


def test_density_counts_balls_and_coverage_counts_real_faces() -> None:
    real = np.array([[0.0], [1.0], [10.0], [11.0]], np.float32)
    fake = np.array([[0.4], [0.6], [100.0]], np.float32)
    found = fidelity.among(real, fake, neighbours=1)  # balls of radius 1; of the fakes 0.2, 0.2 and 99.4
    assert {name: share.value for name, share in found.items()} == {
        "precision": pytest.approx(2 / 3),
        "recall": pytest.approx(0.75),  # 0 is in no fake's ball, not even in the large one's
        "density": pytest.approx(4 / 3),
        "coverage": pytest.approx(0.5),
    }
    assert [len(found[name].values) for name in ("precision", "recall")] == [3, 4]  # fakes; real faces
    assert [found[name].of_real for name in ("precision", "recall")] == [False, True]


def test_features_of_another_kind_are_refused() -> None:
    with pytest.raises(DataError, match="cannot be compared"):
        fidelity.kernel_distance(draw(9, 3, 0), draw(9, 4, 0))
    with pytest.raises(DataError, match="give 6 faces"):
        fidelity.among(draw(5, 3, 0), draw(9, 3, 0))


def test_scale_is_that_of_the_real_faces() -> None:
    real = draw(500, 3, 0, shift=4.0, scale=3.0)
    scale = fidelity.Scale.of(real)
    assert scale(real).mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-4)
    assert scale(real).std(axis=0) == pytest.approx(np.ones(3), abs=1e-3)
