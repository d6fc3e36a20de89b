from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from generative.models.repairer import UNet
from generative.repair import Repairer
from recog import checkpoints
from recog.alignment import template
from recog.errors import DataError, ModelNotFound
from recog.types import Face


@pytest.fixture
def repairer() -> Repairer:
    torch.manual_seed(0)
    return Repairer(UNet((4, 8)), "digest", torch.device("cpu"))


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)


def test_known_pixels_come_back_unchanged(repairer: Repairer, pictures: np.ndarray) -> None:
    masks = np.zeros((3, 16, 16), bool)
    masks[:, 4:9, 5:12] = True
    repaired = repairer.repair(pictures, masks)
    assert np.array_equal(repaired[~masks], pictures[~masks])
    assert not np.array_equal(repaired[masks], pictures[masks])


def test_without_a_mask_everything_may_change(repairer: Repairer, pictures: np.ndarray) -> None:
    repaired = repairer.repair(pictures)
    assert repaired.shape == pictures.shape
    assert repaired.dtype == np.uint8
    assert not np.array_equal(repaired, pictures)
    assert np.array_equal(repairer(pictures), repaired)


def test_any_side_and_no_faces_work(repairer: Repairer) -> None:
    assert repairer.repair(np.zeros((2, 13, 21, 3), np.uint8)).shape == (2, 13, 21, 3)
    assert repairer.repair(np.zeros((0, 16, 16, 3), np.uint8)).shape == (0, 16, 16, 3)


def test_wrong_arrays_are_refused(repairer: Repairer, pictures: np.ndarray) -> None:
    with pytest.raises(DataError, match="uint8"):
        repairer.repair(pictures.astype(np.float32))
    with pytest.raises(DataError, match="bool"):
        repairer.repair(pictures, np.zeros((3, 8, 8), bool))


def test_only_the_face_of_a_photo_changes_and_only_where_masked(repairer: Repairer) -> None:
    photo = np.random.default_rng(1).integers(0, 256, (200, 240, 3), dtype=np.uint8)
    face = Face((60, 40, 150, 150), (template(100) + np.array([60, 40])).astype(np.float32), 0.99)
    repaired = repairer.repair_photo(photo, [face])
    changed = (repaired != photo).any(axis=2)
    assert changed[50:130, 70:150].mean() > 0.5
    outside = np.ones_like(changed)
    outside[39:142, 59:162] = False
    assert not changed[outside].any()
    mask = np.zeros(photo.shape[:2], bool)
    mask[80:100, 90:120] = True
    masked = repairer.repair_photo(photo, [face], mask)
    assert np.array_equal(masked[~mask], photo[~mask])
    assert not np.array_equal(masked[mask], photo[mask])
    with pytest.raises(DataError, match="same size"):
        repairer.repair_photo(photo, [face], mask[:10])


def test_a_photo_without_faces_is_untouched(repairer: Repairer) -> None:
    photo = np.zeros((20, 20, 3), np.uint8)
    assert np.array_equal(repairer.repair_photo(photo, []), photo)


def test_weights_travel_through_a_file(repairer: Repairer, pictures: np.ndarray, tmp_path: Path) -> None:
    tensors = {f"network.{name}": value for name, value in repairer.network.state_dict().items()}
    path = tmp_path / "final.safetensors"
    digest = checkpoints.save(path, kind="repairer", config={"network": {"widths": [4, 8]}}, tensors=tensors)
    loaded = Repairer.load(tmp_path, "cpu")
    assert loaded.digest == digest
    assert np.array_equal(loaded.repair(pictures), repairer.repair(pictures))
    with pytest.raises(ModelNotFound, match="elsewhere"):
        Repairer.load("elsewhere")
