"""Five-point alignment."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from recog.alignment import TEMPLATE, AlignedCrops, align, similarity, template
from recog.errors import ConfigError, FaceError

RNG = np.random.default_rng(0)


def rotated(points: np.ndarray, degrees: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    a = np.radians(degrees)
    turn = scale * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return points @ turn.T + shift


def test_similarity_undoes_a_known_one() -> None:
    source = rotated(TEMPLATE, 25, 1.7, (40, -10))
    matrix = similarity(source, TEMPLATE)
    np.testing.assert_allclose(source @ matrix[:, :2].T + matrix[:, 2], TEMPLATE, atol=1e-9)


def test_similarity_is_the_least_squares_one() -> None:
    source, target = RNG.normal(size=(2, 5, 2))

    def error(p: np.ndarray) -> float:
        return float(((source @ np.array([[p[0], p[1]], [-p[1], p[0]]]) + p[2:] - target) ** 2).sum())

    best = minimize(error, np.array([1.0, 0, 0, 0]))
    matrix = similarity(source, target)
    found = float(((source @ matrix[:, :2].T + matrix[:, 2] - target) ** 2).sum())
    assert found == pytest.approx(best.fun, rel=1e-6)


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((5, 2), np.nan)])
def test_degenerate_landmarks_are_refused(points: np.ndarray) -> None:
    with pytest.raises(FaceError, match="landmarks"):
        align(np.zeros((9, 9, 3), np.uint8), points)


def dotted(landmarks: np.ndarray, side: int, radius: int) -> np.ndarray:
    """A picture with a white disc on each landmark."""
    y, x = np.mgrid[:side, :side]
    image = np.zeros((side, side, 3), np.uint8)
    for px, py in landmarks:
        image[(x - px) ** 2 + (y - py) ** 2 <= radius**2] = 255
    return image


@pytest.mark.parametrize(("scale", "side"), [(0.5, 160), (1.0, 300), (3.3, 700), (6.0, 1200)])
@pytest.mark.parametrize("size", [64, 112, 160])
def test_landmarks_land_on_the_template(scale: float, side: int, size: int) -> None:
    landmarks = rotated(TEMPLATE - 56, 15, scale, (side / 2, side / 2))
    crop = align(dotted(landmarks, side, max(2, round(4 * scale))), landmarks, size)
    assert crop.shape == (size, size, 3)
    y, x = np.mgrid[:size, :size]
    for px, py in template(size):
        near = (x - px) ** 2 + (y - py) ** 2 <= (8 * size / 112) ** 2
        weights = crop[..., 0] * near
        centre = np.array([(weights * x).sum(), (weights * y).sum()]) / weights.sum()
        np.testing.assert_allclose(centre, [px, py], atol=0.5)


def test_an_aligned_crop_comes_back_unchanged() -> None:
    crop = RNG.integers(0, 255, (112, 112, 3), dtype=np.uint8)
    (face,) = AlignedCrops().detect(crop)
    np.testing.assert_array_equal(align(crop, face.landmarks), crop)


def test_an_enlarged_crop_is_bright_to_its_edge() -> None:
    """What lies past the outermost pixels' centres is still of the image, and not black."""
    white = np.full((112, 112, 3), 255, np.uint8)
    (face,) = AlignedCrops().detect(white)
    assert align(white, face.landmarks, 128).min() == 255
    moved = align(white, face.landmarks + 3, 128)  # three px of the face are missing
    assert moved[-1].max() == 0
    assert moved[0, :120].min() == 255


def test_large_faces_are_averaged_and_not_sampled() -> None:
    stripes = np.zeros((1120, 1120, 3), np.uint8)
    stripes[:, ::2] = 255  # finer than the crop can show: must come out grey
    crop = align(stripes, template(1120))
    assert abs(float(crop.mean()) - 127.5) < 2
    assert crop[8:-8, 8:-8].std() < 12  # of 127 in the photo


def test_size_must_be_positive() -> None:
    with pytest.raises(ConfigError):
        align(np.zeros((9, 9, 3), np.uint8), TEMPLATE, 0)
