from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from generative.models.repairer import Repaired, UNet
from generative.repair import Repairer
from generative.scaling import enlarged
from recog import checkpoints
from recog.alignment import template
from recog.errors import CheckpointError, ConfigError, DataError, ModelNotFound
from recog.types import Face


@pytest.fixture
def repairer() -> Repairer:
    torch.manual_seed(0)
    network = UNet((4, 8))
    torch.nn.init.normal_(network.to_rgb[0].weight)  # type: ignore[arg-type]  # untrained ones change nothing
    return Repairer(network, "digest", torch.device("cpu"))


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


class Finds(UNet):
    """Takes what is white for a cover, and paints what is told black."""

    def __init__(self) -> None:
        super().__init__((4, 8), finds_covers=True)

    def forward(self, images: torch.Tensor, missing: torch.Tensor) -> Repaired:
        found = (images.mean(dim=1, keepdim=True) > 0.99).float() * 2 - 1
        return Repaired(torch.where(missing > 0, -1.0, images - 0.5), found)


@pytest.fixture
def finder() -> Repairer:
    return Repairer(Finds(), "digest", torch.device("cpu"))


def half_white() -> np.ndarray:
    """The first of two grey pictures has a white patch."""
    pictures = np.full((2, 48, 48, 3), 128, np.uint8)
    pictures[0, 20:30, 10:40] = 255
    return pictures


def test_covers_that_are_found_are_filled_and_nothing_else_of_their_face(finder: Repairer) -> None:
    pictures = half_white()
    found = finder.find(pictures)
    assert not found[1].any()
    assert found[0, 20:30, 10:40].all()
    rim = found[0].copy()
    rim[18:32, 8:42] = False
    assert not rim.any()
    repaired = finder.repair(pictures, "auto")
    assert (repaired[0][found[0]] == 0).all()
    assert np.array_equal(repaired[0][~found[0]], pictures[0][~found[0]])
    assert (repaired[1] < 100).all()  # nothing covers it: all may change
    assert np.array_equal(finder(pictures), repaired)
    assert finder.find(pictures[:0]).shape == (0, 48, 48)


def test_specks_are_no_cover(finder: Repairer) -> None:
    pictures = np.full((1, 48, 48, 3), 128, np.uint8)
    pictures[0, :4, :4] = 255
    assert not finder.find(pictures).any()


def test_a_cover_is_found_on_a_photo(finder: Repairer) -> None:
    photo = np.full((200, 240, 3), 128, np.uint8)
    face = Face((60, 40, 160, 140), (template(100) + np.array([60, 40])).astype(np.float32), 0.99)
    photo[80:100, 90:130] = 255
    repaired = finder.repair_photo(photo, [face], "auto")
    assert repaired[85:95, 95:125].max() < 30
    assert np.array_equal(repaired[:70], photo[:70])


class Tells(Finds):
    """Takes bright faces for masked ones."""

    def __init__(self) -> None:
        super().__init__()
        self.damages = ("nothing", "noise", "mask")

    def forward(self, images: torch.Tensor, missing: torch.Tensor) -> Repaired:
        bright = images.mean(dim=(1, 2, 3)) > 0
        logits = torch.nn.functional.one_hot(bright.long() * 2, 3).float()
        return super().forward(images, missing)._replace(damage=logits)


@pytest.mark.parametrize("sizes", [(), (32,)])
def test_what_a_face_suffers_from_decides_whether_it_is_repaired(sizes: tuple[int, ...]) -> None:
    repairer = Repairer(Tells(), "digest", torch.device("cpu"), sizes=sizes, helps=("mask",))
    pictures = np.stack([np.full((48, 48, 3), level, np.uint8) for level in (20, 200, 30)])
    assert repairer.suffered(pictures) == ("nothing", "mask", "nothing")
    repaired = repairer.where_it_helps(pictures)
    assert np.array_equal(repaired[[0, 2]], pictures[[0, 2]])
    assert np.array_equal(repaired[1:2], repairer(pictures[1:2]))
    assert not np.array_equal(repaired[1], pictures[1])
    assert repairer.where_it_helps(pictures[:0]).shape == (0, 48, 48, 3)
    assert np.array_equal(repairer.where_it_helps(pictures[:1]), pictures[:1])


def test_a_repairer_says_when_it_cannot_tell_whether_it_helps(pictures: np.ndarray) -> None:
    untaught = Repairer(UNet((4, 8)), "digest", torch.device("cpu"), helps=("mask",))
    with pytest.raises(ConfigError, match="not taught to tell damages apart"):
        untaught.where_it_helps(pictures)
    unmeasured = Repairer(Tells(), "digest", torch.device("cpu"))
    with pytest.raises(ConfigError, match="Nobody measured"):
        unmeasured.where_it_helps(pictures)


class Grey(UNet):
    """Fills whatever is told with one grey, and sees covers where a face is not that grey."""

    def __init__(self) -> None:
        super().__init__((4, 8), finds_covers=True)

    def forward(self, images: torch.Tensor, missing: torch.Tensor) -> Repaired:
        grey = 100 / 127.5 - 1
        found = ((images - grey).abs().amax(dim=1, keepdim=True) > 0.05).float() * 2 - 1
        return Repaired(torch.where(missing > 0, grey, images), found)


@pytest.mark.parametrize("side", [112, 300, 1000])
@pytest.mark.parametrize("cover", ["noise", "scratch", "rim"])
def test_nothing_is_left_of_a_cover_on_a_face_of_any_size(side: int, cover: str) -> None:
    photo = np.full((side + 80, side + 80, 3), 100, np.uint8)
    face = Face((40, 40, 40 + side, 40 + side), (template(side) + 40).astype(np.float32), 0.99)
    mask = np.zeros(photo.shape[:2], bool)
    if cover == "noise":
        mask[40 + side // 3 : 40 + side // 2, 40 + side // 3 : 40 + 2 * side // 3] = True
    elif cover == "scratch":
        mask[40 + side // 2 : 42 + side // 2, 50 : 30 + side] = True
    else:  # to the border of the crop and beyond
        mask[40 + 4 * side // 5 :, 60 : 20 + side] = True
    rng = np.random.default_rng(0)
    photo[mask] = rng.choice(np.array([0, 255], np.uint8), (int(mask.sum()), 1))
    repairer = Repairer(Grey(), "digest", torch.device("cpu"))
    repaired = repairer.repair_photo(photo, [face], mask)
    reach = mask.copy()
    reach[40 + side - max(1, side // 112) :] = False  # below the face nothing is known of
    assert np.abs(repaired[reach].astype(int) - 100).max() <= 1
    assert np.array_equal(repaired[~mask], photo[~mask])
    if cover == "noise":
        found = repairer.repair_photo(photo, [face], "auto")
        assert np.abs(found[mask].astype(int) - 100).max() <= 1


def test_crops_of_other_sides_are_repaired_at_one_that_was_learned() -> None:
    """The network only ever sees its own side; detail that it did not see stays."""
    seen: list[int] = []

    class Small(UNet):
        def __init__(self) -> None:
            super().__init__((4, 8), finds_covers=True)

        def forward(self, images: torch.Tensor, missing: torch.Tensor) -> Repaired:
            seen.append(images.shape[-1])
            return Repaired(torch.where(missing > 0, -1.0, images + 0.2), images[:, :1] - 0.95)

    repairer = Repairer(Small(), "digest", torch.device("cpu"), sizes=(16, 32))
    rng = np.random.default_rng(0)
    fine = rng.integers(60, 160, (2, 64, 64, 3), np.uint8)
    brighter = repairer.repair(fine)
    assert seen == [32]
    change = brighter.astype(int) - fine
    assert np.abs(change - 25.5).max() <= 2
    masks = np.zeros((2, 64, 64), bool)
    masks[:, 21:40, 11:30] = True
    filled = repairer.repair(fine, masks)
    assert filled[:, 23:38, 13:28].max() <= 2  # the rim is blended with what is beside it
    assert np.array_equal(filled[~masks], fine[~masks])
    assert not repairer.find(fine).any()
    white = fine.copy()
    white[0, 20:40, 10:50] = 255
    found = repairer.find(white)
    assert found[0, 22:38, 12:48].all()
    assert not found[1].any()
    repairer.repair(fine[:, :14, :14])
    assert seen[-1] == 16


def test_the_photos_edge_is_no_cover() -> None:
    photo = np.full((120, 120, 3), 128, np.uint8)
    face = Face((40, 10, 152, 122), (template(112) + np.array([50, 0])).astype(np.float32), 0.99)

    class Black(UNet):
        def __init__(self) -> None:
            super().__init__((4, 8), finds_covers=True)

        def forward(self, images: torch.Tensor, missing: torch.Tensor) -> Repaired:
            return Repaired(images + 0.1, (images.amax(dim=1, keepdim=True) < -0.9).float() * 2 - 1)

    repaired = Repairer(Black(), "digest", torch.device("cpu")).repair_photo(photo, [face], "auto")
    assert (repaired != photo).any()  # as a face that nothing covers


def test_an_enlarged_hole_leaves_no_halo() -> None:
    photo, mask = np.full((30, 30, 3), 100, np.uint8), np.zeros((30, 30), bool)
    mask[10:20, 10:20] = True
    photo[mask] = 255
    large = enlarged(photo, 4, mask)
    assert np.abs(large.astype(int) - 100).max() <= 2
    assert enlarged(photo, 4).max() == 255
    with pytest.raises(DataError, match="same size"):
        enlarged(photo, 4, mask[:9])


def test_faces_without_a_cover_are_looked_at_once(finder: Repairer) -> None:
    seen: list[int] = []
    run = finder._seen._run

    def counting(images: np.ndarray, missing: np.ndarray) -> object:
        seen.append(len(images))
        return run(images, missing)

    finder._seen._run = counting  # type: ignore[assignment, method-assign]
    finder.repair(np.concatenate([half_white(), half_white()[1:]]), "auto")
    assert seen == [3, 1]


def test_a_repairer_that_was_not_taught_to_find_says_so(repairer: Repairer, pictures: np.ndarray) -> None:
    assert not repairer.finds_covers
    for call in (repairer.find, lambda images: repairer.repair(images, "auto")):
        with pytest.raises(ConfigError, match="not taught to find"):
            call(pictures)


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


def test_another_filler_fills_what_is_missing_and_nothing_else() -> None:
    def white(images: NDArray[np.uint8], missing: NDArray[np.bool_]) -> NDArray[np.uint8]:
        return np.full_like(images, 255)

    images = np.zeros((2, 16, 16, 3), np.uint8)
    masks = np.zeros((2, 16, 16), bool)
    masks[0, 4:8, 4:8] = True
    repairer = Repairer(UNet((4, 8)), "digest", torch.device("cpu"), filler=white)
    assert np.array_equal(repairer.repair(images, masks)[..., 0] == 255, masks)
    assert not repairer.repair(images).any()  # where nothing is missing, the network repairs


def test_weights_of_another_version_say_so(tmp_path: Path) -> None:
    file = tmp_path / "old.safetensors"
    network = UNet((4, 8))
    old = {f"network.{name}": one for name, one in network.state_dict().items() if "gate" not in name}
    config = {"network": {"widths": [4, 8]}}
    checkpoints.save(file, kind="repairer", config=config, tensors=old, dtype=torch.float32)
    with pytest.raises(CheckpointError, match="another version"):
        Repairer.load(file, "cpu")
