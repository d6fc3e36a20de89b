"""`recog repair`: what is written where, and what it says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generative.models.repairer import UNet
from generative.repair import Repairer
from recog import checkpoints
from recog.images import MAX_PIXELS
from tests.generative.test_cli import recog


def picture(path: Path, side: int = 16) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(side).integers(0, 256, (side, side, 3), np.uint8)).save(path)
    return path


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_repair_of_a_crop_keeps_known_pixels(workplace: Path) -> None:
    mask = np.zeros((16, 16), np.uint8)
    mask[4:8, 4:8] = 255
    Image.fromarray(mask).save(workplace / "mask.png")
    chosen = "--aligned --mask mask.png --weights repairer.safetensors --out fixed"
    result = recog(f"repair crops/p0/0.png absent.png {chosen}")
    assert result.exit_code == 3, result.output
    assert result.stderr.count("absent.png") == 1
    before, after = (np.asarray(Image.open(workplace / p)) for p in ("crops/p0/0.png", "fixed/0.png"))
    assert np.array_equal(before[mask == 0], after[mask == 0])
    assert not np.array_equal(before, after)


def test_a_vae_can_fill_what_is_missing(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class White:
        def repair(self, images: np.ndarray, masks: np.ndarray) -> np.ndarray:
            return np.full_like(images, 255)

    monkeypatch.setattr("generative.projection.Projector.load", lambda device: White())
    mask = np.zeros((16, 16), np.uint8)
    mask[4:8, 4:8] = 255
    Image.fromarray(mask).save(workplace / "mask.png")
    chosen = "--aligned --mask mask.png --fill vae --weights repairer.safetensors --out fixed"
    assert recog(f"repair crops/p0/0.png {chosen}").exit_code == 0
    assert (read(workplace / "fixed/0.png")[mask > 0] == 255).all()


def test_a_photo_without_a_face_fails(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Blind:
        def detect(self, image: np.ndarray) -> list[object]:
            return []

    monkeypatch.setattr("generative.cli.photos.load_detector", lambda device: Blind())
    result = recog("repair crops/p0/0.png --weights repairer.safetensors --out fixed")
    assert result.exit_code == 4
    assert "no face" in result.stderr


def test_repair_never_overwrites_its_input(workplace: Path) -> None:
    photo = workplace / "photo.png"
    Image.fromarray(np.full((16, 16, 3), 90, np.uint8)).save(photo)
    before = photo.read_bytes()
    assert recog("repair photo.png --aligned --weights repairer.safetensors --out .").exit_code == 0
    assert photo.read_bytes() == before
    assert (workplace / "photo-2.png").is_file()


@pytest.mark.parametrize("name", ["new.png", "deep/new.jpg", "new.WEBP"])
def test_one_photo_goes_to_the_file_that_is_named(workplace: Path, name: str) -> None:
    picture(workplace / "photo.png", 32)
    result = recog(f"repair photo.png --aligned --weights repairer.safetensors --out {name} --json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["repaired"] == name
    with Image.open(workplace / name) as written:
        assert written.size == (32, 32)
        assert written.format == {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}[name[-4:].strip(".").lower()]


@pytest.mark.parametrize("photos", ["a.png b.png", "crops"])
def test_several_photos_do_not_fit_into_one_file(workplace: Path, photos: str) -> None:
    for name in ("a.png", "b.png"):
        picture(workplace / name)
    result = recog(f"repair {photos} --aligned --weights repairer.safetensors --out new.png")
    assert result.exit_code == 2
    assert "name a folder" in result.output
    assert not (workplace / "new.png").exists()


def test_a_photo_is_not_written_over_itself(workplace: Path) -> None:
    before = picture(workplace / "photo.png").read_bytes()
    result = recog("repair photo.png --aligned --weights repairer.safetensors --out ./photo.png")
    assert result.exit_code == 2
    assert "the photo itself" in result.output
    assert (workplace / "photo.png").read_bytes() == before


def test_a_folder_keeps_its_shape(workplace: Path) -> None:
    picture(workplace / "loose.png")
    result = recog("repair crops loose.png --aligned --weights repairer.safetensors --out fixed")
    assert result.exit_code == 0, result.output
    given = {path.relative_to(workplace / "crops") for path in (workplace / "crops").rglob("*.png")}
    made = {path.relative_to(workplace / "fixed") for path in (workplace / "fixed").rglob("*.png")}
    assert made == given | {Path("loose.png")}


def test_photos_are_enlarged_with_their_mask(workplace: Path) -> None:
    photo = read(picture(workplace / "photo.png"))
    mask = np.zeros((16, 16), np.uint8)
    mask[2:6, 2:6] = 255
    Image.fromarray(mask).save(workplace / "mask.png")
    chosen = "--aligned --mask mask.png --weights repairer.safetensors --side-by-side"
    result = recog(f"repair photo.png {chosen} --scale 4 --out large.png --json")
    assert result.exit_code == 0, result.output
    large = read(workplace / "large.png")
    assert large.shape == (64, 64, 3)
    said = json.loads(result.stdout)
    before, after = np.split(read(Path(said["side_by_side"])), 2, axis=1)
    assert np.array_equal(after, large)
    changed = (before != after).any(axis=2)
    assert changed[8:24, 8:24].any()
    changed[8:24, 8:24] = False
    assert not changed.any()
    assert np.abs(before[::4, ::4].astype(int) - photo).mean() < 60  # the photo, larger
    assert said["changed"] == pytest.approx((before != after).mean(), abs=1e-4)


def test_a_photo_that_would_grow_too_large_is_named(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(workplace / "photo.png")
    monkeypatch.setattr("generative.scaling.MAX_PIXELS", 1000)
    assert MAX_PIXELS > 1000
    result = recog("repair photo.png --aligned --scale 2 --weights repairer.safetensors --out large.png")
    assert result.exit_code == 4
    assert "1,024 pixels" in result.stderr
    assert "--scale" in result.stderr


def test_covers_are_searched_for_where_the_weights_can(workplace: Path) -> None:
    picture(workplace / "photo.png")
    refused = recog("repair photo.png --aligned --mask auto --weights repairer.safetensors --out a.png")
    assert refused.exit_code == 4
    assert "not taught to find" in refused.stderr
    network = UNet((4, 8), finds_covers=True)
    assert network.to_covered is not None
    network.to_covered.bias.data.fill_(9.0)  # sees covers everywhere
    network.to_rgb[0].bias.data.fill_(-9.0)  # and paints black
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    settings = {"network": {"widths": [4, 8], "finds_covers": True}}
    checkpoints.save(workplace / "finder.safetensors", kind="repairer", config=settings, tensors=tensors)
    for chosen in ("--mask auto", "", "--mask none"):
        command = f"repair photo.png --aligned {chosen} --weights finder.safetensors --out found.png"
        assert recog(command).exit_code == 0
        assert read(workplace / "found.png").max() == 0


def test_a_picture_that_lies_beside_the_photo_is_not_overwritten(workplace: Path) -> None:
    Image.fromarray(np.full((16, 16, 3), 90, np.uint8)).save(workplace / "a.jpg")
    before = picture(workplace / "a.png").read_bytes()
    assert recog("repair a.jpg --aligned --weights repairer.safetensors --out .").exit_code == 0
    assert (workplace / "a.png").read_bytes() == before
    assert (workplace / "a-2.png").is_file()


def test_files_that_cannot_be_written_are_refused(workplace: Path) -> None:
    picture(workplace / "photo.png")
    result = recog("repair photo.png --aligned --weights repairer.safetensors --out new.bmp")
    assert result.exit_code == 2
    assert "written as .png" in result.output
    Image.fromarray(np.zeros((2, 16400, 3), np.uint8)).save(workplace / "wide.png")
    result = recog("repair wide.png --aligned --weights repairer.safetensors --out wide.webp")
    assert result.exit_code == 4
    assert "over 16,383 px" in result.stderr


def test_a_mask_of_another_size_is_told_in_the_photos_own(workplace: Path) -> None:
    picture(workplace / "photo.png")
    picture(workplace / "mask.png", 20)
    chosen = "--aligned --mask mask.png --scale 4 --weights repairer.safetensors --out new.png"
    result = recog(f"repair photo.png {chosen}")
    assert result.exit_code == 4
    assert "The mask is (20, 20), the photo (16, 16)" in result.stderr


def test_what_a_repairer_helps_with_is_packed_with_its_weights(workplace: Path) -> None:
    network = UNet((4, 8), damages=("nothing", "noise", "mask"))
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    settings = {"network": {"widths": [4, 8], "damages": list(network.damages)}}
    checkpoints.save(workplace / "run.safetensors", kind="repairer", config=settings, tensors=tensors)
    pack = "generate pack run.safetensors --out packed.safetensors"
    assert recog(f"{pack} --helps mask --helps noise").exit_code == 0
    assert Repairer.load("packed.safetensors", "cpu").helps == {"mask", "noise"}
    assert recog(pack).exit_code == 0
    assert Repairer.load("packed.safetensors", "cpu").helps == frozenset()
    wrong = recog(f"{pack} --helps rain")
    assert wrong.exit_code == 2
    assert "these damages apart: noise, mask" in wrong.output
    assert "for generators" in recog(f"{pack} --spread 1.2").output
