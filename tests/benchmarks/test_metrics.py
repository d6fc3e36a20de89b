"""Every metric is recomputed here in another way: by sklearn, or by counting."""

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from benchmarks import metrics
from recog.errors import TooFewPairs


@pytest.fixture
def scores() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    values = np.concatenate([generator.normal(0.5, 0.2, 300), generator.normal(0.0, 0.15, 2000)])
    return np.round(values, 2), np.arange(2300) < 300  # rounded: ties on purpose


@pytest.mark.parametrize("fmr", [0.1, 1e-2, 1e-3])
def test_tar_is_what_roc_curve_gives(scores: tuple[np.ndarray, np.ndarray], fmr: float) -> None:
    values, mated = scores
    fpr, tpr, _ = roc_curve(mated, values, drop_intermediate=False)
    assert metrics.Ranking(values, mated).tar_at_fmr(fmr) == pytest.approx(tpr[fpr <= fmr].max())


def test_weighted_tar_equals_repeating_the_pairs(scores: tuple[np.ndarray, np.ndarray]) -> None:
    values, mated = scores
    weights = np.random.default_rng(0).integers(0, 4, len(values))
    repeated = metrics.Ranking(np.repeat(values, weights), np.repeat(mated, weights))
    weighted = metrics.Ranking(values, mated).tar_at_fmr(1e-2, weights.astype(float))
    assert weighted == pytest.approx(repeated.tar_at_fmr(1e-2))


def test_a_curve_of_a_single_stranger_is_its_end() -> None:
    assert metrics.roc_points(np.array([0.9, 0.8, 0.1]), np.array([True, True, False])) == [[1.0, 1.0]]


def test_a_rate_needs_enough_strangers() -> None:
    values, mated = np.linspace(0, 1, 1000), np.arange(1000) < 1
    with pytest.raises(TooFewPairs, match="at least 1,000"):
        metrics.Ranking(values, mated).tar_at_fmr(1e-3)
    assert metrics.Ranking(np.append(values, -1.0), np.append(mated, False)).tar_at_fmr(1e-3) == 0.0


def test_one_kind_of_pairs_is_refused() -> None:
    with pytest.raises(TooFewPairs, match="mated and non-mated"):
        metrics.Ranking(np.array([0.1, 0.2]), np.array([True, True]))


def test_perfect_scores() -> None:
    values, mated = np.array([0.9] * 5 + [0.1] * 100), np.arange(105) < 5
    assert metrics.Ranking(values, mated).tar_at_fmr(1e-2) == 1.0
    assert metrics.auc_score(values, mated) == 1.0
    assert metrics.best_threshold(values, mated) == pytest.approx(0.5)


def test_fold_accuracy_uses_the_other_folds_threshold() -> None:
    # fold 0 is best at 0.5 and fold 1 at 0.15: each is judged at the other's
    values = np.array([0.9, 0.8, 0.1, 0.2, 0.3, 0.2, 0.0, 0.1])
    mated = np.array([True, True, False, False] * 2)
    folds = np.array([0] * 4 + [1] * 4)
    by_fold = metrics.accuracy_by_fold(values, mated, folds)
    assert by_fold[1] == 0.5  # both mated pairs are missed
    assert by_fold[0] == 0.75  # the stranger at 0.2 passes
    with pytest.raises(TooFewPairs):
        metrics.accuracy_by_fold(values, mated, np.zeros(8, int))
