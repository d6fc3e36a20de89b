"""Thresholds from scores."""

from __future__ import annotations

import numpy as np
import pytest

from recog import calibration
from recog.cards import Card
from recog.errors import ConfigError, GalleryError, TooFewPairs

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.0373])
def test_the_threshold_keeps_the_rate_and_no_lower_one_does(rate: float) -> None:
    scores = RNG.normal(size=5000)
    threshold = calibration.threshold_at_rate(scores, rate)
    assert (scores >= threshold).mean() <= rate
    next_lower = scores[scores < threshold].max()
    assert (scores >= next_lower).mean() > rate


def test_a_rate_needs_as_many_comparisons_as_one_error_in_them_is() -> None:
    assert [calibration.can_show(count, 1e-3) for count in (999, 1000)] == [False, True]
    with pytest.raises(TooFewPairs, match="at least 1,000 comparisons of strangers, and there are 999"):
        calibration.require(999, 1e-3)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        calibration.require(999, 1.0)


@pytest.mark.parametrize(("count", "rate"), [(100, 0.01), (150, 0.01), (1000, 0.01), (60, 0.05)])
def test_new_strangers_keep_the_rate_on_average(count: int, rate: float) -> None:
    draws = [calibration.threshold_for_new(RNG.uniform(size=count), rate) for _ in range(4000)]
    reached = 1 - np.mean(draws)  # a new uniform score reaches t with probability 1 - t
    expected = np.floor(rate * (count + 1) + 1e-9) / (count + 1)
    assert reached <= rate * 1.1
    assert reached == pytest.approx(expected, rel=0.1)


def test_ties_count_together() -> None:
    scores = np.repeat([0.5, 0.1], [3, 97])
    assert calibration.threshold_at_rate(scores, 0.02) > 0.5
    assert 0.1 < calibration.threshold_at_rate(scores, 0.03) <= 0.5


def test_too_few_scores_cannot_show_a_rate() -> None:
    with pytest.raises(TooFewPairs, match="1,000"):
        calibration.threshold_at_rate(np.zeros(999), 1e-3)
    calibration.threshold_at_rate(np.arange(1000.0), 1e-3)
    with pytest.raises(ConfigError):
        calibration.threshold_at_rate(np.zeros(999), 1.0)


def strangers(people: int, photos: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of people whose photos scatter around a centre each."""
    centres = np.repeat(RNG.normal(size=(people, 8)), photos, axis=0)
    vectors = centres + spread * RNG.normal(size=centres.shape)
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit, np.repeat(np.arange(people), photos)


def test_verify_uses_pairs_of_different_people_only() -> None:
    vectors, people = strangers(20, 3, 0.0)  # photos of one person are identical: cosine 1
    found = calibration.for_verify(vectors, people, 0.01, "folder")
    assert found.comparisons == 20 * 19 // 2 * 9
    assert found.threshold < 0.999


def test_the_interval_is_wider_where_photos_depend_on_each_other() -> None:
    alone = calibration.for_verify(*strangers(60, 1, 0.0), 0.05, "folder")
    repeated = calibration.for_verify(*strangers(10, 6, 0.0), 0.05, "folder")
    assert (alone.low or 0) < 0.05 < (alone.high or 0)
    widths = [(found.high or 0) - (found.low or 0) for found in (alone, repeated)]
    assert widths[1] > 1.5 * widths[0] > 0


def test_query_threshold_rises_with_the_gallery() -> None:
    enrolled, _ = strangers(500, 1, 0.0)
    probes, people = strangers(200, 2, 0.3)
    similarities = probes @ enrolled.T
    small = calibration.for_query(similarities[:, :20].max(axis=1), people, 0.05, "folder", (20, 20))
    large = calibration.for_query(similarities.max(axis=1), people, 0.05, "folder", (500, 500))
    assert large.threshold > small.threshold
    assert (large.people, large.comparisons) == (500, 400)


def test_no_hit_at_all_still_has_an_upper_bound() -> None:
    found = calibration.for_query(np.zeros(100), np.arange(100), 0.01, "folder", (1, 1))
    assert found.low == 0
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 100), rel=1e-6)


def test_photos_of_one_stranger_are_not_many_strangers() -> None:
    scores, few = RNG.uniform(size=200), np.repeat(np.arange(20), 10)
    with pytest.raises(TooFewPairs, match=r"FPIR of 0\.01 needs at least 100 people who are not enrolled"):
        calibration.for_query(scores, few, 0.01, "folder", (1, 1))
    with pytest.raises(TooFewPairs, match=r"FMR of 0\.01 needs at least 100 pairs of different people"):
        calibration.for_verify(*strangers(14, 10, 0.3), 0.01, "folder")
    found = calibration.for_query(scores, few, 0.05, "folder", (1, 1))
    assert (found.high or 0) > 0.15  # twenty people without a hit may well have a rate of 16 %


def test_a_repeated_stranger_is_within_the_interval() -> None:
    """Ten photos a person that all say the same: the interval still holds the true rate."""
    held = []
    for _ in range(60):
        best = np.repeat(RNG.uniform(size=100), 10)
        found = calibration.for_query(best, np.repeat(np.arange(100), 10), 0.05, "folder", (1, 1))
        held.append((found.low or 0) <= 1 - found.threshold <= (found.high or 0))
    assert np.mean(held) > 0.85


def test_single_precision_scores_count_as_they_are_refused() -> None:
    scores = RNG.uniform(size=1000).astype(np.float32)
    found = calibration.for_query(scores, np.arange(1000), 0.002, "folder", (1, 1))
    assert (scores.astype(np.float64) >= found.threshold).sum() == 1
    alone = calibration.for_query(np.zeros(1000, np.float32), np.arange(1000), 0.002, "folder", (1, 1))
    assert alone.low == 0


THRESHOLDS = {"fmr_1e-3": 0.3, "fmr_1e-2": 0.2, "fpir_1e-2_100": 0.4, "fpir_1e-2_1000": 0.5}
CARD = Card.of_config({"thresholds": THRESHOLDS, "intervals": {"fmr_1e-3": [5e-4, 2e-3]}, "odds": [10, -3]})


def test_the_card_is_read_between_its_rates() -> None:
    for rate, threshold in {1e-3: 0.3, 1e-2: 0.2, 10**-2.5: 0.25}.items():
        assert calibration.from_card(CARD, "verify", rate, (0, 0)).threshold == pytest.approx(threshold)
    found = calibration.from_card(CARD, "verify", 1.5e-3, (0, 0))
    assert (found.low, found.high) == pytest.approx((7.5e-4, 3e-3))  # of the nearest entry, in proportion
    assert found.probability(0.3) == pytest.approx(0.5)
    for rate in (5e-4, 0.02):
        with pytest.raises(GalleryError, match=r"only for 0\.001 to 0\.01"):
            calibration.from_card(CARD, "verify", rate, (0, 0))
    with pytest.raises(GalleryError, match="FPIR"):
        calibration.from_card(CARD, "query", 1e-3, (1, 1))
    with pytest.raises(GalleryError, match="none"):
        calibration.from_card(Card(), "query", 1e-3, (1, 1))


def test_a_card_says_no_more_than_was_measured_at_its_rate() -> None:
    """Strict rates need more strangers than are left beside a large gallery: their sizes end earlier."""
    thresholds = {"fpir_1e-3_10": 0.5, "fpir_1e-2_10": 0.4, "fpir_1e-2_1000": 0.6}
    intervals = {"fpir_1e-3_10": [5e-4, 2e-3], "fpir_1e-2_1000": [5e-3, 2e-2]}
    card = Card.of_config({"thresholds": thresholds, "intervals": intervals})
    found = calibration.from_card(card, "query", 3e-3, (400, 400))
    assert found.templates == 10
    assert (found.low, found.high) == (None, None)
    wide = calibration.from_card(card, "query", 1e-2, (400, 400))
    assert wide.templates == 400
    assert (wide.low, wide.high) == pytest.approx((5e-3, 2e-2))


def test_the_card_is_read_at_the_gallerys_size() -> None:
    sizes = {0: 0.4, 100: 0.4, 316: 0.45, 1000: 0.5, 10000: 0.6}  # beyond the largest it goes on growing
    for templates, threshold in sizes.items():
        found = calibration.from_card(CARD, "query", 1e-2, (50, templates))
        assert found.threshold == pytest.approx(threshold, abs=1e-3)
        assert found.templates == min(max(templates, 1), 1000)  # what the threshold is good for
        assert found.people == 50
        assert found.probability(0.3) is None


def test_odds_are_those_of_the_scores() -> None:
    """Two normal distributions of equal spread: the log odds are exactly a line, known in closed form."""
    rng = np.random.default_rng(0)
    mated, non_mated = rng.normal(0.6, 0.2, 40_000), rng.normal(0.1, 0.2, 60_000)
    found = calibration.fit_odds(mated, non_mated)
    assert found is not None
    assert found == pytest.approx(((0.6 - 0.1) / 0.04, -(0.6**2 - 0.1**2) / 0.08), rel=0.03)
    assert calibration.fit_odds(mated[:0], non_mated) is None
    assert calibration.fit_odds(non_mated, mated) is None  # a model that is wrong more often than right


def test_a_folder_with_several_photos_a_person_gives_the_odds() -> None:
    vectors, people = strangers(30, 3, 0.2)
    found = calibration.for_verify(vectors, people, 0.01, "folder")
    assert found.slope is not None
    assert found.slope > 0
    assert (found.probability(1.0) or 0) > 0.9 > 0.1 > (found.probability(-1.0) or 0)
    alone = calibration.for_verify(*strangers(60, 1, 0.2), 0.05, "folder")
    assert alone.probability(0.5) is None
