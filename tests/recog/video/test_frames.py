"""A video file or camera -> frames."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recog import video
from recog.errors import ConfigError, ImageError
from tests.conftest import FACE
from tests.recog.video.scenes import (
    RATE,
    FakeCamera,
    Film,
    faces_at,
    scene,
)


def test_frames_are_sampled_in_time_and_rgb(film: Film) -> None:
    path = film("a.avi", [np.full((FACE, FACE, 3), (8 * i, 0, 200), np.uint8) for i in range(30)])
    found = list(video.frames(path, fps=5))
    assert [f.number for f in found] == list(range(0, 30, 2))
    assert [f.seconds for f in found] == pytest.approx([i / 5 for i in range(15)])
    assert found[0].image.shape == (FACE, FACE, 3)
    assert found[0].image.dtype == np.uint8
    assert [f.image[..., 0].mean() for f in found] == pytest.approx([16 * i for i in range(15)], abs=6)
    assert found[3].image[..., 2].mean() == pytest.approx(200, abs=6)


@pytest.mark.parametrize(("fps", "numbers"), [(100, range(30)), (1, [0, 10, 20]), (0.5, [0, 20])])
def test_no_more_frames_than_there_are(film: Film, fps: float, numbers: list[int]) -> None:
    path = film("a.avi", [faces_at()] * 30)
    assert [f.number for f in video.frames(path, fps=fps)] == list(numbers)


@pytest.mark.parametrize("fps", [0, -1, math.nan, math.inf])
def test_impossible_rates_are_refused(film: Film, fps: float) -> None:
    with pytest.raises(ConfigError, match="fps"):
        next(video.frames(film("a.avi", [faces_at()]), fps=fps))


def test_a_file_that_is_cut_short_gives_what_it_has(film: Film, caplog: pytest.LogCaptureFixture) -> None:
    path = film("a.avi", scene())
    assert len(list(video.frames(path, fps=RATE))) == 30
    assert not caplog.records
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 5 < len(list(video.frames(path, fps=RATE))) < 25
    assert "of 3.0 s; the rest is missing" in caplog.text


def test_files_that_are_no_videos_are_named(tmp_path: Path) -> None:
    damaged, empty = tmp_path / "damaged.avi", tmp_path / "empty.mp4"
    damaged.write_bytes(b"no video " * 500)
    empty.touch()
    cases = {
        "missing.avi": "no such file",
        str(damaged): "Convert it to MP4",
        str(empty): "0 bytes",
        str(tmp_path): "is not a file",
        "odd-\udcff.avi": "Rename it",
        "x" * 5000: "cannot be opened",
    }
    for name, message in cases.items():
        with pytest.raises(ImageError, match=message) as error:
            next(video.frames(name))
        assert name in str(error.value)


def test_a_camera_that_is_not_there_is_named() -> None:
    with pytest.raises(ImageError, match="camera 98: gives no picture"):
        next(video.frames(98))


def test_the_source_is_released(camera: Callable[..., FakeCamera]) -> None:
    cam = camera([faces_at()] * 3)
    assert [f.seconds for f in video.frames(0, fps=RATE)] == pytest.approx([0, 0.1, 0.2])
    assert cam.released
    cam = camera([faces_at()] * 3)
    found = video.frames(0)
    next(found)
    assert not cam.released
    found.close()
    assert cam.released


def test_a_camera_without_frames_is_an_error(camera: Callable[..., FakeCamera]) -> None:
    cam = camera([])
    with pytest.raises(ImageError, match="camera 2"):
        next(video.frames(2))
    assert cam.released


def test_one_module_opens_videos() -> None:
    root = Path(video.__file__).parents[1]
    modules = (
        path for package in ("recog", "generative", "benchmarks") for path in (root / package).rglob("*.py")
    )
    assert [path.name for path in modules if "VideoCapture(" in path.read_text()] == ["video.py"]
