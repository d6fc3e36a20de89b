"""Stand-ins without weights: a face is a rectangle of one colour, its vector is that colour."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from recog.alignment import template
from recog.cards import Card
from recog.gallery import Gallery
from recog.recognizer import Recognizer
from recog.types import Face

FACE = 64  # side of a painted face, px
BACKGROUND = (0, 0, 255)


class ColourEmbedder:
    """(B, S, S, 3) -> mean (red, green) as unit vectors, so that a test can name any cosine it wants."""

    def __init__(self, digest: str = "c0" * 32) -> None:
        self.name = "colour"
        self.digest = digest
        self.embedding_size = 2
        self.image_size = self.crop_size = 16
        self.thresholds = {"fmr_1e-3": 0.9, "fpir_1e-2_100": 0.95}
        self.odds: list[float] | None = None

    @property
    def card(self) -> Card:
        return Card.of_config({"thresholds": self.thresholds, "odds": self.odds})

    def embed(self, crops: NDArray[np.uint8], flip: bool = True) -> NDArray[np.float32]:
        colours = crops[..., :2].mean(axis=(1, 2)) + 1e-6
        vectors: NDArray[np.float32] = (colours / np.linalg.norm(colours, axis=1, keepdims=True)).astype(
            np.float32
        )
        return vectors


class PatchDetector:
    """Finds the painted faces: squares that are not background, left to right in tiles of FACE px."""

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        columns = np.flatnonzero((image[0, :: FACE // 2] != BACKGROUND).any(axis=1))
        starts = sorted({int(c) * (FACE // 2) // FACE * FACE for c in columns})
        return [self._face(x) for x in starts]

    def _face(self, x: int) -> Face:
        return Face(
            (float(x), 0.0, float(x + FACE), float(FACE)),
            (template(FACE) + np.array([x, 0])).astype(np.float32),
            0.99,
        )


def colour_at(degrees: float) -> tuple[int, int, int]:
    """The colour whose vector points `degrees` from red towards green."""
    angle = math.radians(degrees)
    return round(200 * math.cos(angle)), round(200 * math.sin(angle)), 0


def paint(*degrees: float, width: int | None = None) -> NDArray[np.uint8]:
    """A photo with one face a direction, side by side; none gives an empty photo."""
    image = np.full((FACE, width or FACE * max(1, len(degrees)), 3), BACKGROUND, np.uint8)
    for i, angle in enumerate(degrees):
        image[:, i * FACE : (i + 1) * FACE] = colour_at(angle)
    return image


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a test derives from crops stays with it."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("RECOG_CACHE", str(folder))
    return folder


@pytest.fixture
def photo(tmp_path: Path) -> Callable[..., Path]:
    """photo("ada.png", 10) writes a photo with one face at 10 degrees, and gives its path."""

    def write(name: str, *degrees: float) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(paint(*degrees)).save(path)
        return path

    return write


@pytest.fixture
def gallery_path(tmp_path: Path) -> Path:
    return tmp_path / "people.gallery"


@pytest.fixture
def gallery(gallery_path: Path) -> Iterator[Gallery]:
    with Gallery(gallery_path) as opened:
        yield opened


@pytest.fixture
def embedder() -> ColourEmbedder:
    return ColourEmbedder()


@pytest.fixture
def recognizer(gallery_path: Path, embedder: ColourEmbedder) -> Iterator[Recognizer]:
    with Recognizer.open(gallery_path, embedder=embedder, detector=PatchDetector()) as opened:
        yield opened
