"""What made-up photos are worth in real ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.augment.curves import Exchange, exchanges, learning_curves, of_several_sizes, worth_of
from benchmarks.report import build
from benchmarks.rows import Row
from recog.errors import DataError
from tests.benchmarks.test_rows import a_row

COUNTS = [2, 4, 8]


def curve(seeds: int = 6, noise: float = 0.0) -> np.ndarray:
    """A rate that grows by 0.1 with each doubling."""
    rng = np.random.default_rng(0)
    luck = noise * rng.normal(size=seeds)
    return np.array([[0.3], [0.4], [0.5]]) + luck


def test_an_arm_as_good_as_twice_the_photos_is_worth_as_many_again() -> None:
    for noise in (0.0, 0.02):
        luck = curve(noise=noise)[0] - 0.3
        worth, interval, beyond = worth_of(COUNTS, curve(noise=noise), 0.4 + luck, 2)
        assert worth == pytest.approx(2.0)
        assert beyond == 0
        assert interval is not None
        assert interval[0] - 1e-9 <= 2.0 <= interval[1] + 1e-9
    half, _, _ = worth_of(COUNTS, curve(), np.full(6, 0.45), 4)
    assert half == pytest.approx(4 * np.sqrt(2) - 4)


def test_what_does_harm_is_worth_less_than_nothing() -> None:
    worth, _, beyond = worth_of(COUNTS, curve(), np.full(6, 0.3), 4)
    assert worth == pytest.approx(-2.0)
    assert beyond == 0


def test_what_is_better_than_all_that_was_measured_is_said_to_be() -> None:
    worth, _, beyond = worth_of(COUNTS, curve(), np.full(6, 0.6), 4)
    assert (worth, beyond) == (pytest.approx(4.0), 1)
    worth, _, beyond = worth_of(COUNTS, curve(), np.full(6, 0.6), 8)
    assert (worth, beyond) == (pytest.approx(0.0), 1)
    assert Exchange("a", 100, 8, 16, worth, None, beyond).said() == "at least 0.0"
    worth, _, beyond = worth_of(COUNTS, curve(), np.full(6, 0.2), 2)
    assert Exchange("a", 100, 2, 16, worth, (-1, 0.26), beyond).said() == "at most 0.0 [-1.0, 0.3]"


def test_chance_in_the_curve_is_smoothed_and_a_plateau_is_worth_its_fewest_photos() -> None:
    dips = np.repeat([[0.30], [0.40], [0.38]], 6, axis=1)
    worth, _, beyond = worth_of(COUNTS, dips, np.full(6, 0.395), 2)
    assert (worth, beyond) == (pytest.approx(2.0), 0)  # 4 and 8 photos are alike: 0.39 each


def test_intervals_widen_with_what_varies() -> None:
    rng = np.random.default_rng(1)
    noisy = 0.4 + 0.03 * rng.normal(size=12)
    _, interval, _ = worth_of(COUNTS, curve(12), noisy, 2)
    assert interval is not None
    assert interval[0] < 2.0 < interval[1] + 0.5
    assert interval[1] - interval[0] > 0.2


def test_curves_need_two_points() -> None:
    with pytest.raises(DataError, match="do not fit"):
        worth_of([2], np.zeros((1, 3)), np.zeros(3), 2)


def of_plan(photos: int, arm: str, values: list[float], made: int = 0) -> list[Row]:
    declared = {
        "digest": f"{photos}",
        "arms": {"strong": "s", "strong + GAN": "g", "none": "n"},
        "seeds": [0, 3],
        "baseline": "strong",
        "margin": 0.005,
        "metric": "TAR",
        "confirms": False,
    }
    details = {
        "people": 100,
        "photos": photos,
        "declaration": declared,
        "recipe": declared["arms"][arm],  # type: ignore[index]
        "family": "f",
        "synthetic_crops": made,
    }
    return [
        a_row(bench="augment", arm=arm, metric="TAR", value=value, seed=seed, details=details)
        for seed, value in enumerate(values)
    ]


def test_rows_of_several_plans_make_curves_and_exchanges() -> None:
    rows = [
        *of_plan(2, "strong", [0.30, 0.31, 0.29]),
        *of_plan(4, "strong", [0.40, 0.41, 0.39]),
        *of_plan(2, "strong + GAN", [0.40, 0.41, 0.39], made=1600),
        *of_plan(4, "none", [0.1, 0.1, 0.1]),
    ]
    assert learning_curves(rows) == {
        "100 people": {"strong": [(2.0, pytest.approx(30.0)), (4.0, pytest.approx(40.0))]}
    }
    assert of_several_sizes(rows) == {"strong"}
    (found,) = exchanges(rows)
    assert (found.arm, found.people, found.photos, found.made_up) == ("strong + GAN", 100, 2, 16)
    assert found.worth == pytest.approx(2.0)
    assert found.said().startswith("2.0 [")
    assert exchanges(rows[:6]) == []


def test_the_report_draws_curves_and_says_what_made_up_photos_are_worth() -> None:
    rows = [
        *of_plan(2, "strong", [0.30, 0.31, 0.29]),
        *of_plan(4, "strong", [0.40, 0.41, 0.39]),
        *of_plan(2, "strong + GAN", [0.40, 0.41, 0.39], made=1600),
        *of_plan(4, "strong + GAN", [0.42, 0.43, 0.41], made=1600),
        *of_plan(4, "none", [0.1, 0.1, 0.1]),
        *of_plan(6, "strong", [0.42, 0.43, 0.41]),
        *of_plan(8, "strong", [0.43, 0.44, 0.42]),
    ]
    by_photos = [replace(row, plan=f"plan {row.details['photos']}") for row in rows]
    found = build(by_photos)
    (section, _) = found.sections
    (table,) = [table for table in section.tables if "by real photos" in table.caption]
    assert [line[:5] for line in table.body] == [
        ["100", "2", "strong", "3", "30.00 %"],
        ["100", "2", "strong + GAN", "3", "40.00 %"],
        ["100", "4", "strong", "3", "40.00 %"],
        ["100", "4", "strong + GAN", "3", "42.00 %"],
        ["100", "6", "strong", "3", "42.00 %"],
        ["100", "8", "strong", "3", "43.00 %"],
    ]
    assert table.body[1][5].startswith("+10.00 [")
    assert table.body[1][6].startswith("2.0 [")
    assert table.body[3][6].startswith("2.0 [")
    assert (
        "strong + GAN: made-up photos do as much as 2.0 [2.0, 2.0] (people: 100, photos: 2) to 2.0"
        in " ".join(section.text)
    )
    assert any("by-real-photos" in name for name in found.pictures)
    others = [table.caption for table in section.tables if table.caption.startswith("What it came to")]
    assert len(others) == 1  # that with an arm of one size: the other plan stands in the table of sizes


def test_what_is_confirmed_stands_by_itself() -> None:
    rows = [*of_plan(2, "strong", [0.3, 0.3, 0.3]), *of_plan(4, "strong", [0.4, 0.4, 0.4])]
    said = {**rows[0].details["declaration"], "confirms": True}
    confirming = [
        replace(row, plan=f"plan {row.details['photos']}", details={**row.details, "declaration": said})
        for row in rows
    ]
    captions = [table.caption for table in build(confirming).sections[0].tables]
    assert [caption.startswith("What it came to") for caption in captions] == [True, True, False]  # costs
    assert "by real photos" not in " ".join(captions)


def test_plans_that_differ_otherwise_make_no_curve() -> None:
    few, more = of_plan(2, "strong", [0.3, 0.3, 0.3]), of_plan(4, "strong", [0.4, 0.4, 0.4])
    rows = [replace(row, plan=f"plan {row.details['photos']}") for row in (*few, *more)]
    other = [replace(row, details={**row.details, "family": "other"}) for row in rows[3:]]
    assert "by-real-photos" in " ".join(build(rows).pictures)
    assert "by-real-photos" not in " ".join(build([*rows[:3], *other]).pictures)
