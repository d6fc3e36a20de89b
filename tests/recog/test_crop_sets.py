"""Folders of crops as arrays, and who of them has a role."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from recog import images
from recog.errors import ConfigError, DataError
from recog.training import CropSet, open_crops
from recog.training.data import read_crop, read_roles
from tests.recog.test_training import coloured_people, written


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(coloured_people(people=3, photos=2), tmp_path / "crops")


def test_folder_opens_as_crops(folder: Path) -> None:
    crops = open_crops(folder, size=32)
    expected = coloured_people(people=3, photos=2)
    assert crops.identities == expected.identities
    assert np.array_equal(crops.images, expected.images)
    assert crops.labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_cache_notices_a_changed_folder(folder: Path) -> None:
    assert len(open_crops(folder, size=32)) == 6
    Image.new("RGB", (32, 32)).save(folder / "p0" / "new.png")
    assert len(open_crops(folder, size=32)) == 7


def test_undecodable_crop_is_named(folder: Path) -> None:
    (folder / "p1" / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"broken\.png"):
        open_crops(folder, size=32)


def test_crops_are_read_as_photos_are(tmp_path: Path) -> None:
    """16-bit grey, transparency and EXIF orientation mean here what they mean to `recog enroll`."""
    ramp = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    Image.new("RGBA", (32, 32), (0, 0, 0, 0)).save(tmp_path / "glass.png")
    turned = Image.fromarray(np.tile(np.arange(32, dtype=np.uint8)[:, None, None] * 8, (1, 32, 3)))
    exif = Image.Exif()
    exif[0x0112] = 3
    turned.save(tmp_path / "turned.png", exif=exif)
    for name in ("deep.png", "glass.png", "turned.png"):
        assert np.array_equal(read_crop(tmp_path / name, 32), images.read(tmp_path / name))
    assert read_crop(tmp_path / "glass.png", 32).min() == 255
    assert read_crop(tmp_path / "turned.png", 32)[0, 0, 0] == 31 * 8


def test_what_is_not_square_is_no_crop(tmp_path: Path) -> None:
    Image.new("RGB", (40, 32)).save(tmp_path / "photo.png")
    with pytest.raises(DataError, match=r"photo\.png: is 40x32 px"):
        read_crop(tmp_path / "photo.png", 32)


def test_a_crop_that_was_replaced_is_read_again(folder: Path) -> None:
    open_crops(folder, size=32)
    path = folder / "p0" / "0.png"
    size = path.stat().st_size
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes().ljust(size, b"\0"))  # the length stays
    assert not open_crops(folder, size=32).images[0].any()


def test_concat_joins_identities_by_name(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    crops = coloured_people()
    joined = CropSet.concat([crops.of_identities(["p0", "p1"]), crops.of_identities(["p1", "p3"])])
    assert joined.identities == ("p0", "p1", "p3")
    assert np.bincount(joined.labels).tolist() == [4, 8, 4]
    assert "1 identities are in several sets" in caplog.text


def test_roles(tmp_path: Path) -> None:
    (tmp_path / "roles.csv").write_text("identity,role\n01,fit\n02,user\n03,fit\n")
    assert read_roles(tmp_path / "roles.csv", "fit") == ("01", "03")
    with pytest.raises(DataError, match="knows fit, user"):
        read_roles(tmp_path / "roles.csv", "judge")


def test_lists_from_spreadsheets_are_read(tmp_path: Path) -> None:
    (tmp_path / "roles.csv").write_bytes("identity,role\nadé,fit\n".encode("utf-8-sig"))
    assert read_roles(tmp_path / "roles.csv", "fit") == ("adé",)
    (tmp_path / "roles.csv").write_bytes("identity,role\nadé,fit\n".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        read_roles(tmp_path / "roles.csv", "fit")


def test_a_crop_that_is_gone_is_named(tmp_path: Path) -> None:
    written(coloured_people(), tmp_path / "crops")
    (tmp_path / "crops" / "p0" / "gone.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"gone\.png"):
        open_crops(tmp_path / "crops", size=32)


def test_roles_need_their_columns(tmp_path: Path) -> None:
    (tmp_path / "roles.csv").write_text("name,role\nada,fit\n")
    with pytest.raises(DataError, match="columns are name, role"):
        read_roles(tmp_path / "roles.csv", "fit")


def test_a_role_chooses_identities_and_labels_are_renumbered(folder: Path, tmp_path: Path) -> None:
    roles = tmp_path / "roles.csv"
    roles.write_text("identity,role\np2,fit\np0,tune\nabsent,fit\np1,fit\nabsent,user\n")
    crops = open_crops(folder, size=32, roles=roles, role="fit")
    assert crops.identities == ("p1", "p2")
    assert crops.labels.tolist() == [0, 0, 1, 1]
    with pytest.raises(DataError, match="nobody here has the role 'user'"):
        open_crops(folder, size=32, roles=roles, role="user")


@pytest.mark.parametrize(
    "choice", [{"role": "fit"}, {"roles": "r.csv"}, {"roles": "r.csv", "role": "fit", "labelled": False}]
)
def test_impossible_choices_of_crops_are_refused(folder: Path, choice: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="role"):
        open_crops(folder, size=32, **choice)


def test_people_who_are_not_there_are_named() -> None:
    with pytest.raises(DataError, match="'nobody'"):
        coloured_people().of_identities(["p1", "nobody"])
