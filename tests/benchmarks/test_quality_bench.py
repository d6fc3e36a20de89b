"""Error against discard: photos whose quality is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.photos import grade
from benchmarks.quality import kept, quality
from benchmarks.summaries import discarded
from recog.cards import Card
from recog.errors import TooFewPairs
from tests.benchmarks.fakes import ColourEmbedder
from tests.benchmarks.test_identification import WholePhoto


class Embeds(ColourEmbedder):
    card = Card()


def test_the_worst_share_goes() -> None:
    assert kept(np.array([0.3, 0.1, 0.2, 0.9, 0.5]), 0.4).tolist() == [True, False, False, True, True]
    assert kept(np.zeros(4), 0.0).all()


@pytest.fixture
def dark_photos(tmp_path: Path) -> Path:
    """Forty people of a hue each with two photos; one of every ten has a photo too dark to tell the hue."""
    rng = np.random.default_rng(0)
    for person in range(40):
        home = tmp_path / f"p{person:02d}"
        home.mkdir()
        angle = 2 * np.pi * person / 40
        hue = 100 + 80 * np.array([np.cos(angle), np.sin(angle), 0.2])
        for number in range(2):
            pixels = hue + rng.normal(0, 30, (48, 48, 3))
            if person % 10 == 0 and number:
                pixels = 12 + rng.normal(0, 4, (48, 48, 3))
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(home / f"{number}.png")
    return tmp_path


def test_a_photo_without_a_face_is_named(dark_photos: Path, caplog: pytest.LogCaptureFixture) -> None:
    (dark_photos / "p00" / "2.png").write_bytes(b"no picture")
    graded = grade([dark_photos / "p00" / f"{k}.png" for k in (0, 2)], Embeds(), WholePhoto())
    assert graded.found.tolist() == [True, False]
    assert graded.qualities[1] is None
    assert not graded.vectors[1].any()
    assert "2.png: no face: is not an image" in caplog.text


def test_pairs_without_faces_are_too_few(dark_photos: Path) -> None:
    pairs = dark_photos / "pairs.csv"
    others = [f"p{a:02d}/0.png,p{b:02d}/0.png,0" for a in range(40) for b in range(a)]
    others += [f"p{a:02d}/1.png,p{b:02d}/0.png,0" for a in range(40) for b in range(a)]
    pairs.write_text("a,b,same\n" + "\n".join(["p00/0.png,p00/2.png,1", *others]) + "\n")
    (dark_photos / "p00" / "2.png").write_bytes(b"no picture")
    with pytest.raises(TooFewPairs, match="no pair of one person has a face"):
        quality(dark_photos, pairs, Embeds(), WholePhoto(), resamples=10)


def test_discarding_the_worst_photos_lowers_the_miss_rate(dark_photos: Path) -> None:
    names = [f"p{k:02d}" for k in range(40)]
    mated = [f"{name}/0.png,{name}/1.png,1" for name in names]
    other = [f"{a}/0.png,{b}/0.png,0" for i, a in enumerate(names) for b in names[i + 1 :]]
    other += [f"{a}/1.png,{b}/0.png,0" for i, a in enumerate(names) for b in names[i + 1 :] if i % 10]
    pairs = dark_photos / "pairs.csv"
    pairs.write_text("a,b,same\n" + "\n".join(mated + other) + "\n")
    rows = quality(dark_photos, pairs, Embeds(), WholePhoto(), resamples=200)
    found = {(row.arm.rpartition("by ")[2], row.metric): row for row in rows}
    everything = found["score", "FNMR, worst 0% discarded"]
    assert everything.value == pytest.approx(0.1)
    assert found["score", "FNMR, worst 10% discarded"].value == 0.0
    assert found["illumination", "FNMR, worst 10% discarded"].value == 0.0
    assert found["score", "FNMR, worst 10% discarded"].n == 36
    curves = discarded(rows)
    assert [share for share, _ in curves["colour, by score"]] == [0, 5, 10, 20, 30]
    assert curves["colour, by score"][:3:2] == [(0, pytest.approx(10.0)), (10, 0.0)]
    gain = found["score", "FNMR lowered by discarding the worst 10%"]
    assert gain.value == pytest.approx(0.1)
    assert gain.ci95 is not None
    assert gain.ci95[0] > 0
