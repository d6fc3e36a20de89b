"""Sheets of faces."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from generative.grids import FRAME, WHITE, arranged, save_grid, sheet

GREEN, RED = (0, 200, 0), (200, 0, 0)


def test_sheets_frame_each_picture() -> None:
    black = np.zeros((8, 8, 3), np.uint8)
    framed = sheet([[black], [black, black]], [[GREEN], [RED, GREEN]])
    with Image.open(BytesIO(framed)) as image:
        assert image.size == (28, 28)
        assert image.getpixel((2, 2)) == GREEN
        assert image.getpixel((2, 16)) == RED
        assert image.getpixel((7, 7)) == (0, 0, 0)
        assert image.getpixel((21, 7)) == WHITE  # the first row is shorter


def test_a_grid_shows_each_picture_as_it_is(tmp_path: Path) -> None:
    faces = torch.linspace(-1, 1, 5).reshape(5, 1, 1, 1).expand(5, 3, 4, 4)
    save_grid(tmp_path / "grid.png", faces, 2)
    grid = np.asarray(Image.open(tmp_path / "grid.png"))
    cell = 4 + 2 * FRAME
    assert grid.shape == (3 * cell, 2 * cell, 3)
    centres = grid[cell // 2 :: cell, cell // 2 :: cell, 0]
    assert centres.tolist() == [[0, 64], [128, 191], [255, 255]]  # one place stays empty


def test_people_of_one_photo_stand_side_by_side() -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    assert [len(row) for row in arranged([[picture]] * 19)] == [8, 8, 3]
    assert [len(row) for row in arranged([[picture], [picture] * 3])] == [1, 3]
