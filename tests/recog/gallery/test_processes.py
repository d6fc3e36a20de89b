"""Several processes at once end where one after the other would have ended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recog.gallery.log import broken
from tests.recog.gallery.tools import assert_sound, encrypted, opened

PROCESSES = 8
OPERATIONS = int(os.environ.get("RECOG_TEST_OPERATIONS", "40"))  # a process; the test proper: 200

WORKER = """
import sys
from pathlib import Path
import numpy as np
from recog.records import Template
from tests.recog.gallery.tools import MODEL, opened, templates, vector

path, (me, count) = Path(sys.argv[1]), map(int, sys.argv[2:])
with opened(path) as gallery:
    for number in range(count):
        name = f"{me} {number}"
        if number % 4 == 3:
            gallery.remove(f"{me} {number - 1}")
        elif number % 4 == 2:
            gallery.add(name, templates(name, 2), MODEL)
        else:
            gallery.add(name, templates(name, 1), MODEL)
            photo = f"shared {me * 1000 + number}"
            gallery.add("shared", [Template(vector(photo), f"digest of {photo}")], MODEL)
        (top,) = gallery.search(vector(f"{me} 0 0")[None], k=1)
        assert top[0].identity == f"{me} 0", top
"""


@pytest.mark.parametrize("seal", [False, True], ids=["plain", "encrypted"])
def test_many_processes_end_as_one_would(gallery_path: Path, seal: bool) -> None:
    if seal:
        encrypted(gallery_path)
    command = [sys.executable, "-W", "error", "-c", WORKER, str(gallery_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [*command, str(me), str(OPERATIONS)], stderr=subprocess.PIPE, text=True, env=environment
        )
        for me in range(PROCESSES)
    ]
    assert [process.communicate()[1] for process in started] == [""] * PROCESSES
    kept = [n for n in range(OPERATIONS) if n % 4 in (0, 1) or (n % 4 == 2 and n == OPERATIONS - 1)]
    expected = {f"{me} {n}" for me in range(PROCESSES) for n in kept} | {"shared"}
    found = assert_sound(gallery_path)
    assert set(found) == expected
    ones = [n for n in range(OPERATIONS) if n % 4 in (0, 1)]
    assert len(found["shared"]) == PROCESSES * len(ones)
    with opened(gallery_path) as gallery:
        assert broken(gallery.log()) is None
        assert len(gallery.log()) == gallery.revision
