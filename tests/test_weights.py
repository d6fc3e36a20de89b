"""The weights that ship: each has a card, together they are small, and they are who they should be."""

from __future__ import annotations

from pathlib import Path

from benchmarks.judging.judges import Judges
from generative.synthesis import BUNDLED, Synthesizer
from recog.embedding import Embedder

ROOT = Path(__file__).parents[1]
FILES = sorted(
    file
    for package in ("recog", "generative", "benchmarks")
    for file in (ROOT / package).rglob("*.safetensors")
)
MOST = 25_000_000  # bytes


def test_each_has_a_card_that_says_where_it_comes_from() -> None:
    assert len(FILES) >= 8
    for file in FILES:
        card = file.with_suffix(".md").read_text()
        for line in ("| kind |", "| training data |", "| recipe |", "| licence |", "```console"):
            assert line in card, f"{file}: {line}"


def test_they_are_small_enough_to_ship() -> None:
    assert sum(file.stat().st_size for file in FILES) <= MOST


def test_no_judge_had_a_part_in_what_it_judges() -> None:
    embedder = Embedder.load("bundled", device="cpu")
    judges = Judges.load(device="cpu")
    assert embedder.digest not in judges.digests.values()
    for name in BUNDLED:
        guides = Synthesizer.load(name, embedder, device="cpu").guides
        assert embedder.digest in guides
        assert not guides & set(judges.digests.values())
