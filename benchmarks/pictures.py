"""Contact sheets for reports: faces in rows, framed where a colour says how it went."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]  # (S, S, 3) RGB
Colour = tuple[int, int, int]

GREEN, RED, GREY, WHITE = (46, 160, 67), (207, 34, 46), (140, 149, 159), (255, 255, 255)
FRAME = 3  # px


def sheet(
    rows: Sequence[Sequence[Picture]], colours: Sequence[Sequence[Colour]] | None = None, side: int = 80
) -> bytes:
    """Pictures in rows as one PNG; rows may have different lengths.

    Args:
        colours: of the frame around each picture; default white.
        side: px that each picture is scaled to.
    """
    cell = side + 2 * FRAME
    width = max((len(row) for row in rows), default=1)
    canvas = Image.new("RGB", (width * cell, max(1, len(rows)) * cell), WHITE)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            frame = colours[y][x] if colours is not None else WHITE
            canvas.paste(frame, (x * cell + 1, y * cell + 1, (x + 1) * cell - 1, (y + 1) * cell - 1))
            face = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)
            canvas.paste(face, (x * cell + FRAME, y * cell + FRAME))
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def data_uri(png: bytes) -> str:
    """A PNG as text for an <img>, so that a page needs no other file."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
