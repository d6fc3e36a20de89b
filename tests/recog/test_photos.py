"""PHOTO arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

from recog.photos import expand, of_people


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("ada/1.jpg", "ada/2.PNG", "ada/notes.txt", "ada/.hidden.jpg", "bob/deep/3.webp"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / ".cache").mkdir()
    return tmp_path


def test_folders_are_taken_recursively(tree: Path) -> None:
    assert expand([tree]) == [tree / "ada/1.jpg", tree / "ada/2.PNG", tree / "bob/deep/3.webp"]


def test_a_named_file_is_taken_whatever_it_is_called(tree: Path) -> None:
    assert expand([tree / "ada/notes.txt"]) == [tree / "ada/notes.txt"]


def test_missing_paths_and_empty_folders_stay_to_fail_later(tree: Path) -> None:
    assert expand(["missing.jpg", tree / "empty"]) == [Path("missing.jpg"), tree / "empty"]


def test_a_dash_reads_paths_and_each_photo_comes_once(tree: Path) -> None:
    lines = [f"{tree}/ada/1.jpg\n", "\n", f"{tree}/bob\r\n", "with space.jpg \n"]
    found = expand([tree / "ada/1.jpg", "-"], stdin=lines)
    assert found == [tree / "ada/1.jpg", tree / "bob/deep/3.webp", Path("with space.jpg ")]


def test_people_are_sub_folders(tree: Path) -> None:
    people = of_people(tree)
    assert list(people) == ["ada", "bob", "empty"]
    assert people["bob"] == [tree / "bob/deep/3.webp"]
    with pytest.raises(OSError, match="nowhere"):
        of_people(tree / "nowhere")
