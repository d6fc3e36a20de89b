"""`recog enroll | list | show | rename | remove` and what a gallery tells of itself."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

from recog.cli.options import PARTLY
from tests.recog.cli.tools import Call, Photo, objects, run_script


def test_enroll_prints_what_it_did(call: Call, photo: Photo) -> None:
    (done,) = objects(call("enroll", "ada", photo("a.png", 0), photo("b.png", 2), "--json"))
    assert done == {"identity": "ada", "added": 2, "skipped": 0, "failed": [], "resembles": []}
    assert "already there" in call("enroll", "ada", photo("a.png", 0)).stdout


def test_enroll_goes_on_when_some_photos_fail(call: Call, photo: Photo) -> None:
    crowd = photo("crowd.png", 0, 9)
    result = call("enroll", "ada", photo("a.png", 0), crowd, "missing.jpg", "--json", code=3)
    (done,) = objects(result)
    assert done["added"] == 1
    assert [f["photo"] for f in done["failed"]] == [str(crowd), "missing.jpg"]
    assert "missing.jpg: no such file" in result.stderr
    assert str(crowd) in result.stderr


def test_enroll_with_nothing_usable_is_a_failure(call: Call, photo: Photo) -> None:
    call("enroll", "ada", "missing.jpg", photo("crowd.png", 0, 9), code=4)
    call("enroll", "ada", photo("crowd.png", 0, 9), "--largest")


def test_enroll_everyone_of_a_folder(call: Call, photo: Photo, tmp_path: Path) -> None:
    for name in ("people/ada/1.png", "people/ada/2.png", "people/bob/1.png"):
        photo(name, len(name))
    photo("people/bob/2.png", 70)
    done = objects(call("enroll", "--from", tmp_path / "people", "--json"))
    assert [(d["identity"], d["added"] + d["skipped"]) for d in done] == [("ada", 2), ("bob", 2)]


@pytest.mark.parametrize(
    "arguments",
    [
        ["enroll"],
        ["enroll", "ada"],
        ["enroll", "ada", "a.png", "--from", "x"],
        ["enroll", "ada", "a.png", "--min-quality", "nan"],
    ],
)
def test_enroll_needs_a_name_or_a_folder(call: Call, arguments: list[str]) -> None:
    call(*arguments, code=2)


def test_enroll_from_nowhere(call: Call, tmp_path: Path) -> None:
    assert "cannot be listed" in call("enroll", "--from", tmp_path / "nowhere", code=4).stderr
    (tmp_path / "flat").mkdir()
    assert "sub-folders" in call("enroll", "--from", tmp_path / "flat", code=4).stderr


def test_names_are_told_as_they_are_stored(call: Call, photo: Photo) -> None:
    told = json.loads(call("enroll", " ada ", photo("a.png", 0), "--json").stdout)
    assert told["identity"] == json.loads(call("list", "--json").stdout)["identity"] == "ada"
    call("enroll", " ", photo("b.png", 0), code=2)


@pytest.mark.usefixtures("people")
def test_list_show_rename_remove(call: Call) -> None:
    assert [(o["identity"], o["templates"]) for o in objects(call("list", "--json"))] == [
        ("ada", 1),
        ("bob", 1),
    ]
    (shown,) = objects(call("show", "ada", "--json"))
    assert shown["identity"] == "ada"
    assert shown["templates"][0]["how"] == "photo"
    assert objects(call("rename", "ada", "eve", "--json")) == [{"renamed": "ada", "identity": "eve"}]
    assert objects(call("remove", "eve", "--json")) == [{"removed": "eve", "templates": 1}]
    assert "bob" in call("list").stdout
    assert "eve" not in call("list").stdout


@pytest.mark.usefixtures("people")
def test_several_people_are_removed_at_once(call: Call) -> None:
    result = call("remove", "ada", "eve", "bob", "ada", "--json", code=PARTLY)
    assert [line["removed"] for line in objects(result)] == ["ada", "bob"]
    assert "eve: nobody" in result.stderr
    assert objects(call("list", "--json")) == []


@pytest.mark.usefixtures("people")
def test_the_log_is_shown_and_checked(call: Call, gallery_path: Path) -> None:
    call("remove", "ada")
    shown = objects(call("log", "--json"))
    assert [(line["event"], line["identity"]) for line in shown] == [
        ("enroll", None),
        ("enroll", "bob"),
        ("remove", None),
    ]
    assert "bob" in call("log").stdout
    assert "ada" not in call("log").stdout
    (checked,) = objects(call("log", "--verify", "--json"))
    assert checked == {"entries": 3, "digest": shown[-1]["digest"]}
    call("log", "--verify", "--digest", checked["digest"])
    call("log", "--digest", checked["digest"], code=2)
    with contextlib.closing(sqlite3.connect(gallery_path)) as writer, writer:
        writer.execute("DELETE FROM log WHERE id = 3")
    call("log", "--verify")
    assert "cut off" in call("log", "--verify", "--digest", checked["digest"], code=4).stderr


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    "arguments", [["show", "eve"], ["remove", "eve"], ["rename", "eve", "x"], ["rename", "ada", "bob"]]
)
def test_unknown_people_are_errors(call: Call, arguments: list[str]) -> None:
    assert call(*arguments, code=4).stderr.startswith("Error: ")


@pytest.mark.usefixtures("people")
def test_removing_under_a_reader_is_half_done(call: Call, gallery_path: Path) -> None:
    with sqlite3.connect(gallery_path, isolation_level=None) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM identity").fetchall()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("recog.gallery.store.ERASURE_TIMEOUT_MS", 50)
            assert run_script("remove", "ada", "--gallery", gallery_path) == PARTLY
    reader.close()
    assert [line["identity"] for line in objects(call("list", "--json"))] == ["bob"]
