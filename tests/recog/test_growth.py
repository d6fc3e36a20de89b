"""Networks that get more blocks and answer as before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from recog.embedding import Embedder
from recog.errors import CheckpointError, ConfigError
from recog.training import train
from recog.training.growth import deepened
from recog.training.loop import initial_network
from tests.recog.test_training import TINY, coloured_people

BACKBONES = {
    "fasternet_t0": ({"depths": [1, 1, 1, 1]}, {"depths": [2, 1, 3, 1]}),
    "resnet18": ({"layers": [1, 1, 1, 1]}, {"layers": [1, 2, 1, 3]}),
}


def small(backbone: str, options: dict[str, Any], path: Path) -> Path:
    """Weights of a network that has seen something, so that its norms' statistics are not the usual ones."""
    config = replace(TINY, backbone=backbone, backbone_options=options)
    torch.manual_seed(3)
    trained = train(replace(config, total_kimg=0.2), coloured_people(), device="cpu")
    trained.save(path)
    return path


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_deeper_network_begins_where_the_shallow_one_ended_and_learns_on(
    tmp_path: Path, backbone: str
) -> None:
    few, more = BACKBONES[backbone]
    start = small(backbone, few, tmp_path / "small.safetensors")
    config = replace(TINY, backbone=backbone, backbone_options=more)
    grown = initial_network(config, start).eval()
    shallow = Embedder.load(start, device="cpu").network
    images = torch.rand(4, 3, config.image_size, config.image_size)
    assert len(grown.state_dict()) > len(shallow.state_dict())
    with torch.no_grad():
        assert torch.allclose(grown(images), shallow(images), atol=1e-5)

    learned = train(replace(config, total_kimg=0.5), coloured_people(), start=start, device="cpu")
    before, after = grown.state_dict(), learned.network.state_dict()
    branches = [name for name, weight in before.items() if name.endswith("weight") and not weight.any()]
    assert branches
    assert all(after[name].any() for name in branches)


def test_the_same_network_takes_its_weights_as_they_are(tmp_path: Path) -> None:
    start = small("fasternet_t0", BACKBONES["fasternet_t0"][0], tmp_path / "small.safetensors")
    network = initial_network(
        replace(TINY, backbone="fasternet_t0", backbone_options=BACKBONES["fasternet_t0"][0]), start
    )
    there = Embedder.load(start, device="cpu").network.state_dict()
    for name, weight in network.state_dict().items():
        np.testing.assert_array_equal(weight, there[name])


def test_layers_that_are_no_residual_blocks_are_refused() -> None:
    few, more = nn.Sequential(nn.Conv2d(3, 4, 3)), nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1))
    with pytest.raises(ConfigError, match="1 is new and no residual block"):
        deepened(few.state_dict(), more, 16)


def test_fewer_blocks_than_the_weights_have_are_refused(tmp_path: Path) -> None:
    few, more = BACKBONES["fasternet_t0"]
    start = small("fasternet_t0", more, tmp_path / "large.safetensors")
    shallower = replace(TINY, backbone="fasternet_t0", backbone_options=few)
    with pytest.raises(CheckpointError, match="Start from weights of the same settings"):
        initial_network(shallower, start)
