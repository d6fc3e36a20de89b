from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from generative.models.vae import VAE
from generative.projection import Projector
from generative.synthesis import Synthesizer
from recog.embedding import Embedder
from recog.errors import ConfigError, DataError
from recog.training.data import CropSet
from tests.generative.stand_ins import SIZE


@pytest.fixture
def projector(trained: Path, embedder: Embedder) -> Projector:
    return Projector(Synthesizer.load(trained / "vae", embedder, "cpu"), steps=30)


def masks(count: int, size: int = SIZE) -> np.ndarray:
    missing = np.zeros((count, size, size), bool)
    missing[:, size // 4 : size // 2, size // 4 : size // 2] = True
    return missing


def test_only_missing_pixels_change(projector: Projector, crops: CropSet) -> None:
    faces = np.asarray(crops.images[:3])
    repaired = projector.repair(faces, masks(3))
    assert np.array_equal(repaired[~masks(3)], faces[~masks(3)])
    assert not np.array_equal(repaired[masks(3)], faces[masks(3)])
    assert np.array_equal(projector.repair(faces, masks(3)), repaired)  # the same each time


def test_what_is_under_the_mask_has_no_say(projector: Projector, crops: CropSet) -> None:
    faces = np.asarray(crops.images[:2])
    other = np.where(masks(2)[..., None], 255 - faces, faces)
    assert np.array_equal(projector.repair(faces, masks(2)), projector.repair(other, masks(2)))


def test_the_search_comes_nearer_to_what_is_seen(projector: Projector, crops: CropSet) -> None:
    images = torch.from_numpy(np.asarray(crops.images[:4])).permute(0, 3, 1, 2).float() / 127.5 - 1
    seen = torch.from_numpy(~masks(4))[:, None].float()
    network = projector.synthesizer.network
    assert isinstance(network, VAE)
    given = torch.zeros(4, network.condition_size)

    def error(steps: int) -> float:
        projector.steps = steps
        found = projector._nearest(images, seen, given)
        return float(((found - images).abs() * seen).sum() / seen.sum())

    assert error(60) < 0.98 * error(0)


def test_faces_are_searched_for_each_on_their_own(projector: Projector, crops: CropSet) -> None:
    faces = np.asarray(crops.images[:3])
    together, alone = projector.repair(faces, masks(3)), projector.repair(faces[1:2], masks(1))
    assert np.abs(together[1].astype(int) - alone[0]).max() <= 2


def test_any_side_and_no_faces_work(projector: Projector) -> None:
    large = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), np.uint8)
    assert projector.repair(large, masks(2, 40)).shape == large.shape
    assert projector.repair(large[:0], masks(0, 40)).shape == (0, 40, 40, 3)
    with pytest.raises(DataError, match="give bool"):
        projector.repair(large, masks(2))


def test_a_generator_without_an_encoder_is_refused(trained: Path, embedder: Embedder) -> None:
    with pytest.raises(ConfigError, match="needs an encoder"):
        Projector(Synthesizer.load(trained / "gan", embedder, "cpu"))
