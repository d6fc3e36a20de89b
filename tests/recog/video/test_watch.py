"""A video -> one answer a track."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from recog.errors import ConfigError, FaceError, GalleryError
from recog.recognizer import Recognizer
from tests.conftest import FACE, paint
from tests.recog.video.scenes import (
    FakeCamera,
    Film,
    Image,
    faces_at,
    interrupt,
    scene,
)


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


def test_one_frame_without_the_face_is_survived_at_any_rate(watcher: Recognizer, film: Film) -> None:
    frames = [faces_at(at0=0)] * 20 + [faces_at()] * 20 + [faces_at(at0=0)] * 20  # two seconds each
    (answer,) = watcher.query_video(film("door.avi", frames), fps=0.5)
    assert answer.sightings == 2
    assert len(list(watcher.query_video(film("door.avi", frames), fps=5))) == 2


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
