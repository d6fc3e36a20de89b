"""Which made-up faces `recog train --synthetic auto` learns from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from generative import advice
from generative.augmenting import NEW, Synthesis
from recog.cli import main
from recog.training import CropSet
from tests.recog.test_training import coloured_people, written

SMALL = Synthesis(of=NEW, people=3, photos=2, candidates=1, share=0.5)
TINY = "--size 32 --embedding-size 8 --batch-size 8 --kimg 0.032 --backbone resnet10t --device cpu"


def photos_of(people: int, photos: int) -> CropSet:
    labels = np.repeat(np.arange(people), photos).astype(np.int64)
    names = tuple(f"p{code:04d}" for code in range(people))
    files = tuple(f"{code}/{place}" for place, code in enumerate(labels))
    return CropSet(np.zeros((len(labels), 8, 8, 3), np.uint8), labels, names, files)


@pytest.mark.parametrize(
    ("people", "photos", "follows"),
    [(125, 2, True), (500, 6, True), (124, 3, False), (501, 3, False), (250, 1, False), (250, 7, False)],
)
def test_advice_ends_where_measurements_do(people: int, photos: int, follows: bool) -> None:
    found = advice.advised(photos_of(people, photos))
    assert (found.synthesis == advice.RECIPE) if follows else (found.synthesis is None)
    assert f"{people} people with {photos:.1f} photos each" in found.reason
    assert ("left out" in found.reason) != follows


@pytest.fixture
def crops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(advice, "RECIPE", SMALL)
    return written(coloured_people(people=8, photos=3), tmp_path / "crops")


def train(more: str = "") -> Result:
    return CliRunner().invoke(main, f"train crops --out run --json {TINY} {more}".split())


@pytest.mark.usefixtures("crops")
def test_made_up_people_stand_in_the_run_and_are_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advice, "PEOPLE", 8)
    first = train("--synthetic auto")
    assert first.exit_code == 0, first.output
    assert "3 made-up people are 50 % of each batch" in first.stderr
    settings = json.loads(Path("run/config.json").read_text())
    assert settings["synthetic_share"] == 0.5
    assert settings["synthetic"] is not None
    lines = Path("run/synthetic/manifest.jsonl").read_text().splitlines()
    assert len(lines) == SMALL.people * SMALL.photos
    again = train("--synthetic auto")
    assert json.loads(again.stdout) == json.loads(first.stdout)
    other = train("--synthetic auto --synthetic-share 0.25")
    assert other.exit_code == 4
    assert "synthetic_share" in other.stderr


@pytest.mark.usefixtures("crops")
@pytest.mark.parametrize("more", ["", "--synthetic-share 0.5"])
def test_real_photos_alone_where_nothing_was_measured(more: str) -> None:
    found = train(f"--synthetic auto {more}")
    assert found.exit_code == 0, found.output
    assert "8 people with 3.0 photos each: made-up faces are left out" in found.stderr
    settings = json.loads(Path("run/config.json").read_text())
    assert (settings["synthetic_share"], settings["synthetic"]) == (0.0, None)
    assert not Path("run/synthetic").exists()
