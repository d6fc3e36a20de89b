"""What was interrupted is finished by the next who opens the gallery, or by trying again."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from recog.errors import ErasureIncomplete, GalleryError, KeyUnavailable, MissingKeys
from recog.gallery import Gallery, store
from recog.gallery.chunks import Chunks
from recog.gallery.keystore import Keystore
from recog.gallery.store import Store
from recog.gallery.vault import OpenedKeys, Sealed
from tests.recog.gallery.tools import (
    MODEL,
    assert_sound,
    bytes_of,
    encrypted,
    opened,
    templates,
    vector,
)

NAMES = ("Ada Lovelace", "Grace Hopper", "Mary Somerville")


def fill(path: Path) -> Path:
    with opened(path) as gallery:
        gallery.add_all({name: templates(name, 2) for name in NAMES}, MODEL)
    return path


def fail(*_: object) -> None:
    raise ErasureIncomplete("the disk is full")


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_opening_destroys_a_key_that_was_to_be_destroyed(
    gallery_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fill(encrypted(gallery_path))
    backup = path.with_name("backup")
    shutil.copy(path, backup)
    with opened(path) as gallery, monkeypatch.context() as patched:
        (handle,) = gallery._vault.handles("Ada Lovelace")
        patched.setattr(Sealed, "destroy", fail)
        with pytest.raises(ErasureIncomplete):
            gallery.remove("Ada Lovelace")
    with opened(path) as gallery, pytest.raises(MissingKeys):
        gallery._vault.opened([handle])
    shutil.copy(backup, path)
    assert list(assert_sound(path)) == ["Grace Hopper", "Mary Somerville"]


def test_a_later_removal_does_not_take_an_earlier_one_for_done(
    gallery_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fill(gallery_path)
    looked_for: list[object] = []
    purge = Store.purge
    with Gallery(path) as gallery:
        with monkeypatch.context() as patched:
            patched.setattr(Store, "purge", fail)
            with pytest.raises(ErasureIncomplete):
                gallery.remove("Ada Lovelace")
        monkeypatch.setattr(
            Store, "purge", lambda self, traces=None: (looked_for.append(traces), purge(self, traces))
        )
        gallery.remove("Grace Hopper")
        gallery.remove("Mary Somerville")
    assert looked_for[0] is None  # what ada left nobody knows any more: the file is rewritten
    assert looked_for[1]


def test_renaming_does_not_rewrite_a_large_file(gallery_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "REWRITTEN", 0)
    path = fill(gallery_path)
    statements: list[str] = []
    with Gallery(path) as gallery:
        gallery.add("Rosalind Franklin", templates("somebody", 2), MODEL)
        gallery._store.db.set_trace_callback(statements.append)
        gallery.rename("Rosalind Franklin", "Ros")
    assert statements
    assert "VACUUM" not in statements
    assert b"Rosalind Franklin" not in bytes_of(path)


def test_a_failed_encryption_leaves_a_gallery_that_works(
    gallery_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fill(gallery_path)
    with Gallery(path) as gallery:
        encrypted(path)
        for _ in range(2):
            with monkeypatch.context() as patched:
                patched.setattr(Chunks, "write", interrupt)
                with pytest.raises(KeyboardInterrupt):
                    gallery.encrypt(path.with_suffix(".key"), path.with_suffix(".keys"))
            assert not gallery.is_encrypted
            assert len(gallery.people()) == 3
        gallery.add("Caroline Herschel", templates("Caroline Herschel", 200), MODEL)
        gallery.encrypt(path.with_suffix(".key"), path.with_suffix(".keys"))
    assert len(assert_sound(path)) == 4
    assert b"Ada" not in bytes_of(path)


def test_an_encryption_that_was_killed_can_be_repeated(gallery_path: Path) -> None:
    """Plain or encrypted, never between; and the same call completes it."""
    path = fill(gallery_path)
    with Gallery(path) as gallery:
        gallery.add("Caroline Herschel", templates("Caroline Herschel", 400), MODEL)
    encrypted(path)
    key, keys = path.with_suffix(".key"), path.with_suffix(".keys")
    program = (
        "import sys; from recog.gallery import Gallery; gallery = Gallery(sys.argv[1]); print(flush=True); "
        "gallery.encrypt(sys.argv[2], sys.argv[3])"
    )
    rng = np.random.default_rng(0)
    kept = path.with_name("kept")
    shutil.copy(path, kept)
    for _ in range(8):
        command = [sys.executable, "-c", program, str(path), str(key), str(keys)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(float(rng.exponential(0.02)))
        process.kill()
        process.wait()
        process.stdout.close()
        try:
            with Gallery(path) as gallery:
                assert len(gallery.everyone()) == 4
                gallery.encrypt(key, keys)
        except KeyUnavailable:
            pass
        assert len(assert_sound(path)) == 4
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        for file in path.parent.glob(f"{keys.name}*"):
            file.unlink()
        shutil.copy(kept, path)


def test_a_plain_copy_of_the_keystore_of_an_open_gallery_can_be_used(gallery_path: Path) -> None:
    path = encrypted(gallery_path)
    keys = path.with_suffix(".keys")
    with opened(path) as gallery:
        gallery.add_all({name: templates(name, 2) for name in NAMES}, MODEL)
        gallery.rename("Ada Lovelace", "Ada King")
        shutil.copy(keys, keys.with_name("copy"))
    with Gallery(path, key=path.with_suffix(".key"), keystore=keys.with_name("copy")) as gallery:
        assert gallery.is_enrolled("Ada King")
        assert len(gallery.everyone()) == 3


def test_a_keystore_is_not_taken_from_a_gallery_that_is_open(gallery_path: Path) -> None:
    path = encrypted(gallery_path)
    with opened(path) as gallery:
        with Gallery(path.with_name("b"), key=path.with_suffix(".key"), keystore=path.with_suffix(".keys")):
            pass  # as yet nobody had a key there
        with pytest.raises(GalleryError, match="keys of another gallery"):
            gallery.add("Ada Lovelace", templates("Ada Lovelace", 1), MODEL)


def test_decryption_keeps_nobody_waiting(gallery_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader in a transaction would delay erasure by as long as it takes to decrypt everything."""
    path = fill(encrypted(gallery_path))
    content, within = OpenedKeys.content, []
    with opened(path) as gallery:

        def watched(self: OpenedKeys, handle: bytes, stored: bytes) -> bytes:
            within.append(gallery._store.db.in_transaction)
            return content(self, handle, stored)

        monkeypatch.setattr(OpenedKeys, "content", watched)
        assert gallery.search(vector("Ada Lovelace 0")[None], 1)[0][0].identity == "Ada Lovelace"
    assert within == [False] * 6


def test_somebody_erased_while_vectors_are_decrypted(
    gallery_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fill(encrypted(gallery_path))
    wrapped = Keystore.wrapped
    with opened(path) as other, opened(path) as gallery:

        def late(self: Keystore, numbers: object) -> dict[bytes, bytes]:
            monkeypatch.setattr(Keystore, "wrapped", wrapped)
            other.remove("Ada Lovelace")
            return wrapped(self, numbers)  # type: ignore[arg-type]

        monkeypatch.setattr(Keystore, "wrapped", late)
        found = gallery.search(vector("Ada Lovelace 0")[None], 3)
    assert sorted(candidate.identity for candidate in found[0]) == ["Grace Hopper", "Mary Somerville"]
