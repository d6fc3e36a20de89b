"""Every command that takes a gallery, on Milvus Lite."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ColourEmbedder
from tests.recog.cli.tools import Call, Photo, objects

pytest.importorskip("milvus_lite", reason="milvus-lite is not installed")


@pytest.fixture
def place(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> str:
    uri = f"milvus+file:{tmp_path / 'people.milvus.db'}"
    monkeypatch.setenv("RECOG_GALLERY", uri)
    return uri


@pytest.fixture
def enrolled(place: str, people: None) -> str:
    return place


def test_commands_want_a_gallery(call: Call, photo: Photo, place: str) -> None:
    for command in (["list"], ["info"], ["query", photo("p.png", 0)], ["remove", "ada"], ["log"]):
        assert "no gallery here" in call(*command, code=4).stderr
    call("verify", photo("a.png", 0), photo("b.png", 1))  # needs none, and makes none
    assert not Path(place.partition(":")[2]).exists()


@pytest.mark.usefixtures("enrolled")
def test_people_are_enrolled_named_and_removed(call: Call, photo: Photo) -> None:
    assert "already there" in call("enroll", "ada", photo("ada.png", 0)).stdout
    (answer,) = objects(call("query", photo("probe.png", 5), "--json"))
    assert (answer["status"], answer["identity"]) == ("match", "ada")
    assert [one["identity"] for one in answer["candidates"]] == ["ada", "bob"]
    call("rename", "ada", "eve")
    assert [one["identity"] for one in objects(call("list", "--json"))] == ["bob", "eve"]
    assert objects(call("show", "eve", "--json"))[0]["templates"][0]["how"] == "photo"
    assert objects(call("remove", "eve", "--json")) == [{"removed": "eve", "templates": 1}]
    call("query", photo("probe.png", 5), code=1)
    call("show", "eve", code=4)
    call("remove", "eve", code=4)
    assert [line["event"] for line in objects(call("log", "--json"))] == [
        "enroll",
        "enroll",
        "rename",
        "remove",
    ]
    assert objects(call("log", "--verify", "--json"))[0]["entries"] == 4


def test_a_gallery_may_be_named_by_the_option(call: Call, photo: Photo, place: str, tmp_path: Path) -> None:
    other = f"milvus+file:{tmp_path / 'other.db'}?collection=staff"
    call("enroll", "ada", photo("ada.png", 0), "--gallery", other)
    assert "ada" in call("list", "--gallery", other).stdout
    call("list", "--gallery", place, code=4)


def test_info_calibrate_and_doctor(call: Call, photo: Photo, enrolled: str, tmp_path: Path) -> None:
    (told,) = objects(call("info", "--json"))
    assert (told["gallery"], told["people"], told["templates"]) == (enrolled, 2, 2)
    assert (told["digest"], told["bytes"]) == (ColourEmbedder().digest, None)
    for i in range(5):
        photo(f"strangers/p{i}/1.png", 20 + 10 * i)
    found = objects(call("calibrate", tmp_path / "strangers", "--fmr", 0.2, "--fpir", 0.2, "--json"))
    assert [one["purpose"] for one in found] == ["verify", "query"]
    (told,) = objects(call("info", "--json"))
    assert told["thresholds"]["query"]["threshold"] == found[1]["threshold"]
    checks = {one["check"]: one for one in objects(call("doctor", "--json", "--device", "cpu"))}
    assert checks["gallery"] == {"check": "gallery", "ok": True, "detail": f"{enrolled}: sound, 2 people"}


def test_a_gallery_file_moves_to_milvus_and_back(call: Call, enrolled: str, tmp_path: Path) -> None:
    call("export", tmp_path / "people.npz")
    call("import", tmp_path / "people.npz", "--gallery", tmp_path / "copy.gallery")
    call("export", tmp_path / "again.npz", "--gallery", tmp_path / "copy.gallery")
    (done,) = objects(call("import", tmp_path / "again.npz", "--json"))
    assert done == {"people": 2, "added": 0, "skipped": 2}


def test_an_unreachable_server_is_an_error_without_secrets(call: Call, photo: Photo, place: str) -> None:
    for command in (
        ["list"],
        ["verify", photo("a.png", 0), photo("b.png", 0)],
        ["doctor", "--device", "cpu"],
    ):
        code = 3 if command[0] == "doctor" else 4
        said = call(*command, "--gallery", "milvus+http://root:hidden@127.0.0.1:1", code=code)
        assert "does not answer" in said.output
        assert "hidden" not in said.output
        assert "Traceback" not in said.output
