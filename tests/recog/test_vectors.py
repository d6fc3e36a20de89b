"""Directions of embeddings."""

from __future__ import annotations

import numpy as np
import pytest

from recog.vectors import centres, unit


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_unit_keeps_direction_precision_and_zeros(precision: type) -> None:
    made = unit(np.array([[3, 4], [0, 0]], precision))
    assert made.dtype == precision
    assert made == pytest.approx(np.array([[0.6, 0.8], [0, 0]]))
    assert unit(np.array([0, 2], precision)).tolist() == [0, 1]


def test_centres_leave_unlabelled_vectors_out() -> None:
    vectors = np.array([[1, 0], [0, 1], [0, -1]], np.float32)
    found = centres(vectors, np.array([0, 0, -1]), 2)
    assert found.dtype == np.float32
    assert found == pytest.approx(np.array([[0.5**0.5, 0.5**0.5], [0, 0]]))
