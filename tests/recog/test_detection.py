"""The detector's contract on images without faces (with faces: tests/test_real_photos.py)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recog.detection import Detector
from recog.types import Face


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector("cpu")


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (20, 20), (19, 400), (21, 300), (400, 25), (90, 90)])
def test_no_face_is_an_empty_list(detector: Detector, shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    for image in (noise, np.zeros_like(noise), np.full_like(noise, 127)):
        assert detector.detect(image) == []


class OneFace:
    """MTCNN's interface: finds a face in the middle half, if there is enough background around."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.answers: list[bool] = []

    def detect(self, image: np.ndarray, landmarks: bool) -> Any:
        self.shapes.append(image.shape)
        if not self.answers.pop(0):
            return None, [None], None
        height, width = image.shape[:2]
        box = np.array([[width / 4, height / 4, width * 3 / 4, height * 3 / 4]])
        return box, np.array([0.99]), np.array([[[width / 2, height / 2]] * 5])


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, detector: Detector) -> OneFace:
    fake = OneFace()
    monkeypatch.setattr(detector, "_mtcnn", fake)
    return fake


def test_large_photos_are_searched_small_and_mapped_back(detector: Detector, stub: OneFace) -> None:
    stub.answers = [True]
    (face,) = detector.detect(np.zeros((1000, 2560, 3), np.uint8))
    assert stub.shapes == [(500, 1280, 3)]
    assert face.box == pytest.approx((640, 250, 1920, 750))
    np.testing.assert_allclose(face.landmarks, [[1280, 500]] * 5)


def test_close_ups_are_tried_again_with_a_border(detector: Detector, stub: OneFace) -> None:
    stub.answers = [False, True]
    (face,) = detector.detect(np.zeros((100, 100, 3), np.uint8))
    assert stub.shapes == [(100, 100, 3), (200, 200, 3)]
    assert face.box == pytest.approx((0, 0, 100, 100))
    np.testing.assert_allclose(face.landmarks, [[50, 50]] * 5)


def test_a_panorama_is_made_small_before_it_gets_a_border(detector: Detector, stub: OneFace) -> None:
    """A border of half the longer side around the whole photo would take gigabytes."""
    stub.answers = [False, True]
    (face,) = detector.detect(np.zeros((2000, 20_000, 3), np.uint8))
    assert stub.shapes == [(128, 1280, 3), (704, 1280, 3)]
    assert face.box == pytest.approx((0, -4500, 20_000, 6500))  # the middle half of the bordered picture
    assert detector.detect(np.zeros((20, 4000, 3), np.uint8)) == []


def test_a_face_at_the_border_is_measured_again_with_one(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at(nose: float, box: tuple[float, float, float, float]) -> Face:
        return Face(box, np.full((5, 2), nose, np.float32), 0.99)

    cut, whole = at(30, (-5, 0, 60, 70)), at(300, (250, 250, 350, 350))
    better = at(33, (-2, -3, 65, 70))
    monkeypatch.setattr(detector, "_detect_at_most", lambda image, side: [cut, whole])
    monkeypatch.setattr(detector, "_detect_padded", lambda image: [better])
    assert detector.detect(np.zeros((500, 500, 3), np.uint8)) == [whole, better]
    monkeypatch.setattr(detector, "_detect_padded", lambda image: [])
    assert detector.detect(np.zeros((500, 500, 3), np.uint8)) == [whole, cut]


def test_unsure_faces_are_dropped(detector: Detector, stub: OneFace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector, "min_confidence", 0.995)
    stub.answers = [True, True]
    assert detector.detect(np.zeros((100, 100, 3), np.uint8)) == []
