"""Contact sheets of faces."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from recog.checkpoints import write_atomically


def to_uint8(images: Tensor) -> NDArray[np.uint8]:
    """(B, 3, S, S) in [-1, 1] -> (B, S, S, 3) uint8 RGB."""
    levels = ((images.detach().float().clamp(-1, 1) + 1) * 127.5).round().byte()
    array: NDArray[np.uint8] = levels.permute(0, 2, 3, 1).cpu().numpy()
    return array


def png(image: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) uint8 RGB as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def save_grid(path: Path, images: Tensor, columns: int) -> None:
    """Write pictures (N, 3, S, S) in [-1, 1] as one PNG, `columns` a row."""
    sheet = make_grid(images.float().clamp(-1, 1), nrow=columns, padding=1, pad_value=1.0)
    write_atomically(path, png(to_uint8(sheet[None])[0]))


def contact_sheet(rows: Sequence[NDArray[np.uint8]]) -> bytes:
    """Rows of (K, S, S, 3) uint8 RGB, each as long as the longest, as one PNG file with thin white lines."""
    side, most = rows[0].shape[1], max(len(row) for row in rows)
    canvas = np.full((len(rows) * (side + 1) + 1, most * (side + 1) + 1, 3), 255, np.uint8)
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            top, left = y * (side + 1) + 1, x * (side + 1) + 1
            canvas[top : top + side, left : left + side] = image
    return png(canvas)
