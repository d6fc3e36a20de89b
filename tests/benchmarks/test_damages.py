"""Damaged exams."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.cli.verify import DAMAGES
from benchmarks.damages import NAMED, damaged
from benchmarks.exams import Exam, of_crops
from recog.errors import ConfigError
from tests.benchmarks.fakes import people_of_colours


@pytest.fixture
def exam() -> Exam:
    crops = people_of_colours(people=4, photos=3, size=56)
    return of_crops(crops, "colours")


def test_the_command_line_knows_them_all() -> None:
    assert set(DAMAGES) == set(NAMED)


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_changes_crops_and_nothing_else(exam: Exam, name: str) -> None:
    made = damaged(exam, name)
    assert made.crops.shape == exam.crops.shape
    assert made.crops.dtype == np.uint8
    assert (made.crops != exam.crops).any((1, 2, 3)).all()
    assert made.pairs is exam.pairs
    assert made.protocol != exam.protocol
    assert np.array_equal(made.crops, damaged(exam, name).crops)


def test_occlusion_covers_thirty_percent(exam: Exam) -> None:
    made = damaged(exam, "occlusion30")
    covered = (np.abs(made.crops.astype(int) - 127.5) < 1).all(3).mean((1, 2))
    assert covered == pytest.approx(0.30, abs=0.03)


def test_motion_blur_smears_along_one_line() -> None:
    crops = people_of_colours(people=2, photos=2, size=112)
    crops.images[:] = 0
    crops.images[:, 56, 56] = 255
    made = damaged(of_crops(crops, "points"), "motion15").crops[..., 0]
    for picture in made:
        rows, columns = np.nonzero(picture)
        assert 10 <= np.hypot(np.ptp(rows), np.ptp(columns)) <= 17
        assert len(rows) < 40  # a line, not a disc


def test_unknown_damage_is_named(exam: Exam) -> None:
    with pytest.raises(ConfigError, match="lowres8"):
        damaged(exam, "fire")
