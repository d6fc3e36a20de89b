"""`recog crop`: photos of people -> aligned crops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from recog.training import open_crops
from tests.conftest import colour_at
from tests.recog.cli.tools import Call, Photo, objects


def test_crops_are_what_training_takes(call: Call, photo: Photo, tmp_path: Path) -> None:
    photo("photos/ada/1.png", 10)
    photo("photos/ada/party/1.png", 20)
    photo("photos/bob/1.png", 80)
    made = objects(call("crop", tmp_path / "photos", "--out", tmp_path / "crops", "--size", 32, "--json"))
    assert [Path(o["crop"]).name for o in made] == ["1.png", "party_1.png", "1.png"]
    crops = open_crops(tmp_path / "crops", size=32)
    assert crops.identities == ("ada", "bob")
    middles = crops.images[:, 16, 16].tolist()
    assert middles == [list(colour_at(degrees)) for degrees in (10, 20, 80)]


def test_the_same_call_goes_on(call: Call, photo: Photo, tmp_path: Path) -> None:
    photo("photos/ada/1.png", 10)
    call("crop", tmp_path / "photos", "--out", tmp_path / "crops")
    kept = tmp_path / "crops" / "ada" / "1.png"
    Image.fromarray(np.zeros((112, 112, 3), np.uint8)).save(kept)
    photo("photos/ada/2.png", 20)
    call("crop", tmp_path / "photos", "--out", tmp_path / "crops")
    assert not np.array(Image.open(kept)).any()
    assert (tmp_path / "crops" / "ada" / "2.png").exists()


def test_photos_without_a_face_are_named(call: Call, photo: Photo, tmp_path: Path) -> None:
    empty = photo("photos/ada/empty.png")
    (tmp_path / "photos" / "ada" / "damaged.png").write_bytes(b"not a photo")
    photo("photos/ada/1.png", 10)
    result = call("crop", tmp_path / "photos", "--out", tmp_path / "crops", code=3)
    assert f"{empty}: no face found" in result.stderr
    assert "damaged.png: is not an image" in result.stderr
    assert "sub-folders" in call("crop", tmp_path / "photos" / "ada", "--out", tmp_path / "x", code=4).stderr
    photo("photos/ada/party/1.png", 10)
    photo("photos/ada/party_1.png", 10)
    assert "Rename it" in call("crop", tmp_path / "photos", "--out", tmp_path / "y", code=4).stderr
