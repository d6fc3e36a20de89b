"""Sheets of faces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recog.checkpoints import write_atomically
from recog.images import png
from recog.pixels import to_uint8

Picture = NDArray[np.uint8]  # (S, S, 3) RGB
Colour = tuple[int, int, int]

WHITE = (255, 255, 255)
FRAME = 3  # px around each picture
ACROSS = 8  # people of one photo in a row


def sheet(rows: Sequence[Sequence[Picture]], colours: Sequence[Sequence[Colour]] | None = None) -> bytes:
    """Pictures of one side in rows as one PNG file; rows may have different lengths.

    Args:
        colours: of the frame around each picture; default white.
    """
    cell = len(rows[0][0]) + 2 * FRAME
    canvas = np.full((len(rows) * cell, max(map(len, rows)) * cell, 3), WHITE, np.uint8)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            place = canvas[y * cell : (y + 1) * cell, x * cell : (x + 1) * cell]
            place[1:-1, 1:-1] = WHITE if colours is None else colours[y][x]
            place[FRAME:-FRAME, FRAME:-FRAME] = picture
    return png(canvas)


def arranged(people: Sequence[Sequence[Picture]]) -> list[list[Picture]]:
    """Rows of a sheet: a person each; people of one photo side by side."""
    if max(map(len, people)) > 1:
        return [list(photos) for photos in people]
    alone = [photos[0] for photos in people]
    return [alone[at : at + ACROSS] for at in range(0, len(alone), ACROSS)]


def save_grid(path: Path, images: Tensor, columns: int) -> None:
    """Write pictures (N, 3, S, S) in [-1, 1] as one PNG, `columns` a row."""
    pictures = list(to_uint8(images))
    rows = [pictures[at : at + columns] for at in range(0, len(pictures), columns)]
    write_atomically(path, sheet(rows))
