"""Films of painted faces, a gallery that watches them, a camera that plays them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pytest

from recog import video
from recog.recognizer import Recognizer
from tests.conftest import ColourEmbedder
from tests.recog.video.scenes import (
    RATE,
    CompressedPatchDetector,
    FakeCamera,
    Film,
    Image,
    faces_at,
)


@pytest.fixture
def film(tmp_path: Path) -> Film:
    """film("a.avi", frames) writes a video of RATE frames a second, and gives its path."""

    def write(name: str, frames: list[Image]) -> Path:
        path = tmp_path / name
        height, width = frames[0].shape[:2]
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (width, height))
        assert writer.isOpened()
        for frame in frames:
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        writer.release()
        return path

    return write


@pytest.fixture
def watcher(gallery_path: Path, embedder: ColourEmbedder) -> Iterator[Recognizer]:
    with Recognizer.open(gallery_path, embedder=embedder, detector=CompressedPatchDetector()) as opened:
        opened.enroll("ada", faces_at(at0=0))
        yield opened


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeCamera]:
    """camera(frames) puts a camera in the place of every real one; RATE frames a second."""

    def install(frames: list[Image], ending: Callable[[], bool] = lambda: False) -> FakeCamera:
        made = FakeCamera(frames, ending)
        clock = itertools.chain([0.0], (i / RATE for i in itertools.count()))  # the first is the opening
        monkeypatch.setattr(cv2, "VideoCapture", lambda _: made)
        monkeypatch.setattr(video, "monotonic", lambda: next(clock))
        return made

    return install
