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


def test_a_tar_that_nobody_misses_is_still_uncertain() -> None:
    """Twenty people, all accepted: the resamples cannot know it, Clopper and Pearson can."""
    rng = np.random.default_rng(0)
    mated_ends, others = np.arange(20), rng.integers(0, 20, (2, 2000))
    others = others[:, others[0] != others[1]]
    ends = np.concatenate([mated_ends, others[0]]), np.concatenate([mated_ends, others[1]])
    mated = np.arange(len(ends[0])) < 20
    scores = np.where(mated, 0.9, rng.uniform(0, 0.5, len(mated)))
    (interval,) = stats.tar_intervals(scores, mated, ends, [0.01], resamples=200)
    assert interval == (pytest.approx(0.025 ** (1 / 20)), 1.0)


def test_sign_flip_floor_and_value() -> None:
    assert stats.sign_flip(np.array([0.5, 0.6, 0.7, 0.5, 0.6, 0.7])) == pytest.approx(2 / 64)  # signs agree
    assert stats.sign_flip(np.array([1.0, -1.0, 1.0, -1.0])) == pytest.approx(1.0)
    assert stats.sign_flip(np.ones(1)) == 1.0
    many = np.random.default_rng(0).normal(3, 1, 20)
    assert stats.sign_flip(many) == pytest.approx(2e-4, abs=1e-9)  # sampled


def test_share_intervals_resample_people() -> None:
    """Forty people with five photos each that all say the same: forty observations, not two hundred."""
    generator = np.random.default_rng(0)
    held, widths = [], []
    for _ in range(200):
        flags = np.repeat(generator.random(40) < 0.3, 5)
        low, high = stats.share_interval(flags, np.repeat(np.arange(40), 5), resamples=300)
        held.append(low <= 0.3 <= high)
        widths.append(high - low)
    assert np.mean(held) >= 0.9
    assert np.mean(widths) == pytest.approx(2 * 1.96 * np.sqrt(0.3 * 0.7 / 40), rel=0.15)


def test_shares_of_nothing_and_of_all() -> None:
    low, high = stats.share_interval(np.zeros(50, bool), np.repeat(np.arange(25), 2))
    assert (low, high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 25)))
    low, high = stats.share_interval(np.ones(50, bool), np.arange(50))
    assert (low, high) == (pytest.approx(0.025 ** (1 / 50)), 1.0)
    with pytest.raises(DataError):
        stats.share_interval(np.ones(0, bool), np.arange(0))


def test_too_few_people_have_no_interval() -> None:
    """Of three people, many resamples hold nobody twice or only one of them."""
    people = np.repeat(np.arange(3), 20)
    left, right = np.triu_indices(60, k=1)
    mated = people[left] == people[right]
    scores = np.random.default_rng(0).normal(mated, 0.3)
    found = stats.tar_intervals(scores, mated, (people[left], people[right]), [0.01], resamples=200)
    assert found == [None]
    assert stats.bootstrap(lambda drawn: np.zeros(2), 1) == [None, None]


def test_sums_of_people_give_the_same_interval_as_their_rows() -> None:
    rng = np.random.default_rng(0)
    values, people = rng.random(60), rng.integers(0, 15, 60)
    by_rows = stats.over_people(lambda times: float(times @ values / times.sum()), people)
    rows = np.stack([values, np.ones(60)], axis=1)
    by_sums = stats.over_people_sums(lambda sums: float(sums[0] / sums[1]), rows, people)
    assert by_rows is not None
    assert by_sums is not None
    assert by_sums == pytest.approx(by_rows)
