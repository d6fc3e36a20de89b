import numpy as np
import pytest
from scipy import stats as scipy_stats

from benchmarks import stats
from recog.errors import DataError, TooFewPairs


def test_t_interval_by_hand() -> None:
    values = np.array([0.98, 0.99, 0.97, 1.0])
    half = scipy_stats.t.ppf(0.975, 3) * values.std(ddof=1) / 2
    assert stats.t_interval(values) == pytest.approx((values.mean() - half, values.mean() + half))
    assert stats.t_interval(np.ones(3)) == (1.0, 1.0)
    with pytest.raises(DataError):
        stats.t_interval(np.ones(1))


def test_clopper_pearson_of_nothing_seen() -> None:
    low, high = stats.proportion_interval(0, 100)
    assert low == 0.0
    assert high == pytest.approx(1 - 0.025 ** (1 / 100))  # the closed form for zero events
    with pytest.raises(DataError):
        stats.proportion_interval(0, 0)


def test_bootstrap_covers_a_mean() -> None:
    values = np.random.default_rng(0).normal(5, 1, 60)
    ((low, high),) = stats.bootstrap(lambda drawn: values[drawn].mean(keepdims=True), 60)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(60), rel=0.2)


def test_bootstrap_of_a_constant_is_the_constant() -> None:
    assert stats.bootstrap(lambda drawn: np.ones(2), 10, resamples=50) == [(1.0, 1.0), (1.0, 1.0)]


def test_tar_interval_resamples_people_and_not_pairs() -> None:
    """Ten people of whom one is never recognised: her 50 pairs rise and fall together."""
    people = np.repeat(np.arange(10), 50)
    mated_scores = np.where(people == 0, 0.0, 0.9)
    generator = np.random.default_rng(1)
    others = generator.integers(0, 10, (2000, 2))
    others = others[others[:, 0] != others[:, 1]]
    scores = np.concatenate([mated_scores, generator.uniform(0.1, 0.4, len(others))])
    mated = np.arange(len(scores)) < len(people)
    sides = (np.concatenate([people, others[:, 0]]), np.concatenate([people, others[:, 1]]))
    ((low, high),) = stats.tar_intervals(scores, mated, sides, [0.01], resamples=300)
    assert low < 0.8  # by pairs it would be 0.87 .. 0.93
    assert high == 1.0
    with pytest.raises(TooFewPairs):
        stats.tar_intervals(scores, mated, sides, [1e-5], resamples=10)


def test_sign_flip_floor_and_value() -> None:
    better = stats.paired_difference(np.array([0.5, 0.6, 0.7, 0.5, 0.6, 0.7]), np.zeros(6))
    assert better.p_value == pytest.approx(2 / 64) == better.floor  # all six signs agree
    assert better.mean == pytest.approx(0.6)
    assert better.ci95 is not None
    assert better.ci95[0] < 0.6 < better.ci95[1]
    mixed = stats.paired_difference(np.array([1.0, -1.0, 1.0, -1.0]), np.zeros(4))
    assert mixed.p_value == pytest.approx(1.0)


def test_paired_difference_needs_the_same_seeds() -> None:
    assert stats.paired_difference(np.array([0.3, 0.1]), np.zeros(2)).ci95 is None
    with pytest.raises(DataError, match="same seeds"):
        stats.paired_difference(np.ones(3), np.ones(2))
