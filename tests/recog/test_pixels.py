"""Levels and what networks see."""

from __future__ import annotations

import numpy as np
import torch

from recog.pixels import from_uint8, scaled, to_uint8

LEVELS = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)[..., None].repeat(3, axis=3)


def test_every_level_comes_back() -> None:
    seen = from_uint8(LEVELS)
    assert seen.shape == (4, 3, 8, 8)
    assert (seen.min(), seen.max()) == (-1, 1)
    assert np.array_equal(to_uint8(seen), LEVELS)


def test_faces_lie_as_networks_want_them() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    seen = from_uint8(colours)
    assert seen.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(seen, scaled(torch.from_numpy(colours).permute(0, 3, 1, 2)))
    assert torch.equal(seen[0, :, 1, 2], torch.from_numpy(colours[0, 1, 2]) / 127.5 - 1)


def test_values_beyond_are_clipped_and_others_rounded() -> None:
    values = torch.tensor([-1.5, -1 + 0.4 / 127.5, -1 + 0.6 / 127.5, 1.5]).expand(1, 3, 1, 4)
    assert to_uint8(values)[0, 0, :, 0].tolist() == [0, 0, 1, 255]
