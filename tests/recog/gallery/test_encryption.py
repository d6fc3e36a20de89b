"""Encrypted galleries: nothing readable without the key, and nobody readable whose key is destroyed."""

from __future__ import annotations

import base64
import contextlib
import secrets
import shutil
from pathlib import Path

import numpy as np
import pytest

from recog.errors import ErasureIncomplete, GalleryError, KeyUnavailable, MissingKeys, WrongKey
from recog.gallery import Gallery, matching
from recog.gallery.chunks import Chunks
from recog.gallery.portable import Portable
from recog.keys import load_key, new_key
from tests.recog.gallery.tools import (
    MODEL,
    assert_sound,
    bytes_of,
    content,
    encrypted,
    opened,
    templates,
    vector,
)

NAMES = ("Ada Lovelace", "Grace Hopper", "Mary Somerville")


@pytest.fixture
def sealed(gallery_path: Path) -> Path:
    """An encrypted gallery of three people with two photos each."""
    with opened(encrypted(gallery_path)) as gallery:
        gallery.add_all({name: templates(name, 2) for name in NAMES}, MODEL)
    return gallery_path


def keystore_bytes(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob(path.with_suffix(".keys").name + "*"))


def traces(name: str) -> list[bytes]:
    """What would give a person away: name, photo, vector."""
    found = [name.encode()]
    for one in templates(name, 2):
        found += [one.photo_digest.encode(), one.embedding.tobytes()[:16]]
    return found


def test_everything_works_as_in_a_plain_one(sealed: Path) -> None:
    found = assert_sound(sealed)
    assert list(found) == sorted(NAMES)
    with opened(sealed) as gallery:
        assert gallery.is_encrypted
        assert gallery.keystore == sealed.with_suffix(".keys")
        assert gallery.has("Ada Lovelace", "digest of Ada Lovelace 1")
        assert not gallery.has("Ada Lovelace", "digest of Grace Hopper 1")
        assert gallery.names_with("digest of Grace Hopper 0") == {"Grace Hopper"}
        assert gallery.add("Ada Lovelace", templates("Ada Lovelace", 3), MODEL) == 1
        assert gallery.names_with("digest of Ada Lovelace 2") == {"Ada Lovelace"}
        assert len(gallery.photo_digests()) == 7
        assert set(gallery.pseudonyms().values()) == set(NAMES)
        gallery.compact()
        gallery.rename("Grace Hopper", "Rear Admiral Hopper")
        assert gallery.names_with("digest of Grace Hopper 0") == {"Rear Admiral Hopper"}
        assert not gallery.is_enrolled("Grace Hopper")
        assert [c.identity for c in gallery.search(vector("Grace Hopper 0")[None], 1)[0]] == [
            "Rear Admiral Hopper"
        ]
        gallery.add("Grace Hopper", templates("another", 1), MODEL)  # a name that another had is free
        assert len(gallery.templates("Grace Hopper")) == 1
        assert gallery.integrity() == []


def test_nothing_of_people_is_readable(sealed: Path) -> None:
    files = bytes_of(sealed) + keystore_bytes(sealed)
    assert [trace for name in NAMES for trace in traces(name) if trace in files] == []
    with Gallery(sealed.with_name("plain.gallery")) as plain:  # the same search finds them where they are
        plain.add_all({name: templates(name, 2) for name in NAMES}, MODEL)
    files = bytes_of(sealed.with_name("plain.gallery"))
    assert all(trace in files for name in NAMES for trace in traces(name))


def test_only_the_user_may_read_the_keystore(sealed: Path, tmp_path: Path) -> None:
    with opened(sealed) as gallery:
        gallery.add("Caroline Herschel", templates("Caroline Herschel", 1), MODEL)
        files = list(sealed.parent.glob(sealed.with_suffix(".keys").name + "*"))
        assert len(files) > 1
        assert [file for file in files if file.stat().st_mode & 0o077] == []
    (tmp_path / "a file").touch()
    with pytest.raises(GalleryError, match="Pass another --keystore"):
        Gallery(tmp_path / "b", key=sealed.with_suffix(".key"), keystore=tmp_path / "a file" / "keys")


def test_no_index_is_kept(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "FLAT_LIMIT", 20)
    with opened(sealed) as gallery:
        gallery.add("Ada Lovelace", templates("Ada Lovelace", 40), MODEL)
        assert gallery.search(vector("Ada Lovelace 0")[None], 1)[0][0].identity == "Ada Lovelace"
        assert gallery._searching._matcher.inverted is not None
        gallery.remove("Mary Somerville")
    assert [file.name for file in sealed.parent.iterdir() if ".index-" in file.name] == []


@pytest.mark.parametrize("size", ["float32", "float16"])
def test_precisions(gallery_path: Path, size: str, tmp_path: Path) -> None:
    new_key(tmp_path / "key")
    with Gallery(gallery_path, precision=size, key=tmp_path / "key", keystore=tmp_path / "keys") as gallery:
        gallery.add("ada", templates("ada", 3), MODEL)
        assert content(gallery) == {"ada": ["digest of ada 0", "digest of ada 1", "digest of ada 2"]}


def test_in_memory_keys_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    new_key("key")
    with Gallery(None, key="key") as gallery:
        gallery.add("ada", templates("ada", 1), MODEL)
        assert gallery.is_encrypted
        assert list(content(gallery)) == ["ada"]
    assert [file.name for file in tmp_path.iterdir()] == ["key"]


# ---------------------------------------------------------------- keys that are not right


def test_without_a_key(sealed: Path) -> None:
    with pytest.raises(KeyUnavailable, match="is encrypted"):
        Gallery(sealed)


def test_with_another_key(sealed: Path, tmp_path: Path) -> None:
    new_key(tmp_path / "another.key")
    with pytest.raises(WrongKey, match="this key does not open it"):
        Gallery(sealed, key=tmp_path / "another.key", keystore=sealed.with_suffix(".keys"))


def test_without_the_keystore(sealed: Path) -> None:
    sealed.with_suffix(".keys").unlink()
    with pytest.raises(GalleryError, match="keys of this gallery are not here"):
        opened(sealed)
    assert not sealed.with_suffix(".keys").exists()


def test_with_the_keystore_of_another_gallery(sealed: Path, tmp_path: Path) -> None:
    with Gallery(tmp_path / "b.gallery", key=sealed.with_suffix(".key"), keystore=tmp_path / "b.keys"):
        pass
    with pytest.raises(GalleryError, match="keys of another gallery"):
        Gallery(sealed, key=sealed.with_suffix(".key"), keystore=tmp_path / "b.keys")


def test_a_used_keystore_takes_no_other_gallery(sealed: Path, tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="keys of another gallery"):
        Gallery(tmp_path / "b", key=sealed.with_suffix(".key"), keystore=sealed.with_suffix(".keys"))
    assert_sound(sealed)


def test_with_an_older_copy_of_the_keystore(sealed: Path) -> None:
    keys = sealed.with_suffix(".keys")
    shutil.copy(keys, keys.with_name("old"))
    with opened(sealed) as gallery:
        gallery.add("Caroline Herschel", templates("Caroline Herschel", 1), MODEL)
    shutil.copy(keys.with_name("old"), keys)
    with opened(sealed) as gallery, pytest.raises(MissingKeys, match="lacks the keys of 1 people"):
        gallery.search(vector("Ada Lovelace 0")[None], 1)


def test_a_key_for_a_gallery_that_is_not_encrypted(gallery_path: Path, tmp_path: Path) -> None:
    with Gallery(gallery_path) as gallery:
        gallery.add("ada", templates("ada", 1), MODEL)
    new_key(tmp_path / "key")
    with pytest.raises(GalleryError, match="is not encrypted, but a key was given"):
        Gallery(gallery_path, key=tmp_path / "key")


@pytest.mark.parametrize("place", range(0, 24_000, 1_500))
def test_a_damaged_keystore_says_so(sealed: Path, place: int) -> None:
    keys = sealed.with_suffix(".keys")
    content_ = bytearray(keys.read_bytes())
    place %= len(content_)
    content_[place] ^= 0xFF
    keys.write_bytes(content_)
    with contextlib.suppress(GalleryError):  # nothing else, and never a wrong answer
        assert list(assert_sound(sealed)) == sorted(NAMES)


# ---------------------------------------------------------------- erasure


def test_destroying_a_key_erases_every_backup(sealed: Path) -> None:
    backup = sealed.with_name("backup")
    shutil.copy(sealed, backup)
    with opened(sealed) as gallery:
        (handle,) = gallery._vault.handles("Ada Lovelace")
        gallery.remove("Ada Lovelace")
    shutil.copy(backup, sealed)
    with opened(sealed) as gallery:
        assert list(content(gallery)) == ["Grace Hopper", "Mary Somerville"]
        assert gallery.integrity() == []
        with pytest.raises(MissingKeys):
            gallery._vault.opened([handle])
    assert handle not in bytes_of(sealed)  # nor is what can no longer be read kept
    assert_sound(sealed)


def test_a_wrapped_key_leaves_no_bytes(sealed: Path) -> None:
    with opened(sealed) as gallery:
        (handle,) = gallery._vault.handles("Ada Lovelace")
        ((_, wrapped),) = gallery._vault._keystore._wrapped([handle])
        assert wrapped in keystore_bytes(sealed)
        gallery.remove("Ada Lovelace")
        assert wrapped not in keystore_bytes(sealed)
        assert handle not in bytes_of(sealed)


def test_a_backup_from_before_a_renaming_can_be_used(sealed: Path) -> None:
    backup = sealed.with_name("backup")
    shutil.copy(sealed, backup)
    with opened(sealed) as gallery:
        gallery.rename("Ada Lovelace", "Ada King")
    shutil.copy(backup, sealed)
    assert list(assert_sound(sealed)) == sorted(NAMES)
    with opened(sealed) as gallery:
        assert gallery.is_enrolled("Ada Lovelace")
        assert not gallery.is_enrolled("Ada King")


def test_a_key_that_could_not_be_destroyed_is_destroyed_next(
    sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(sealed) as gallery:
        (handle,) = gallery._vault.handles("Ada Lovelace")

        def full(*_: object) -> None:
            raise ErasureIncomplete("the disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(type(gallery._vault), "destroy", full)
            with pytest.raises(ErasureIncomplete):
                gallery.remove("Ada Lovelace")
        assert gallery._vault._keystore.wrapped([handle])
    with opened(sealed) as gallery:
        gallery.add("Caroline Herschel", templates("Caroline Herschel", 1), MODEL)
        with pytest.raises(MissingKeys):
            gallery._vault._keystore.wrapped([handle])


def test_an_interrupted_enrollment_leaves_a_key_to_nothing(
    sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(sealed) as gallery:
        with monkeypatch.context() as patched:
            patched.setattr(Chunks, "write", _interrupted)
            with pytest.raises(KeyboardInterrupt):
                gallery.add("Caroline Herschel", templates("Caroline Herschel", 1), MODEL)
        assert gallery._vault.handles("Caroline Herschel")
        assert not gallery.is_enrolled("Caroline Herschel")
        gallery.add("Caroline Herschel", templates("Caroline Herschel", 1), MODEL)
    assert len(assert_sound(sealed)) == 4


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


# ---------------------------------------------------------------- encrypting, rotating


def test_encrypting_a_plain_gallery(gallery_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "FLAT_LIMIT", 20)
    with Gallery(gallery_path) as gallery:
        gallery.add_all({name: templates(name, 20) for name in NAMES}, MODEL)
        gallery.search(vector("Ada Lovelace 0")[None], 1)
        before = gallery.everyone()
        assert any(".index-" in file.name for file in gallery_path.parent.iterdir())
        encrypted(gallery_path)
        gallery.encrypt(gallery_path.with_suffix(".key"), gallery_path.with_suffix(".keys"))
        assert [c.identity for c in gallery.search(vector("Ada Lovelace 0")[None], 1)[0]] == ["Ada Lovelace"]
        with pytest.raises(GalleryError, match="is encrypted already"):
            gallery.encrypt(gallery_path.with_suffix(".key"))
    assert not any(".index-" in file.name for file in gallery_path.parent.iterdir())
    files = bytes_of(gallery_path) + keystore_bytes(gallery_path)
    assert [trace for name in NAMES for trace in traces(name) if trace in files] == []
    assert_sound(gallery_path)
    with opened(gallery_path) as gallery:
        after = gallery.everyone()
    for name in NAMES:
        for a, b in zip(before[name], after[name], strict=True):
            assert (a.photo_digest, a.enrolled_at, a.how) == (b.photo_digest, b.enrolled_at, b.how)
            np.testing.assert_array_equal(a.embedding, b.embedding)


def test_who_had_it_open_before_must_open_it_again(gallery_path: Path) -> None:
    with Gallery(gallery_path) as stale, Gallery(gallery_path) as gallery:
        gallery.add("ada", templates("ada", 2), MODEL)
        stale.search(vector("ada 0")[None], 1)
        encrypted(gallery_path)
        gallery.encrypt(gallery_path.with_suffix(".key"), gallery_path.with_suffix(".keys"))
        for use in (
            lambda: stale.add("bob", templates("bob", 1), MODEL),
            lambda: stale.search(vector("ada 0")[None], 1),
            stale.people,
            stale.everyone,
            lambda: stale.remove("ada"),
        ):
            with pytest.raises(KeyUnavailable, match="was encrypted since it was opened"):
                use()
    assert b"bob" not in bytes_of(gallery_path)


def test_rotation(sealed: Path) -> None:
    key, new = sealed.with_suffix(".key"), sealed.with_suffix(".new")
    new_key(new)
    with opened(sealed) as other, opened(sealed) as gallery:
        (handle,) = gallery._vault.handles("Ada Lovelace")
        ((_, wrapped),) = gallery._vault._keystore._wrapped([handle])
        gallery.rotate(new)
        assert gallery.is_enrolled("Ada Lovelace")
        with pytest.raises(WrongKey, match="rotated"):
            other.people()
    assert wrapped not in keystore_bytes(sealed)
    with pytest.raises(WrongKey):
        opened(sealed)
    new.replace(key)
    assert list(assert_sound(sealed)) == sorted(NAMES)
    with opened(sealed) as gallery:
        assert [entry.event for entry in gallery.log()][-1] == "rotate"


def test_only_an_encrypted_gallery_can_be_rotated(gallery_path: Path) -> None:
    with Gallery(gallery_path) as gallery, pytest.raises(GalleryError, match="is not encrypted"):
        gallery.rotate("key")


def test_export_and_import_change_the_kind(sealed: Path, tmp_path: Path) -> None:
    with opened(sealed) as gallery:
        Portable.of(gallery).write(tmp_path / "people.npz")
        before = content(gallery)
    with Gallery(tmp_path / "plain.gallery") as plain:
        Portable.read(tmp_path / "people.npz").into(plain)
        assert content(plain) == before


# ---------------------------------------------------------------- where keys come from


KEY = bytes(range(32))


@pytest.mark.parametrize(
    "text", [KEY, KEY.hex().encode(), base64.b64encode(KEY), base64.b64encode(KEY) + b"\n"], ids=repr
)
def test_a_key_in_a_file(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(text)
    path.chmod(0o600)
    assert load_key(path) == load_key(f"file:{path}") == KEY


@pytest.mark.parametrize("text", [b"", b"a secret!", KEY[:31], b"\xff" * 64, b"=" * 44], ids=repr)
def test_what_is_no_key(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(text)
    path.chmod(0o600)
    with pytest.raises(KeyUnavailable, match="is no key") as caught:
        load_key(path)
    assert not text or text.decode("latin-1") not in str(caught.value)


def test_a_key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", base64.b64encode(KEY).decode())
    assert load_key("env:A_KEY") == KEY
    with pytest.raises(KeyUnavailable, match="env:NO_KEY: this variable is not set"):
        load_key("env:NO_KEY")


def test_a_new_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    new_key(path)
    first = load_key(path)
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(KeyUnavailable, match="is there already"):
        new_key(path)
    assert load_key(path) == first
    new_key(tmp_path / "other")
    assert load_key(tmp_path / "other") != first
    with pytest.raises(KeyUnavailable, match="cannot be read"):
        load_key(tmp_path / "none")
    with pytest.raises(KeyUnavailable, match="cannot be written"):
        new_key(tmp_path / "no folder" / "key")


def test_a_key_that_others_may_read_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "key"
    path.write_bytes(secrets.token_bytes(32))
    path.chmod(0o644)
    load_key(path)
    assert "others on this machine may read this key" in caplog.text


def test_a_key_in_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = pytest.importorskip("keyring")
    kept: dict[tuple[str, str], str] = {}

    def get(service: str, name: str) -> str | None:
        if name == "locked":
            raise keyring.errors.KeyringLocked("locked")
        return kept.get((service, name))

    monkeypatch.setattr(keyring, "get_password", get)
    monkeypatch.setattr(
        keyring, "set_password", lambda service, name, text: kept.update({(service, name): text})
    )
    with pytest.raises(KeyUnavailable, match="no such key"):
        load_key("keyring:people")
    new_key("keyring:people")
    assert len(load_key("keyring:people")) == 32
    assert list(kept) == [("recog", "people")]
    with pytest.raises(KeyUnavailable, match="is there already"):
        new_key("keyring:people")
    for ask in (load_key, new_key):
        with pytest.raises(KeyUnavailable, match=r"refuses \(locked\)"):
            ask("keyring:locked")
