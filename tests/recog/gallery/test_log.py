"""The audit log."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from recog.gallery import Gallery
from recog.gallery.log import broken
from tests.recog.gallery.tools import MODEL, bytes_of, templates


@pytest.fixture
def logged(gallery_path: Path) -> Path:
    with Gallery(gallery_path) as gallery:
        gallery.add("ada", templates("ada", 2), MODEL)
        gallery.add("bob", templates("bob", 1), MODEL)
        gallery.rename("bob", "robert")
        gallery.remove("ada")
    return gallery_path


def test_it_tells_what_happened_without_names(logged: Path) -> None:
    with Gallery(logged) as gallery:
        entries, names = gallery.log(), gallery.pseudonyms()
    assert [(e.event, e.detail) for e in entries] == [
        ("enroll", {"templates": 2}),
        ("enroll", {"templates": 1}),
        ("rename", {}),
        ("remove", {"templates": 2}),
    ]
    assert [names.get(str(e.subject)) for e in entries] == [None, "robert", "robert", None]
    assert entries[0].subject == entries[3].subject
    assert b"ada" not in bytes_of(logged)
    assert broken(entries) is None


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ("UPDATE log SET event = 'rename' WHERE id = 2", "entry 2 was changed"),
        ("UPDATE log SET subject = x'00' WHERE id = 1", "entry 1 was changed"),
        ("""UPDATE log SET detail = '{"templates": 9}' WHERE id = 4""", "entry 4 was changed"),
        ("DELETE FROM log WHERE id = 2", "entry 2 is missing"),
        ("UPDATE log SET at = '2020-01-01T00:00:00+00:00' WHERE id = 3", "entry 3 was changed"),
    ],
)
def test_a_changed_log_shows(logged: Path, change: str, wrong: str) -> None:
    writer = sqlite3.connect(logged)
    writer.execute(change)
    writer.commit()
    writer.close()
    with Gallery(logged) as gallery:
        assert str(broken(gallery.log())).startswith(wrong)


def test_a_cut_end_shows_to_whoever_kept_the_last_digest(logged: Path) -> None:
    with Gallery(logged) as gallery:
        last = gallery.log()[-1].digest
        assert broken(gallery.log(), known=last) is None
    writer = sqlite3.connect(logged)
    writer.execute("DELETE FROM log WHERE id = 4")
    writer.commit()
    writer.close()
    with Gallery(logged) as gallery:
        assert broken(gallery.log()) is None
        assert "cut off" in str(broken(gallery.log(), known=last))
