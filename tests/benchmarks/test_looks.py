"""The autoencoder that judges how faces look."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from benchmarks.judging.looks import CODE, KIND, Autoencoder, Looks
from recog import checkpoints


def test_what_ships_gives_the_codes_of_the_finished_run(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Autoencoder()
    tensors = {f"network.{name}": value.half() for name, value in network.state_dict().items()}
    checkpoints.save(tmp_path / "final", kind=KIND, config={}, tensors=tensors)
    Looks.pack(tmp_path / "final", tmp_path / "packed")
    assert (tmp_path / "packed").stat().st_size < 0.7 * (tmp_path / "final").stat().st_size
    crops = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), np.uint8)
    whole, packed = (Looks.load(tmp_path / name, "cpu").codes(crops) for name in ("final", "packed"))
    assert whole.shape == (3, CODE)
    np.testing.assert_array_equal(whole, packed)
