"""`recog keys`, and commands on an encrypted gallery; `recog migrate`."""

from __future__ import annotations

from pathlib import Path

import pytest

from recog.gallery import Gallery
from tests.recog.cli.tools import Call, Photo, objects

pytest.importorskip("cryptography")


@pytest.fixture
def key(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new key, and a folder for keystores."""
    monkeypatch.setenv("RECOG_KEYSTORE", str(tmp_path / "people.keystore"))
    path = tmp_path / "people.key"
    assert objects(call("keys", "new", path, "--json")) == [{"key": str(path)}]
    return path


def test_a_new_gallery_is_encrypted_where_a_key_is_given(
    call: Call, photo: Photo, key: Path, gallery_path: Path, tmp_path: Path
) -> None:
    call("enroll", "ada", photo("ada.png", 0), "--key", key)
    assert b"ada" not in gallery_path.read_bytes()
    assert "is encrypted. Pass --key" in call("list", code=4).stderr
    assert objects(call("query", photo("again.png", 0), "--key", key, "--json"))[0]["identity"] == "ada"
    (told,) = objects(call("info", "--key", key, "--json"))
    assert (told["people"], told["keystore"]) == (1, str(tmp_path / "people.keystore"))
    assert objects(call("remove", "ada", "--key", key, "--json"))[0]["removed"] == "ada"


def test_the_environment_gives_the_key(
    call: Call, photo: Photo, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOG_KEY", str(key))
    call("enroll", "ada", photo("ada.png", 0))
    assert call("list").stdout.startswith("ada  1")


@pytest.mark.usefixtures("people")
def test_encrypting_and_rotating(call: Call, key: Path, gallery_path: Path, tmp_path: Path) -> None:
    assert b"bob" in gallery_path.read_bytes()
    assert "Give the key" in call("keys", "encrypt", code=2).stderr
    assert "is not encrypted" in call("keys", "rotate", key, code=4).stderr
    (done,) = objects(call("keys", "encrypt", "--key", key, "--json"))
    assert done == {"gallery": str(gallery_path), "keystore": str(tmp_path / "people.keystore")}
    assert b"bob" not in gallery_path.read_bytes()
    assert "is encrypted already" in call("keys", "encrypt", "--key", key, code=4).stderr
    call("keys", "new", tmp_path / "next.key")
    call("keys", "rotate", tmp_path / "next.key", "--key", key)
    assert "does not open it" in call("list", "--key", key, code=4).stderr
    assert len(objects(call("list", "--key", tmp_path / "next.key", "--json"))) == 2
    assert "log is whole" in call("log", "--verify", "--key", tmp_path / "next.key").stdout


def test_a_key_is_not_replaced(call: Call, key: Path) -> None:
    assert "is there already" in call("keys", "new", key, code=4).stderr


@pytest.mark.usefixtures("people")
def test_a_key_for_a_plain_gallery(call: Call, key: Path) -> None:
    assert "is not encrypted, but a key was given" in call("list", "--key", key, code=4).stderr


def test_milvus_has_settings_of_its_own(call: Call, key: Path) -> None:
    place = "milvus+http://localhost:1"
    assert "Milvus has settings of its own" in call("list", "--gallery", place, "--key", key, code=4).stderr
    for command in (("keys", "encrypt"), ("keys", "rotate", key), ("migrate", "--model", "bundled")):
        assert "only gallery files do this" in call(*command, "--gallery", place, "--key", key, code=4).stderr


def test_migration(call: Call, photo: Photo, gallery_path: Path) -> None:
    call("enroll", "ada", photo("ada.png", 0), "--keep-crops")
    call("enroll", "bob", photo("bob.png", 80))
    assert "crops of 1 of its 2 templates" in call("migrate", "--model", "bundled", code=4).stderr
    (done,) = objects(call("migrate", "--model", "bundled", "--drop", "--json"))
    assert (done["templates"], done["dropped"]) == (1, 1)
    with Gallery(gallery_path) as gallery:
        assert [person.identity for person in gallery.people()] == ["ada"]
        assert gallery.kept_crops() == 1
    assert objects(call("query", photo("again.png", 0), "--json"))[0]["identity"] == "ada"
    (told,) = objects(call("info", "--json"))
    assert told["crops"] == 1


def test_float16_halves_the_vectors(call: Call, photo: Photo, gallery_path: Path) -> None:
    call("enroll", "ada", photo("ada.png", 0), "--precision", "float16")
    with Gallery(gallery_path) as gallery:
        assert gallery.precision == "float16"
    assert objects(call("query", photo("again.png", 0), "--json"))[0]["identity"] == "ada"
