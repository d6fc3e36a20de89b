"""kill -9 at any moment: what was acknowledged is there, and nothing is half done."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from recog.gallery import matching
from tests.recog.gallery.tools import assert_sound, bytes_of, encrypted, opened, templates

KILLS = int(os.environ.get("RECOG_TEST_KILLS", "20"))  # the crash test proper: 200

# Enrolls and removes for ever; says so before ("will") and after ("did") each change
WORKER = """
import sys
from pathlib import Path
import numpy as np
from recog.gallery import matching
from tests.recog.gallery.tools import MODEL, opened, templates, vector

path, start = Path(sys.argv[1]), int(sys.argv[2])
matching.FLAT_LIMIT = int(sys.argv[3])
rng = np.random.default_rng(start)
def say(*words):
    print(*words, flush=True)
with opened(path) as gallery:
    mine = [person.identity for person in gallery.people()]
    for number in range(start * 10_000, (start + 1) * 10_000):
        draw = rng.random()
        if draw < 0.6 or len(mine) < 3:
            name, count = f"<person {number}>", int(rng.integers(1, 6))
            say("will", "enroll", count, name)
            gallery.add(name, templates(name, count), MODEL)
            say("did", "enroll", count, name)
            mine.append(name)
        elif draw < 0.9:
            name = mine.pop(int(rng.integers(len(mine))))
            say("will", "remove", 0, name)
            gallery.remove(name)
            say("did", "remove", 0, name)
        else:
            say("will", "compact", 0, "-")
            gallery.compact()
            say("did", "compact", 0, "-")
        gallery.search(vector("anybody 0")[None])
"""


def run_and_kill(path: Path, round_: int, flat_limit: int, after: float) -> list[list[str]]:
    """What a worker said until it was killed so many seconds after its first word."""
    command = [sys.executable, "-c", WORKER, str(path), str(round_), str(flat_limit)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(after)
    process.kill()
    rest = process.stdout.read()
    process.wait()
    process.stdout.close()
    lines = [line for line in (first + rest).split("\n")[:-1] if line]  # the last may be cut short
    return [line.split(" ", 3) for line in lines]


@pytest.mark.parametrize(
    ("flat_limit", "seal"),
    [(20, False), (50_000, False), (20, True)],
    ids=["index beside the file", "index in memory", "encrypted"],
)
def test_kill_at_random_moments(
    gallery_path: Path, flat_limit: int, seal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seal:
        encrypted(gallery_path)
    monkeypatch.setattr(matching, "SHORTLIST", 1_000_000)  # so few rows teach an index little: compare all
    rng = np.random.default_rng(0)
    expected: dict[str, int] = {}
    gone: list[str] = []
    kept_index = False
    for round_ in range(KILLS):
        said = run_and_kill(gallery_path, round_, flat_limit, float(rng.exponential(0.05)))
        kept_index |= any(".index-" in file.name for file in gallery_path.parent.iterdir())
        for (state, event, count, name), after in zip(said, [*said[1:], None], strict=True):
            unsure = state == "will" and after is None
            if (event, state) == ("enroll", "did"):
                expected[name] = int(count)
            if (event, state) == ("remove", "did"):
                expected.pop(name)
                gone.append(name)
            if unsure and event != "compact":
                present = name in assert_sound(gallery_path)
                if event == "enroll" and present:
                    expected[name] = int(count)
                if event == "remove" and not present:
                    expected.pop(name)
        found = assert_sound(gallery_path)
        assert {name: len(photos) for name, photos in found.items()} == expected
        assert all(len(templates(name, count)) == len(found[name]) for name, count in expected.items())
    with opened(gallery_path) as gallery:
        gallery.purge()
        if seal:  # their names never were in the files: but had keys
            assert [name for name in gone if gallery._vault.handles(name)] == []
    left = bytes_of(gallery_path)
    assert [name for name in gone if name.encode() in left] == []
    assert gone
    assert kept_index == (flat_limit == 20 and not seal)
