"""The index beside a large gallery: used when it is right, built again when it is not."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from recog.gallery import Gallery, matching
from recog.index import InvertedIndex
from tests.recog.gallery.tools import MODEL, bytes_of, templates, vector

PEOPLE = 300


@pytest.fixture(autouse=True)
def small_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "FLAT_LIMIT", 200)
    monkeypatch.setattr(matching, "SHORTLIST", 1_000)


@pytest.fixture
def large(gallery_path: Path) -> Path:
    with Gallery(gallery_path) as gallery:
        gallery.add_all({f"p{i}": templates(f"p{i}", 1) for i in range(PEOPLE)}, MODEL)
        assert_finds(gallery, "p7")
    return gallery_path


def assert_finds(gallery: Gallery, name: str) -> None:
    ((best,),) = gallery.search(vector(f"{name} 0")[None], k=1)
    assert best.identity == name
    assert best.similarity == pytest.approx(1, abs=1e-5)


def index_file(path: Path) -> Path:
    (found,) = path.parent.glob(f"{path.name}.index-*")
    return found


def builds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of how many rows indices were learned from now on."""
    seen: list[int] = []
    learn = InvertedIndex.__init__

    def counted(self: InvertedIndex, rows: np.ndarray, **given: object) -> None:
        if not given:
            seen.append(len(rows))
        learn(self, rows, **given)

    monkeypatch.setattr(InvertedIndex, "__init__", counted)
    return seen


def test_opening_uses_the_file(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = builds(monkeypatch)
    with Gallery(large) as gallery:
        gallery.add("late", templates("late", 1), MODEL)
        gallery.remove("p3")
        assert_finds(gallery, "late")
        assert gallery.integrity() == []
    with Gallery(large) as gallery:
        assert_finds(gallery, "p299")
        assert gallery.integrity() == []
    assert built == []


@pytest.mark.parametrize("damage", ["absent", "truncated", "empty", "bit", "another's"])
def test_a_file_that_is_not_right_is_built_again(
    large: Path, damage: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = index_file(large)
    right = file.read_bytes()
    flipped = bytearray(right)
    flipped[len(right) // 2] ^= 4
    wrong = {
        "truncated": right[:-9],
        "empty": b"",
        "bit": bytes(flipped),
        "another's": b"IwPf" + right[4:][::-1],
    }
    file.unlink() if damage == "absent" else file.write_bytes(wrong[damage])
    built = builds(monkeypatch)
    with caplog.at_level(logging.WARNING), Gallery(large) as gallery:
        assert_finds(gallery, "p299")
        assert gallery.integrity() == []
    assert built == [PEOPLE]
    assert "built again" in caplog.text
    with Gallery(large) as gallery:  # and kept
        assert_finds(gallery, "p299")
    assert built == [PEOPLE]


def test_a_gallery_put_back_from_a_backup_does_not_use_a_later_index(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = large.read_bytes()
    with Gallery(large) as gallery:
        gallery.add_all({f"q{i}": templates(f"q{i}", 1) for i in range(100)}, MODEL)
        assert_finds(gallery, "q99")
    for file in large.parent.glob(f"{large.name}-*"):
        file.unlink()
    large.write_bytes(backup)
    built = builds(monkeypatch)
    with Gallery(large) as gallery:
        assert_finds(gallery, "p7")
        assert [c.identity for c in gallery.search(vector("q99 0")[None], k=1)[0]] != ["q99"]
        assert gallery.integrity() == []
    assert built == [PEOPLE]


def test_the_codes_of_those_removed_leave_the_file(large: Path) -> None:
    before = index_file(large).read_bytes()
    with Gallery(large) as gallery:
        gallery.remove("p5")
    after = index_file(large).read_bytes()
    code = InvertedIndex.from_bytes(before)
    assert 2 * 5 in code.numbers()
    assert 2 * 5 not in InvertedIndex.from_bytes(after).numbers()
    assert len(InvertedIndex.from_bytes(after)) == PEOPLE - 1


def test_an_index_that_cannot_be_written_anew_is_dropped_rather_than_keep_the_removed(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with Gallery(large) as gallery:
        monkeypatch.setattr("recog.gallery.searching.Searching._replace", full)
        gallery.remove("p5")
        assert list(large.parent.glob(f"{large.name}.index-*")) == []
        assert_finds(gallery, "p6")
    assert b"p5" + b"2026" not in bytes_of(large)


def test_a_gallery_that_shrank_keeps_no_index(large: Path) -> None:
    with Gallery(large) as gallery:
        gallery.remove_all([f"p{i}" for i in range(PEOPLE)])
        assert gallery.size() == (0, 0)
        assert gallery.search(vector("p7 0")[None]) == [[]]
    assert list(large.parent.glob(f"{large.name}.index-*")) == []
