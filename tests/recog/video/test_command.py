"""`recog query --video | --camera`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from recog.cli import main
from recog.recognizer import Recognizer
from tests.recog.cli.tools import objects, stand_in
from tests.recog.video.scenes import (
    CompressedPatchDetector,
    FakeCamera,
    Film,
    faces_at,
    interrupt,
    scene,
)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, gallery_path: Path, watcher: Recognizer) -> Callable[..., Result]:
    """Runs `recog query` on the watcher's gallery, with the stand-ins for the models."""
    stand_in(monkeypatch, gallery_path, CompressedPatchDetector)

    def run(*arguments: object, code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["query", *map(str, arguments)])
        assert result.exit_code == code, result.output
        return result

    return run


def test_query_video_json(call: Callable[..., Result], film: Film) -> None:
    path = film("door.avi", scene())
    ada, other = objects(call("--video", path, "--json"))
    documented = (
        "video start end best sightings box confidence quality status identity similarity threshold "
        "candidates error margin"
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
