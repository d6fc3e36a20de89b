"""Quality of faces: each part falls with its own defect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from recog import quality
from recog.alignment import template
from recog.recognizer import Recognizer
from recog.types import Face

GOOD = Face((0, 0, 112, 112), template().astype(np.float32), 1.0)
SHARP = np.random.default_rng(0).integers(0, 255, (112, 112, 3), dtype=np.uint8)
SMOOTH = np.tile(np.linspace(60, 200, 112)[:, None, None], (1, 112, 3)).astype(np.uint8)


def moved(point: int, dx: float, dy: float) -> Face:
    """The frontal face with one landmark elsewhere."""
    landmarks = template()
    landmarks[point] += (dx, dy)
    return replace(GOOD, landmarks=landmarks.astype(np.float32))


def test_a_good_face_is_good_in_every_part() -> None:
    found = quality.of_face(GOOD, SHARP, 0.96)
    assert all(value > 0.97 for value in asdict(found).values())
    assert found.score > 0.97
    assert found.parts().keys() == asdict(found).keys()


@pytest.mark.parametrize(
    ("part", "face", "crop", "mirrored"),
    [
        ("size", replace(GOOD, landmarks=GOOD.landmarks / 4), SHARP, 0.96),
        ("sharpness", GOOD, SMOOTH, 0.96),
        ("pose", moved(2, -15, 0), SHARP, 0.96),
        ("pose", moved(2, 0, 15), SHARP, 0.96),
        ("illumination", GOOD, SHARP // 6, 0.96),
        ("illumination", GOOD, 255 - SHARP // 6, 0.96),
        ("confidence", replace(GOOD, confidence=0.4), SHARP, 0.96),
        ("embedding", GOOD, SHARP, 0.5),
    ],
)
def test_each_defect_shows_in_its_part(part: str, face: Face, crop: np.ndarray, mirrored: float) -> None:
    best, found = quality.of_face(GOOD, SHARP, 0.96), quality.of_face(face, crop, mirrored)
    assert found.weakest[0] == part
    assert found.weakest[1] < 0.65
    assert found.score < best.score - 0.02


def test_light_from_one_side_is_uneven() -> None:
    lit = SHARP.copy()
    lit[:, 56:] //= 6
    assert quality.illumination(lit) < 0.8 < quality.illumination(SHARP)


def test_the_score_is_the_weighted_geometric_mean() -> None:
    found = quality.Quality(0.5, 0.6, 0.7, 0.8, 0.9, 0.4)
    logs = 0.1 * np.log([0.5, 0.6, 0.7, 0.8, 0.9]).sum() + 0.5 * np.log(0.4)
    assert found.score == pytest.approx(float(np.exp(logs)))
    assert sum(quality.WEIGHTS.values()) == pytest.approx(1.0)
    assert found.weakest == ("embedding", 0.4)


def test_a_profile_and_points_on_one_spot_have_no_pose() -> None:
    assert quality.pose(moved(2, -20, 0).landmarks) == 0.0
    assert quality.pose(np.zeros((5, 2), np.float32)) == 0.0
    tilted = GOOD.landmarks @ np.array([[0.8, 0.6], [-0.6, 0.8]], np.float32)  # in the image plane
    assert quality.pose(tilted) == pytest.approx(quality.pose(GOOD.landmarks), abs=1e-5)


def test_the_models_own_range_of_mirror_cosines_counts() -> None:
    usual = quality.of_face(GOOD, SHARP, 0.8)
    own = quality.of_face(GOOD, SHARP, 0.8, (0.6, 0.8))
    assert usual.embedding == 0.0
    assert own.embedding == 1.0


def test_poor_photos_are_refused_or_named(
    recognizer: Recognizer,
    photo: Callable[..., Path],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = photo("ada.png", 10)  # one flat colour: no sharpness, no contrast
    refused = recognizer.enroll("ada", path, min_quality=0.9)
    assert refused.added == 0
    assert "under 0.9, weakest in" in refused.failed[0][1]
    assert recognizer.list() == []
    assert recognizer.enroll("ada", path).added == 1
    assert not caplog.text
    monkeypatch.setattr("recog.enrollment.POOR", 0.95)
    assert recognizer.enroll("bob", photo("bob.png", 80)).added == 1
    assert "poor quality" in caplog.text


def test_an_unknown_part_does_not_count() -> None:
    found = quality.Quality(0.5, 0.5, 0.5, 0.5, 0.5)
    assert found.score == pytest.approx(0.5)
    assert "embedding" not in found.parts()
    assert quality.of_face(GOOD, SHARP).embedding is None
