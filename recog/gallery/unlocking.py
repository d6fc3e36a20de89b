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
    reserve(store)
    with store.writing():
        if store.row("SELECT vault IS NULL AND revision = 0 FROM gallery")[0]:
            return new_vault(store, key, keystore)
    return unlock(store, key, keystore)  # another process was quicker


def reserve(store: Store) -> None:
    """Settle the number of a gallery's vault: a second try after a crash finds the keystore of the first."""
    with store.writing():
        store.rows("UPDATE gallery SET reserved = ? WHERE reserved IS NULL", secrets.token_bytes(16))


def new_vault(store: Store, key: KeySource, keystore: Path | None) -> Vault:
    """That of the reserved number, which the gallery has from now on; inside the caller's transaction."""
    (number,) = store.row("SELECT reserved FROM gallery")
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
    return steadily_opened(store, vault, lambda: _ready(read()))


def steadily_opened(store: Store, vault: Vault, fetch: Callable[[], Callable[[], T]]) -> T:
    """The same in two steps: what is fetched at one moment of the file is opened after it.

    As much as can be belongs into the second step: who reads delays erasure.
    """
    while True:
        revision = revision_of(store, vault)
        try:
            with store.reading():
                opened = fetch()
            return opened()
        except MissingKeys:
            if revision_of(store, vault) == revision:
                raise


def _ready(found: T) -> Callable[[], T]:
    return lambda: found
