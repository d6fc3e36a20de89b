"""What an arm adds: intervals that cover, verdicts that agree with them, chance not taken for an effect."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.augment.effects import (
    Effect,
    Runs,
    Verdict,
    crossed_interval,
    detectable,
    deviation_of,
    effects,
    false_positives,
    require_seeds,
)
from recog.errors import ConfigError, DataError

SEEDS = 10


def runs(rng: np.random.Generator, mean: float, *, seeds: int = SEEDS, people: float = 0.0) -> Runs:
    """Runs whose values vary by 0.01 with the seed, and by `people` with who sits the exam, for all alike."""
    values = mean + 0.01 * rng.normal(size=seeds)
    exam = people * rng.normal(size=200)
    return Runs(values, values[:, None] + exam)


def alone(values: np.ndarray) -> Runs:
    return Runs(values, np.zeros((len(values), 0)))


def beside(arms: dict[str, Runs], baseline: Runs) -> dict[str, Runs]:
    return {name: one - baseline for name, one in arms.items()}


def test_intervals_cover_the_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    covered = []
    for trial in range(300):
        interval = crossed_interval(alone(0.02 + 0.01 * rng.normal(size=SEEDS)), seed=trial)
        assert interval is not None
        covered.append(interval[0] <= 0.02 <= interval[1])
    assert 0.91 <= np.mean(covered) <= 0.99  # 0.95 expected, deviation 0.0126


def test_intervals_know_that_the_people_of_the_exam_were_drawn_too() -> None:
    rng = np.random.default_rng(1)
    covered, widths = [], []
    for trial in range(300):
        luck = 0.02 * rng.normal()  # of the people who sit the exam: the same for every seed
        values = 0.02 + luck + 0.01 * rng.normal(size=SEEDS)
        exams = 0.02 * rng.normal(size=400)
        crossed = crossed_interval(Runs(values, values[:, None] + exams), seed=trial)
        seeds_only = crossed_interval(alone(values), seed=trial)
        assert crossed is not None
        assert seeds_only is not None
        covered.append([low <= 0.02 <= high for low, high in (crossed, seeds_only)])
        widths.append([high - low for low, high in (crossed, seeds_only)])
    both, one = np.mean(covered, axis=0)
    assert both >= 0.92
    assert one < 0.8  # what is left out is missed
    assert np.mean(widths, axis=0)[0] > 2 * np.mean(widths, axis=0)[1]


def test_intervals_of_skewed_values_lean_as_they_do() -> None:
    values = np.array([0.0, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007, 0.008, 0.1])
    interval = crossed_interval(alone(values))
    assert interval is not None
    assert interval[1] - values.mean() > 1.5 * (values.mean() - interval[0])


@pytest.mark.parametrize("seeds", [1, 2])
def test_too_few_seeds_have_no_interval(seeds: int) -> None:
    assert crossed_interval(alone(np.arange(float(seeds)))) is None
    (effect,) = effects({"a": alone(np.ones(seeds))}, margin=0.01)
    assert effect.verdict is Verdict.UNDECIDED


def test_values_that_never_vary_have_an_interval_of_no_width() -> None:
    assert crossed_interval(alone(np.full(6, 0.25))) == (0.25, 0.25)


def test_verdicts_follow_interval_and_test() -> None:
    rng = np.random.default_rng(2)
    baseline = runs(rng, 0.5)
    arms = {
        "better": runs(rng, 0.56),
        "worse": runs(rng, 0.44),
        "same": Runs(baseline.values + 1e-4 * rng.normal(size=SEEDS), baseline.resampled),
        "unclear": runs(rng, 0.505),
    }
    found = {one.arm: one for one in effects(beside(arms, baseline), margin=0.005)}
    verdicts = {name: effect.verdict for name, effect in found.items()}
    assert verdicts == {
        "better": Verdict.HELPS,
        "worse": Verdict.HURTS,
        "same": Verdict.NOTHING,
        "unclear": Verdict.UNDECIDED,
    }
    assert found["better"].mean == pytest.approx(0.06, abs=0.015)
    assert found["better"].sentence().startswith("better helps by ")
    assert found["worse"].sentence().startswith("worse hurts by ")
    assert found["same"].sentence() == "same has no effect larger than 0.5 points"
    assert found["unclear"].sentence() == "whether unclear helps is undecided"


def test_every_comparison_makes_the_others_harder() -> None:
    rng = np.random.default_rng(3)
    baseline, arm = runs(rng, 0.5), runs(rng, 0.52)

    def among(others: int) -> Effect:
        arms = {"arm": arm, **{str(k): runs(rng, 0.5) for k in range(others)}}
        return effects(beside(arms, baseline), margin=0.005)[0]

    one, many = among(0), among(7)
    assert one.adjusted == one.p_value == many.p_value
    assert one.ci95 == one.simultaneous == many.ci95
    assert many.adjusted > many.p_value
    assert many.simultaneous is not None
    assert one.ci95 is not None
    assert many.simultaneous[0] < one.ci95[0] < one.ci95[1] < many.simultaneous[1]


def test_adjusted_p_values_are_holms() -> None:
    steady, wavering = np.full(SEEDS, 0.01), np.array([0.01, -0.008] * 5)
    found = effects({"a": alone(steady), "b": alone(wavering)}, margin=0.005)
    floor = 2.0 ** (1 - SEEDS)
    assert found[0].p_value == floor
    assert found[0].adjusted == pytest.approx(2 * floor)
    assert found[1].adjusted == found[1].p_value > 0.05  # the last of Holm's steps is the test itself


def test_eight_pairs_cannot_tell_one_arm_of_many() -> None:
    arms = {str(k): alone(np.full(8, 0.05)) for k in range(7)}
    assert {one.verdict for one in effects(arms, margin=0.005)} == {Verdict.UNDECIDED}
    with pytest.raises(ConfigError, match="8 seeds cannot show"):
        require_seeds(8, 7)
    require_seeds(9, 7)


def test_what_can_be_found_is_what_the_tables_say() -> None:
    # a paired t-test of 10 at 5 % and power 0.8 finds an effect of 0.996 deviations (Cohen 1988)
    assert detectable(0.01, 10, 1) == pytest.approx(0.00996, abs=1e-4)
    assert detectable(0.01, 10, 4) > detectable(0.01, 10, 1) > detectable(0.01, 40, 1)
    with pytest.raises(ConfigError, match="cannot show"):
        detectable(0.01, 4, 3)


def test_of_equal_arms_hardly_any_is_said_to_differ() -> None:
    rng = np.random.default_rng(4)
    one, other = (
        Runs(values, values[:, None] + 0.01 * rng.normal(size=100))  # people like the one more, or the other
        for values in 0.5 + 0.01 * rng.normal(size=(2, 24))
    )
    assert false_positives(one, other, seeds=10) <= 9
    better = Runs(other.values + 0.08, other.resampled + 0.08)
    assert effects({"better": better - one}, margin=0.005)[0].verdict is Verdict.HELPS
    with pytest.raises(DataError, match="too few"):
        false_positives(one, other, seeds=30)


def test_nothing_is_said_of_few_seeds_however_alike_they_are() -> None:
    alike = alone(np.array([1e-4, -1e-4, 2e-4]))
    assert effects({"a": alike}, margin=0.01)[0].verdict is Verdict.UNDECIDED
    many = alone(np.array([1e-4, -1e-4] * 5))
    assert effects({"a": many}, margin=0.01)[0].verdict is Verdict.NOTHING


def test_what_differences_vary_by_counts_the_peoples_luck_as_often_as_there_are_seeds() -> None:
    rng = np.random.default_rng(5)
    values = 0.01 * rng.normal(size=SEEDS)
    exam = 0.02 * rng.normal(size=2000)
    found = deviation_of(Runs(values, values[:, None] + exam))
    assert found == pytest.approx(np.sqrt(values.var(ddof=1) + SEEDS * 0.02**2), rel=0.05)
    assert deviation_of(alone(values)) == pytest.approx(values.std(ddof=1))


def test_people_of_whom_too_little_is_known_give_no_interval() -> None:
    unknown = Runs(np.full(SEEDS, 0.1), np.full((SEEDS, 1), np.nan))
    assert crossed_interval(unknown) is None
    assert effects({"a": unknown}, margin=0.005)[0].verdict is Verdict.UNDECIDED


def test_arms_need_the_same_seeds_and_resamples() -> None:
    with pytest.raises(DataError, match="same seeds"):
        alone(np.zeros(5)) - alone(np.zeros(6))
    with pytest.raises(DataError, match="belong together"):
        Runs(np.zeros(3), np.zeros((4, 2)))
    assert effects({}, margin=0.01) == []
