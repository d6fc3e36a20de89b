"""`recog enroll --from`: what it says, what it lists, and how it goes on after it was stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recog.cli import tally
from recog.gallery import Gallery
from recog.types import Failure
from tests.recog.cli.tools import Call, Photo, objects

PEOPLE, PHOTOS = 20, 3

# The command with stand-ins for the models, a slow detector, and small batches
SLOW = """
import signal, sys, time
import recog.detection
from recog import bulk
from recog.cli import main
from recog.embedding import Embedder
from tests.conftest import ColourEmbedder, PatchDetector

class Slow(PatchDetector):
    def detect(self, image):
        time.sleep(0.02)
        return super().detect(image)

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background ignores
bulk.CHUNK, bulk.BATCH, bulk.AHEAD = 2, 4, 2
Embedder.load = lambda name, device="auto", fetch=True: ColourEmbedder()
recog.detection.Detector = lambda device="auto": Slow()
main(["enroll", "--from", *sys.argv[1:]])
"""


@pytest.fixture
def folder(photo: Photo, tmp_path: Path) -> Path:
    for number in range(PEOPLE * PHOTOS):
        photo(f"people/p{number // PHOTOS:02}/{number % PHOTOS}.png", 1.5 * number)
    return tmp_path / "people"


@pytest.fixture
def started(folder: Path, gallery_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The command, when it has said what it did with the first person."""
    command = [sys.executable, "-c", SLOW, folder, "--gallery", gallery_path]
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == f"p00: {PHOTOS} added\n"
    with process:
        yield process
        process.kill()


def contents(path: Path) -> dict[str, set[tuple[object, ...]]]:
    with Gallery(path, create=False) as gallery:
        assert gallery.integrity() == []
        return {
            name: {(t.photo_digest, t.quality, *t.embedding.tolist()) for t in templates}
            for name, templates in gallery.everyone().items()
        }


def assert_resumes(call: Call, folder: Path, gallery_path: Path, kept: int) -> None:
    """The same call skips what was kept, and the gallery is that of a call that nobody stopped."""
    lines = objects(call("enroll", "--from", folder, "--json"))
    assert sum(line["skipped"] for line in lines) == kept
    assert sum(line["added"] for line in lines) == PEOPLE * PHOTOS - kept
    whole = gallery_path.with_name("whole.gallery")
    call("enroll", "--from", folder, "--gallery", whole)
    assert contents(gallery_path) == contents(whole)


def test_a_killed_enrollment_goes_on(
    call: Call, folder: Path, gallery_path: Path, started: subprocess.Popen[str]
) -> None:
    started.kill()
    started.communicate()
    kept = sum(map(len, contents(gallery_path).values()))
    assert PHOTOS <= kept < PEOPLE * PHOTOS
    assert kept % 4 == 0  # whole batches
    assert_resumes(call, folder, gallery_path, kept)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interrupted_enrollment_says_what_is_kept(
    call: Call, folder: Path, gallery_path: Path, started: subprocess.Popen[str]
) -> None:
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=20)  # threads that hang would keep it
    assert started.returncode == 130
    kept = sum(map(len, contents(gallery_path).values()))
    assert PHOTOS <= kept < PEOPLE * PHOTOS
    assert f"Interrupted. {kept} templates of" in said
    assert "the same call goes on" in said
    assert "Traceback" not in said
    assert_resumes(call, folder, gallery_path, kept)


@pytest.fixture
def troubled(photo: Photo, tmp_path: Path) -> Path:
    """Two people with one good photo each, and four photos that cannot be used."""
    for name, degrees in {"ada/1": [0], "ada/2": [], "ada/3": [3, 9], "bob/1": [80], "bob/2": []}.items():
        photo(f"people/{name}.png", *degrees)
    (tmp_path / "people/bob/3.png").write_bytes(b"")
    return tmp_path / "people"


def test_the_summary_counts_photos_and_causes(call: Call, troubled: Path, photo: Photo) -> None:
    result = call("enroll", "--from", troubled, "--json", code=3)
    assert [line["added"] for line in objects(result)] == [1, 1]
    summary = result.stderr.splitlines()[-1]
    assert re.match(r"6 photos in \d+\.\d s \(\d+\.\d photos/s\): 2 added, 4 failed \(", summary)
    assert "(2 no face, 1 several faces, 1 unreadable)" in summary
    again = call("enroll", "--from", troubled, "--json", code=3).stderr.splitlines()[-1]
    assert ": 0 added, 2 already there, 4 failed" in again
    assert (
        "photos/s" not in call("enroll", "eve", photo("eve.png", 40)).stderr
    )  # of one person there is a line


def test_failures_are_listed_in_a_file(call: Call, troubled: Path, tmp_path: Path) -> None:
    listing = tmp_path / "lists" / "failed.jsonl"
    for _ in range(2):  # what failed is tried again, and listed once
        call("enroll", "--from", troubled, "--failures", listing, code=3)
        lines = [json.loads(line) for line in listing.read_text().splitlines()]
        assert [(line["identity"], Path(line["photo"]).name, line["cause"]) for line in lines] == [
            ("ada", "2.png", "no face"),
            ("ada", "3.png", "several faces"),
            ("bob", "2.png", "no face"),
            ("bob", "3.png", "unreadable"),
        ]
        assert "2 faces" in lines[1]["message"]
    crowds = [line["photo"] for line in lines if line["cause"] == "several faces"]
    call("enroll", "ada", "-", "--largest", stdin="\n".join(crowds))


def test_a_list_of_one_person_and_of_nobody(call: Call, tmp_path: Path, photo: Photo) -> None:
    listing = tmp_path / "failed.jsonl"
    call("enroll", "ada", photo("crowd.png", 0, 9), "--failures", listing, code=4)
    assert json.loads(listing.read_text())["cause"] == "several faces"
    call("enroll", "ada", photo("a.png", 0), "--failures", listing)
    assert listing.read_text() == ""


def test_a_list_that_cannot_be_written_is_told_before_the_work(
    call: Call, troubled: Path, tmp_path: Path, gallery_path: Path
) -> None:
    (tmp_path / "file").touch()
    result = call("enroll", "--from", troubled, "--failures", tmp_path / "file" / "failed.jsonl", code=4)
    assert "failed.jsonl: cannot be written" in result.stderr
    assert not gallery_path.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_told(call: Call, troubled: Path) -> None:
    result = call("enroll", "--from", troubled, "--failures", "/dev/full", code=4)
    assert "Error: /dev/full: cannot be written (No space left on device)" in result.stderr


def test_the_list_is_there_while_the_work_goes_on(tmp_path: Path) -> None:
    listing = tmp_path / "failed.jsonl"
    with tally.Tally(listing) as counts:
        counts.fail(Failure("odd \udcff.png", "ada", "no face", "no face found"))
        assert json.loads(listing.read_text())["photo"] == "odd \udcff.png"


def test_of_many_failures_some_are_named_and_the_file_has_the_rest(
    call: Call, photo: Photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "NAMED", 2)
    photo("people/ada/0.png", 0)
    for number in range(1, 6):
        photo(f"people/ada/{number}.png")
    result = call("enroll", "--from", tmp_path / "people", code=3)
    assert [f"{number}.png: no face" in result.stderr for number in range(1, 6)] == [True] * 2 + [False] * 3
    assert "3 more failed; --failures FILE lists all of them." in result.stderr
    listing = tmp_path / "failed.jsonl"
    result = call("enroll", "--from", tmp_path / "people", "--failures", listing, code=3)
    assert f"3 more failed; {listing} lists all of them." in result.stderr
    assert len(listing.read_text().splitlines()) == 5


def test_a_folder_that_bears_no_name_stops_nobody(call: Call, photo: Photo, tmp_path: Path) -> None:
    photo("people/a\nb/1.png", 3)
    photo("people/bob/1.png", 60)
    result = call("enroll", "--from", tmp_path / "people", "--json", code=3)
    assert [(line["identity"], line["added"]) for line in objects(result)] == [("a\nb", 0), ("bob", 1)]
    assert "is no name" in result.stderr
    assert "1 failed (1 no valid name)" in result.stderr
