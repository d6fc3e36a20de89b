"""Damaged files of a gallery: an error that names the remedy, or right answers; nothing in between."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recog.errors import RecogError
from recog.gallery import Gallery, matching
from recog.gallery.migrations import MIGRATIONS
from recog.records import Calibration, Model
from tests.recog.gallery.tools import MODEL, encrypted, opened, templates, vector

FILES = int(os.environ.get("RECOG_TEST_MALFORMED", "400"))  # the test proper: 10,000
PEOPLE = 60
PROBES = np.stack(
    [vector(f"p{i} 7") for i in range(0, PEOPLE, 4)] + [vector(f"stranger{i} 0") for i in range(5)]
)
STORED = Calibration(0.4, 1e-3, "folder", 0.0005, 0.002, 5000, 3, 6, 12.0, -4.0)


@pytest.fixture
def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gallery with an index beside it."""
    monkeypatch.setattr(matching, "FLAT_LIMIT", 20)
    monkeypatch.setattr(matching, "SHORTLIST", 10_000)
    return filled(tmp_path / "whole" / "g")


@pytest.fixture
def sealed(whole: Path, tmp_path: Path) -> Path:
    """The like of it encrypted, with key and keystore beside it."""
    path = tmp_path / "sealed" / "g"
    path.parent.mkdir()
    return filled(encrypted(path))


def filled(path: Path) -> Path:
    with opened(path) as gallery:
        gallery.add_all({f"p{i}": templates(f"p{i}", 1 + i % 3) for i in range(PEOPLE)}, MODEL)
        gallery.calibrate("verify", STORED, MODEL.digest)
        gallery.remove("p1")
        gallery.search(PROBES)
    return path


def answers(path: Path) -> list[object]:
    """All that is asked of a gallery."""
    with opened(path) as gallery:
        found = [[(c.identity, round(c.similarity, 5)) for c in top] for top in gallery.search(PROBES, 3)]
        return [found, gallery.model(), gallery.calibration("verify", MODEL.digest)]


def truncated(content: bytearray, rng: np.random.Generator) -> None:
    del content[int(rng.integers(len(content))) :]


def flipped(content: bytearray, rng: np.random.Generator) -> None:
    for place in rng.integers(len(content), size=int(rng.integers(1, 4))):
        content[int(place)] ^= 1 << int(rng.integers(8))


def overwritten(content: bytearray, rng: np.random.Generator) -> None:
    start, length = int(rng.integers(len(content))), int(rng.integers(1, 5000))
    content[start : start + length] = rng.bytes(len(content[start : start + length]))


def zeroed(content: bytearray, rng: np.random.Generator) -> None:
    start, length = int(rng.integers(len(content))), int(rng.integers(1, 5000))
    content[start : start + length] = bytes(len(content[start : start + length]))


def of_another_version(content: bytearray, rng: np.random.Generator) -> None:
    content[60:64] = int(rng.integers(len(MIGRATIONS) + 1, 2**31)).to_bytes(4, "big")  # PRAGMA user_version


def with_a_tail(content: bytearray, rng: np.random.Generator) -> None:
    content += rng.bytes(int(rng.integers(1, 5000)))


DAMAGES = (truncated, flipped, flipped, overwritten, zeroed, of_another_version, with_a_tail)


def damaged(whole: Path, folder: Path, rng: np.random.Generator) -> tuple[Path, str]:
    """A copy with one file that is not what it was, and what was done to it."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole.parent, folder)
    files = sorted(folder.iterdir())
    file = files[int(rng.integers(len(files)))]
    damage: Callable[[bytearray, np.random.Generator], None] = DAMAGES[int(rng.integers(len(DAMAGES)))]
    content = bytearray(file.read_bytes())
    if content:
        damage(content, rng)
    file.write_bytes(content)
    return folder / whole.name, f"{damage.__name__} {file.name}"


@pytest.mark.parametrize("kind", ["whole", "sealed"])
def test_damaged_files(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    whole = request.getfixturevalue(kind)
    expected, rng = answers(whole), np.random.default_rng(int(os.environ.get("RECOG_TEST_SEED", "0")))
    wrong: list[str] = []
    refused = 0
    for number in range(FILES if kind == "whole" else FILES // 2):
        path, what = damaged(whole, tmp_path / "copy", rng)
        try:
            if answers(path) != expected:
                wrong.append(f"{number} {what}: another answer")
        except RecogError as error:
            refused += 1
            if not str(error).rstrip(".").count(".") and "Restore" not in str(error):
                wrong.append(f"{number} {what}: no remedy in {error}")
        except Exception as error:
            wrong.append(f"{number} {what}: {type(error).__name__}: {error}")
    assert not wrong, "\n".join(wrong)
    assert 0 < refused < FILES


def test_a_file_of_another_gallery(whole: Path, tmp_path: Path) -> None:
    """The index of other people, and of another model, beside this gallery."""
    expected = answers(whole)
    other = tmp_path / "other" / "g"
    with Gallery(other) as gallery:
        gallery.add_all({f"q{i}": templates(f"q{i}", 1) for i in range(PEOPLE)}, Model("x", "ee" * 32, 32))
        gallery.search(PROBES)
    (ours,), (theirs,) = (path.parent.glob("g.index-*") for path in (whole, other))
    ours.write_bytes(theirs.read_bytes())
    assert answers(whole) == expected
