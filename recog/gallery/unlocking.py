"""Opening a gallery's vault, and reading the gallery while others destroy keys."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from recog.errors import GalleryError, KeyUnavailable, MissingKeys
from recog.gallery.store import Store
from recog.gallery.vault import Plain, Sealed, Vault
from recog.keys import load_key

T = TypeVar("T")
KeySource = str | os.PathLike[str]  # see `recog.keys`


def unlock(store: Store, key: KeySource | None, keystore: Path | None) -> Vault:
    """What reads a gallery; one in which nobody was ever enrolled is encrypted when a key is given.

    Raises: KeyUnavailable; WrongKey; GalleryError: not encrypted, and a key was given.
    """
    number, revision = store.row("SELECT vault, revision FROM gallery")
    if number is not None and key is None:
        raise KeyUnavailable(
            f"{store}: is encrypted. Pass --key with the file of its key, env:VARIABLE or keyring:NAME."
        )
    if key is None:
        return Plain(store)
    if number is not None:
        return _sealed(store, number, key, keystore)
    if revision:
        raise GalleryError(
            f"{store}: is not encrypted, but a key was given. Leave it away, or first: recog keys encrypt"
        )
    with store.writing():
        if store.row("SELECT vault IS NULL AND revision = 0 FROM gallery")[0]:
            return new_vault(store, key, keystore)
    return unlock(store, key, keystore)  # another process was quicker


def new_vault(store: Store, key: KeySource, keystore: Path | None) -> Vault:
    """A new keystore, which the gallery now points to; inside the caller's transaction."""
    number = secrets.token_bytes(16)
    vault = _sealed(store, number, key, keystore, create=True)
    store.rows("UPDATE gallery SET vault = ?", number)
    return vault


def _sealed(
    store: Store, number: bytes, key: KeySource, keystore: Path | None, *, create: bool = False
) -> Sealed:
    from recog.gallery.keystore import Keystore, usual_place

    if not isinstance(number, bytes):
        raise store.damaged("which keystore it has")
    place = None if store.path is None else keystore or usual_place(number)
    return Sealed(store, Keystore(place, number, load_key(key), create=create), number)


def revision_of(store: Store, vault: Vault) -> int:
    """The gallery's revision. Raises: KeyUnavailable: it was encrypted since it was opened."""
    revision, number = store.row("SELECT revision, vault FROM gallery")
    if number != vault.id:
        raise KeyUnavailable(f"{store}: was encrypted since it was opened. Open it again, with its key.")
    return int(revision)


def steadily(store: Store, vault: Vault, read: Callable[[], T]) -> T:
    """What `read` gives at one moment of the file; tried again when people it read of have been erased.

    Their keys are destroyed outside the gallery's transactions.
    """
    while True:
        revision = revision_of(store, vault)
        try:
            with store.reading():
                return read()
        except MissingKeys:
            if revision_of(store, vault) == revision:
                raise
