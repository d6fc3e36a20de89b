"""Videos: frames, one answer a track, the command. Painted faces, no weights."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from recog import video
from recog.cli import main
from recog.embedding import Embedder
from recog.errors import ConfigError, FaceError, GalleryError, ImageError
from recog.recognizer import Recognizer
from recog.types import Face
from tests.conftest import BACKGROUND, FACE, ColourEmbedder, PatchDetector, paint

RATE = 10  # frames a second of the files written here
WIDTH = 5 * FACE
Image = NDArray[np.uint8]
Film = Callable[..., Path]


class CompressedPatchDetector(PatchDetector):
    """The painted faces of frames whose colours a codec has bent a little: what is not blue is face."""

    def detect(self, image: Image) -> list[Face]:
        blue = image[..., 2:] > 128
        return super().detect(np.where(blue, np.array(BACKGROUND, np.uint8), np.uint8(0)))


def faces_at(**places: float) -> Image:
    """One frame: `at2=30` paints a face of 30 degrees into the third tile."""
    frame = paint(width=WIDTH)
    for place, degrees in places.items():
        x = int(place.removeprefix("at")) * FACE
        frame[:, x : x + FACE] = paint(degrees)
    return frame


def scene() -> list[Image]:
    """3 s: ada (0 degrees) until 1.5 s; someone of 80 degrees elsewhere from 1 s; nobody in the last half."""
    both = faces_at(at0=0, at3=80)
    return [faces_at(at0=0)] * 10 + [both] * 5 + [faces_at(at3=80)] * 10 + [faces_at()] * 5


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


class FakeCamera:
    """Stands in for cv2.VideoCapture: a list of frames, then whatever `ending` does."""

    def __init__(self, frames: list[Image], ending: Callable[[], bool] = lambda: False) -> None:
        self.frames, self.ending = frames, ending
        self.number, self.released = -1, False

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def set(self, _property: int, _value: float) -> bool:
        return False

    def get(self, _property: int) -> float:
        return 0.0

    def grab(self) -> bool:
        self.number += 1
        return self.number < len(self.frames) or self.ending()

    def retrieve(self) -> tuple[bool, Image]:
        return True, np.ascontiguousarray(self.frames[self.number][..., ::-1])

    def release(self) -> None:
        self.released = True


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


def interrupt() -> bool:
    raise KeyboardInterrupt


# -------------------------------------------------------------------- frames


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


# -------------------------------------------------------------------- the recogniser


def test_query_video_answers_once_a_track(watcher: Recognizer, film: Film) -> None:
    path = film("door.avi", scene())
    ada, other = watcher.query_video(path)
    assert (ada.photo, ada.status, ada.identity, ada.threshold) == (str(path), "match", "ada", 0.95)
    assert (ada.start, ada.end, ada.sightings) == (0, pytest.approx(1.4), 8)
    assert ada.similarity == pytest.approx(1, abs=0.01)
    assert ada.box == (0, 0, FACE, FACE)
    assert ada.best is not None
    assert 0 <= ada.best <= 1.4
    assert (other.status, other.identity) == ("unknown", None)
    assert (other.start, other.end, other.sightings) == (pytest.approx(1), pytest.approx(2.4), 8)
    assert other.similarity == pytest.approx(math.cos(math.radians(80)), abs=0.03)
    assert other.box == (3 * FACE, 0, 4 * FACE, FACE)


def test_query_video_takes_what_query_takes(watcher: Recognizer, film: Film) -> None:
    watcher.enroll("bob", paint(70))
    path = film("door.avi", scene())
    ada, bob = watcher.query_video(str(path), k=1, threshold=0.9, fps=2)
    assert (ada.identity, ada.sightings, ada.threshold) == ("ada", 3, 0.9)
    assert [c.identity for c in bob.candidates] == ["bob"]
    assert bob.identity == "bob"  # 10 degrees away
    assert [a.identity for a in watcher.query_video(path, threshold=0.992)] == ["ada", None]
    with pytest.raises(ConfigError, match="fps"):
        list(watcher.query_video(path, fps=0))


def test_the_best_frames_decide(watcher: Recognizer, film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    see, marks = watcher.faces.see, itertools.chain([0.01, 0.01, 0.9], itertools.repeat(0.01))

    def marked(photo: Image) -> object:
        return replace(see(photo), qualities=(SimpleNamespace(score=next(marks)),))

    monkeypatch.setattr(watcher.faces, "see", marked)
    frames = [faces_at(at0=60)] * 4 + [faces_at(at0=0)] * 2 + [faces_at(at0=60)] * 2
    (answer,) = watcher.query_video(film("door.avi", frames), threshold=0.95)
    assert (answer.identity, answer.best, answer.quality) == ("ada", pytest.approx(0.4), 0.9)


def test_videos_without_faces_and_without_pictures(watcher: Recognizer, film: Film) -> None:
    (nobody,) = watcher.query_video(film("empty.avi", [faces_at()] * 5))
    assert (nobody.status, nobody.sightings, nobody.start) == ("no_face", 0, None)
    (error,) = watcher.query_video("missing.avi")
    assert (error.photo, error.status) == ("missing.avi", "error")
    assert error.error == "no such file. Check the path."


def test_a_frame_that_cannot_be_aligned_is_left_out(
    watcher: Recognizer, film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    see, calls = watcher.faces.see, itertools.count()

    def sometimes(photo: Image) -> object:
        if next(calls) == 2:
            raise FaceError("landmarks on one point")
        return see(photo)

    monkeypatch.setattr(watcher.faces, "see", sometimes)
    (answer,) = watcher.query_video(film("door.avi", [faces_at(at0=0)] * 10))
    assert (answer.sightings, answer.end) == (4, pytest.approx(0.8))


def test_an_empty_gallery_knows_nobody(watcher: Recognizer, film: Film) -> None:
    watcher.remove("ada")
    (answer,) = watcher.query_video(film("door.avi", [faces_at(at0=0)] * 3))
    assert (answer.status, answer.similarity, answer.candidates) == ("unknown", None, ())


def test_a_missing_threshold_is_told_before_the_video_is_read(
    watcher: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(_purpose: str) -> None:
        raise GalleryError("neither calibrated nor on the card")

    monkeypatch.setattr(watcher, "threshold", nowhere)
    with pytest.raises(GalleryError):
        watcher.query_video("missing.avi")


def test_a_camera_answers_while_it_runs(watcher: Recognizer, camera: Callable[..., FakeCamera]) -> None:
    frames = [faces_at(at0=0)] * 4 + [faces_at()] * 100
    cam = camera(frames)
    answers = watcher.query_video(0)
    first = next(answers)
    assert (first.photo, first.identity, first.sightings) == ("camera 0", "ada", 2)
    assert cam.number < 20
    assert list(answers) == []
    assert cam.released


def test_answers_that_nobody_waits_for_free_the_camera(
    watcher: Recognizer, camera: Callable[..., FakeCamera]
) -> None:
    cam = camera([faces_at(at0=0)] * 4 + [faces_at()] * 100)
    answers = watcher.query_video(0)
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    assert cam.released


def test_an_interrupt_ends_the_open_tracks_first(
    watcher: Recognizer, camera: Callable[..., FakeCamera]
) -> None:
    cam = camera([faces_at(at0=0)] * 4, interrupt)
    answers = watcher.query_video(0)
    assert next(answers).identity == "ada"
    with pytest.raises(KeyboardInterrupt):
        next(answers)
    assert cam.released


# -------------------------------------------------------------------- the command


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, gallery_path: Path, watcher: Recognizer) -> Callable[..., Result]:
    """Runs `recog query` on the watcher's gallery, with the stand-ins for the models."""
    monkeypatch.setenv("RECOG_GALLERY", str(gallery_path))
    monkeypatch.setattr(Embedder, "load", lambda name, device="auto", fetch=True: ColourEmbedder())
    monkeypatch.setattr("recog.detection.Detector", lambda device="auto": CompressedPatchDetector())

    def run(*arguments: object, code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["query", *map(str, arguments)])
        assert result.exit_code == code, result.output
        return result

    return run


def objects(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_query_video_json(call: Callable[..., Result], film: Film) -> None:
    path = film("door.avi", scene())
    ada, other = objects(call("--video", path, "--json"))
    documented = (
        "video start end best sightings box confidence quality status identity similarity threshold "
        "candidates error"
    )
    assert list(ada) == documented.split()
    assert (ada["video"], ada["start"], ada["end"], ada["sightings"]) == (str(path), 0, 1.4, 8)
    assert (ada["status"], ada["identity"], ada["box"], ada["error"]) == (
        "match",
        "ada",
        [0, 0, 64, 64],
        None,
    )
    assert ada["candidates"] == [{"identity": "ada", "similarity": ada["similarity"]}]
    assert (other["status"], other["identity"], other["start"]) == ("unknown", None, 1)


def test_query_video_text_is_a_line_a_track(call: Callable[..., Result], film: Film) -> None:
    path = film("door.avi", scene())
    first, second = call("--video", path).stdout.splitlines()
    assert first.startswith(f"{path} 0.0-1.4 s, seen 8 times, [0 0 64 64]: ada (similarity ")
    assert "unknown, nearest ada" in second
    assert "seen 3 times" in call("--video", path, "--fps", 2).stdout


def test_query_video_exit_codes(call: Callable[..., Result], film: Film) -> None:
    stranger = film("stranger.avi", [faces_at(at1=80)] * 10)
    assert "unknown" in call("--video", stranger, code=1).stdout
    call("--video", stranger, "--threshold", 0)
    nobody = call("--video", film("empty.avi", [faces_at()] * 3), "--json", code=4)
    assert [o["status"] for o in objects(nobody)] == ["no_face"]
    assert "no face found" in nobody.stderr
    missing = call("--video", "missing.avi", "--json", code=4)
    assert [(o["video"], o["status"], o["start"]) for o in objects(missing)] == [
        ("missing.avi", "error", None)
    ]
    assert "missing.avi: no such file" in missing.stderr
    assert "camera 98: gives no picture" in call("--camera", 98, code=4).stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a.png", "--video", "a.avi"],
        ["a.png", "--camera", 0],
        ["--video", "a.avi", "--camera", 0],
        ["--camera", -1],
        ["--camera", "front"],
        ["--video", "a.avi", "--fps", 0],
    ],
)
def test_query_wants_one_kind_of_input(call: Callable[..., Result], arguments: list[object]) -> None:
    call(*arguments, code=2)


def test_an_interrupted_camera_tells_what_it_saw(
    call: Callable[..., Result], camera: Callable[..., FakeCamera]
) -> None:
    cam = camera([faces_at(at0=0)] * 4, interrupt)
    (ada,) = objects(call("--camera", 0, "--json", code=130))
    assert (ada["video"], ada["identity"], ada["sightings"]) == ("camera 0", "ada", 2)
    assert cam.released
