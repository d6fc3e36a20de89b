"""The gallery file: what is not of every gallery (see test_contract.py)."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest

from recog.errors import (
    ErasureIncomplete,
    GalleryError,
)
from recog.gallery import APPLICATION_ID, Gallery
from recog.gallery.migrations import MIGRATIONS
from recog.records import Model, Template

MODEL = Model("tiny", "aa" * 32, 2)
OTHER = Model("other", "bb" * 32, 2)


def template(vector: Sequence[float], photo: str = "photo") -> Template:
    return Template(np.array(vector, np.float32), photo, 0.5)


@pytest.fixture
def two(gallery: Gallery) -> Gallery:
    gallery.add("ada", [template([1, 0])], MODEL)
    gallery.add("bob", [template([0, 1])], MODEL)
    return gallery


def files_of(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(path.name + "*")))


def test_removal_leaves_no_bytes(gallery: Gallery, gallery_path: Path) -> None:
    model, rng = Model("m", "cc" * 32, 64), np.random.default_rng(0)
    people = {}
    for i in range(30):
        vectors = rng.normal(size=(4, 64)).astype(np.float32)
        people[f"Person <{i}>"] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for name, vectors in people.items():
        gallery.add(name, [Template(v, f"digest of {name} {j}") for j, v in enumerate(vectors)], model)
    for name, vectors in list(people.items())[::3]:
        # a vector may lie across two pages of the file, but not its halves
        secrets = [name.encode(), *(half for v in vectors for half in (v[:32].tobytes(), v[32:].tobytes()))]
        assert sum(secret in files_of(gallery_path) for secret in secrets) > 6
        gallery.remove(name)
        assert not any(secret in files_of(gallery_path) for secret in secrets)
    assert len(gallery.people()) == 20


def test_renaming_erases_the_old_name(two: Gallery, gallery_path: Path) -> None:
    assert b"ada" in files_of(gallery_path)
    two.rename("ada", "lovelace")
    assert b"ada" not in files_of(gallery_path)
    assert b"lovelace" in files_of(gallery_path)


def test_erasure_says_when_a_reader_prevents_it(
    two: Gallery, gallery_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recog.gallery.store.ERASURE_TIMEOUT_MS", 50)
    reader = sqlite3.connect(gallery_path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM identity").fetchall()
    try:
        with pytest.raises(ErasureIncomplete, match=r"recog doctor"):
            two.remove("ada")
    finally:
        reader.close()
    assert [p.identity for p in two.people()] == ["bob"]
    two.purge()
    assert b"ada" not in files_of(gallery_path)


def test_erasure_that_fails_says_that_the_person_is_gone(
    two: Gallery, gallery_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recog.gallery.store.ERASURE_TIMEOUT_MS", 50)
    with contextlib.closing(sqlite3.connect(gallery_path, isolation_level=None)) as writer:
        two._store.db.set_trace_callback(
            lambda query: writer.execute("BEGIN IMMEDIATE") if query == "VACUUM" else None
        )
        with pytest.raises(ErasureIncomplete, match=r"the change is made.*recog doctor"):
            two.remove("ada")
        two._store.db.set_trace_callback(None)
    assert [p.identity for p in two.people()] == ["bob"]
    two.purge()
    assert b"ada" not in files_of(gallery_path)


def test_a_full_disk_is_named_and_nothing_is_half_done(gallery: Gallery) -> None:
    (pages,) = gallery._store.row("PRAGMA page_count")
    gallery._store.db.execute(f"PRAGMA max_page_count = {pages + 2}")
    many = [template([1, 0], f"photo {number}") for number in range(3000)]
    with pytest.raises(GalleryError, match="full"):
        gallery.add("ada", many, MODEL)
    assert gallery.size() == (0, 0)


def test_what_is_not_a_gallery(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is no database, but it is long enough to be looked at" * 20)
    foreign = sqlite3.connect(tmp_path / "foreign.db")
    foreign.execute("CREATE TABLE t (x)")
    foreign.close()
    before = (tmp_path / "foreign.db").read_bytes()
    for name, cause in {
        "text": "not a gallery",
        "foreign.db": "another program",
        ".": "cannot be opened",
    }.items():
        with pytest.raises(GalleryError, match=cause):
            Gallery(tmp_path / name)
    assert (tmp_path / "foreign.db").read_bytes() == before
    with pytest.raises(GalleryError, match="no gallery here"):
        Gallery(tmp_path / "missing", create=False)


def test_a_newer_gallery_is_refused(gallery_path: Path) -> None:
    Gallery(gallery_path).close()
    newer = sqlite3.connect(gallery_path)
    newer.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    newer.close()
    with pytest.raises(GalleryError, match="Upgrade"):
        Gallery(gallery_path)


def test_the_file_says_what_it_is(gallery: Gallery, gallery_path: Path) -> None:
    reader = sqlite3.connect(gallery_path)
    try:
        pragmas = [
            reader.execute(f"PRAGMA {p}").fetchone()[0]
            for p in ("application_id", "user_version", "journal_mode")
        ]
    finally:
        reader.close()
    assert pragmas == [APPLICATION_ID, len(MIGRATIONS), "wal"]


def test_two_writers_wait_for_each_other(gallery_path: Path) -> None:
    Gallery(gallery_path).close()

    def enroll(who: str) -> None:
        with Gallery(gallery_path) as mine:
            for i in range(15):
                mine.add(f"{who} {i}", [template([1, 0])], MODEL)

    threads = [threading.Thread(target=enroll, args=(who,)) for who in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Gallery(gallery_path) as opened:
        assert len(opened.people()) == 45
        assert opened.revision == 45
        assert opened.integrity() == []


def test_a_gallery_in_memory_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Gallery(None) as gallery:
        gallery.add("ada", [template([1, 0])], MODEL)
        gallery.remove("ada")
    assert list(tmp_path.iterdir()) == []


def test_processes_may_make_the_file_at_once(gallery_path: Path) -> None:
    code = "import sys; from recog.gallery import Gallery; Gallery(sys.argv[1]).close()"
    for round_ in range(3):
        path = gallery_path.with_name(f"{round_}.gallery")
        command = [sys.executable, "-c", code, str(path)]
        started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(6)]
        assert [process.communicate()[1] for process in started] == [""] * 6


def test_a_gallery_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    """Its threshold stays, without the odds that it could not hold."""
    path = tmp_path / "old.gallery"
    old = sqlite3.connect(path)
    for statement in MIGRATIONS[0]:
        old.execute(statement)
    old.execute("UPDATE gallery SET model = 'm', digest = 'd', embedding_size = 2")
    old.execute(
        "INSERT INTO calibration (purpose, threshold, rate, low, high, comparisons, source, digest) "
        "VALUES ('verify', 0.4, 0.001, 0.0005, 0.002, 5000, 'folder', 'd')"
    )
    old.execute("PRAGMA user_version = 1")
    old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    old.commit()
    old.close()
    with Gallery(path) as gallery:
        kept = gallery.calibration("verify", "d")
        assert kept is not None
        assert (kept.threshold, kept.comparisons, kept.slope) == (0.4, 5000, None)
        gallery.calibrate("verify", replace(kept, slope=10.0, intercept=-4.0), "d")
    with Gallery(path) as gallery:
        again = gallery.calibration("verify", "d")
        assert again is not None
        assert again.probability(0.4) == pytest.approx(0.5)


def test_people_of_an_older_gallery_are_kept(tmp_path: Path) -> None:
    """Its vectors move into chunks, and are found, shown and removed as others are."""
    path = tmp_path / "old.gallery"
    old = sqlite3.connect(path)
    for statement in (*MIGRATIONS[0], *MIGRATIONS[1]):
        assert isinstance(statement, str)
        old.execute(statement)
    old.execute("UPDATE gallery SET model = ?, digest = ?, embedding_size = ?", astuple(MODEL))
    for number, (name, vector) in enumerate({"ada": [1, 0], "bob": [0, 1]}.items(), start=1):
        old.execute("INSERT INTO identity VALUES (?, ?, '2026-01-02T00:00:00+00:00')", (3 * number, name))
        values = (7 * number, 3 * number, np.array(vector, "<f4").tobytes(), f"{number:064x}")
        old.execute("INSERT INTO template VALUES (?, ?, ?, ?, 0.5, '2026-01-02', 'photo')", values)
    old.execute("PRAGMA user_version = 2")
    old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    old.commit()
    old.close()
    with Gallery(path) as gallery:
        assert [p.identity for p in gallery.people()] == ["ada", "bob"]
        assert [c.identity for c in gallery.search([[0.6, 0.8]], k=2)[0]] == ["bob", "ada"]
        assert gallery.has("bob", f"{2:064x}")
        assert gallery.model() == MODEL
        assert gallery.integrity() == []
        gallery.add("eve", [template([0.8, 0.6])], MODEL)
        gallery.remove("ada")
        assert b"ada2026" not in files_of(path)
        assert [c.identity for c in gallery.search([[1, 0]], k=3)[0]] == ["eve", "bob"]
