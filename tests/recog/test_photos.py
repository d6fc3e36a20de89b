"""PHOTO arguments."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from recog.errors import DataError
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
    found = expand([tree / "ada/1.jpg", "-"], stdin=[line.encode() for line in lines])
    assert found == [tree / "ada/1.jpg", tree / "bob/deep/3.webp", Path("with space.jpg ")]


def test_a_name_that_is_no_text_is_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(b"caf\xe9.jpg\na.jpg\n"), "utf-8", errors="strict")
    monkeypatch.setattr("sys.stdin", stream)
    assert [os.fsencode(path) for path in expand(["-"])] == [b"caf\xe9.jpg", b"a.jpg"]


def test_hidden_folders_are_left_out_and_links_followed_once(tree: Path) -> None:
    hidden = tree / "ada" / ".trash" / "old.jpg"
    hidden.parent.mkdir()
    hidden.touch()
    (tree / "bob" / "up").symlink_to(tree)
    (tree / "carl").symlink_to(tree / "ada")
    found = expand([tree / "bob"])
    assert hidden not in found
    assert tree / "bob/deep/3.webp" in found
    real = [path.resolve() for path in found]  # the link up ends at folders that were seen
    assert real.count((tree / "bob/deep/3.webp").resolve()) == 1
    assert len(found) == 5
    assert expand([tree / "carl"]) == [tree / "carl/1.jpg", tree / "carl/2.PNG"]


def test_people_are_sub_folders(tree: Path) -> None:
    people = of_people(tree)
    assert list(people) == ["ada", "bob", "empty"]
    assert people["bob"] == [tree / "bob/deep/3.webp"]
    with pytest.raises(DataError, match="nowhere: cannot be listed"):
        of_people(tree / "nowhere")
    with pytest.raises(DataError, match="empty: has no sub-folders"):
        of_people(tree / "empty")
