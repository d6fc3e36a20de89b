"""The keys of an encrypted gallery: one for each person, wrapped by the master key, in a file of their own.

It stands apart from the gallery and its backups: destroying a person's key here makes what any copy of the
gallery holds of them unreadable. What is left of a destroyed key is its random number, so that a copy can
tell who was erased from a keystore that is not the right one.

Keys are wrapped by AES-256-GCM. A name leads to its key by an HMAC under a secret that is wrapped, too.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import platformdirs

from recog.errors import GalleryError, KeyUnavailable, MissingKeys, WrongKey
from recog.gallery.store import Kind, Store
from recog.keys import INSTALL, KEY_BYTES

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError as error:
    raise KeyUnavailable(f"Encryption needs another package: {INSTALL}") from error

NONCE_BYTES, TAG_BYTES = 12, 16
OVERHEAD = NONCE_BYTES + TAG_BYTES  # bytes that sealing adds

KEYSTORE = Kind(
    "keystore",
    0x52634B79,  # "RcKy"
    "Pass --keystore with the file that belongs to the gallery.",
    (
        (
            # one row: whose keys these are, and a secret by which names are found
            """CREATE TABLE keystore (
                id INTEGER PRIMARY KEY CHECK (id = 1),
                gallery BLOB NOT NULL,          -- 16 random bytes, as in the gallery
                secret BLOB NOT NULL            -- 32 bytes, wrapped
            )""",
            """CREATE TABLE key (
                id BLOB PRIMARY KEY,            -- 16 random bytes: the person's handle in the gallery
                wrapped BLOB NOT NULL
            ) WITHOUT ROWID""",
            # every name that a person ever had, so that older copies of the gallery can be used, too
            """CREATE TABLE mark (
                name BLOB NOT NULL,             -- HMAC-SHA256 under the secret
                key BLOB NOT NULL,
                PRIMARY KEY (name, key)
            ) WITHOUT ROWID""",
            "CREATE INDEX mark_of ON mark (key)",
            "CREATE TABLE destroyed (number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE)",
        ),
    ),
)


def usual_place(gallery: bytes) -> Path:
    """Where the keys of a gallery are kept: in the user's data folder, apart from the default gallery."""
    return Path(platformdirs.user_data_dir("recog-keys", appauthor=False)) / f"{gallery.hex()}.keystore"


def _make_private(path: Path) -> None:
    """An empty file that only the user may read; SQLite's other files take after it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT, 0o600))
    except OSError as error:
        raise GalleryError(
            f"{path}: cannot be written ({error.strerror}). Pass another --keystore."
        ) from error


class Sealer:
    """AES-256-GCM under one key: random nonce, content, tag."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, content: bytes, purpose: bytes) -> bytes:
        """Encrypted content, `OVERHEAD` bytes longer; opens only for the same purpose."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, purpose)

    def open(self, sealed: bytes, purpose: bytes) -> bytes:
        """What was sealed. Raises: ValueError: with another key, for another purpose, or damaged."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose)
        except (InvalidTag, TypeError) as error:
            raise ValueError("cannot be opened") from error


class Keystore:
    """An open keystore. Safe to share between threads and processes."""

    def __init__(self, path: Path | None, gallery: bytes, master: bytes, *, create: bool = False) -> None:
        """
        Args:
            path: the file; None keeps keys in memory, for a gallery in memory.
            gallery: whose keys they are.
            master: 32 bytes.
        Raises: WrongKey; GalleryError: it is missing, damaged, or belongs to another gallery.
        """
        if path is not None and not create and not path.exists():
            raise GalleryError(
                f"{path}: the keys of this gallery are not here. {KEYSTORE.remedy} It is kept where the "
                "gallery was made, and nothing can be read without it."
            )
        if create and path is not None:
            _make_private(path)
        self._store = Store(path, KEYSTORE)
        try:
            self._master, self._gallery = Sealer(master), gallery
            if create:
                self._begin()
            self._secret = self._opened()
        except BaseException:
            self._store.close()
            raise

    def __str__(self) -> str:
        return str(self._store)

    @property
    def path(self) -> Path | None:
        """The file."""
        return self._store.path

    def close(self) -> None:
        """Release the file."""
        self._store.close()

    # ---------------------------------------------------------------- keys of people

    def make(self, names: Sequence[str]) -> list[bytes]:
        """A new key for each of these names; gives their numbers (16 bytes)."""
        numbers = [secrets.token_bytes(16) for _ in names]
        with self._store.writing():
            self._opened()  # the master key may have been rotated since
            rows = [(number, self._master.seal(secrets.token_bytes(KEY_BYTES), number)) for number in numbers]
            self._store.many("INSERT INTO key VALUES (?, ?)", rows)
            marks = [(self._marked(name), number) for number, name in zip(numbers, names, strict=True)]
            self._store.many("INSERT INTO mark VALUES (?, ?)", marks)
        self._store.settle()
        return numbers

    def mark(self, number: bytes, name: str) -> None:
        """Let another name lead to a key, too."""
        with self._store.writing():
            self._opened()
            self._store.rows("INSERT OR IGNORE INTO mark VALUES (?, ?)", self._marked(name), number)
        self._store.settle()

    def numbers(self, name: str) -> list[bytes]:
        """Those of keys of people who have, or had, this name."""
        rows = self._store.rows("SELECT key FROM mark WHERE name = ?", self._marked(name))
        return [number for (number,) in rows]

    def wrapped(self, numbers: Collection[bytes] | None) -> dict[bytes, bytes]:
        """The wrapped keys of several people (None: all). Raises: MissingKeys."""
        found = dict(self._wrapped(numbers))
        missing = 0 if numbers is None else len(set(numbers) - set(found))
        if missing:
            raise MissingKeys(
                f"{self}: lacks the keys of {missing} people: it is another keystore, or an older copy. "
                f"{KEYSTORE.remedy}"
            )
        return found

    def sealer(self, number: bytes, wrapped: bytes) -> Sealer:
        """What a wrapped key opens. Raises: WrongKey; GalleryError: it is damaged."""
        return Sealer(self._key(number, wrapped))

    def destroy(self, numbers: Collection[bytes]) -> None:
        """Erase keys. Raises: ErasureIncomplete: they are gone, but not from the file's bytes."""
        rows = [(number,) for number in numbers]
        with self._store.writing():
            wrapped = [content for _, content in self._wrapped(numbers)]
            self._store.many("DELETE FROM key WHERE id = ?", rows)
            self._store.many("DELETE FROM mark WHERE key = ?", rows)
            self._store.many("INSERT OR IGNORE INTO destroyed (id) VALUES (?)", rows)
        self._store.purge(wrapped if len(wrapped) == len(rows) else None)  # None: tried before

    def destroyed(self, after: int) -> tuple[int, set[bytes]]:
        """How many keys were ever destroyed, and the numbers of those after the first `after`."""
        rows = self._store.rows("SELECT number, id FROM destroyed WHERE number > ? ORDER BY number", after)
        (last,) = self._store.row("SELECT IFNULL(MAX(number), 0) FROM destroyed")
        return int(last), {number for _, number in rows}

    # ---------------------------------------------------------------- the master key

    def rotate(self, master: bytes) -> None:
        """Wrap everything by another master key; the old one opens nothing any more.

        Raises: WrongKey; ErasureIncomplete: done, but the old wrapping stays in the file's bytes for now.
        """
        other = Sealer(master)
        with self._store.writing():
            secret = self._opened()
            keys = [(number, self._key(number, wrapped)) for number, wrapped in self._wrapped(None)]
            self._store.many(
                "UPDATE key SET wrapped = ? WHERE id = ?",
                [(other.seal(key, number), number) for number, key in keys],
            )
            self._store.rows("UPDATE keystore SET secret = ?", other.seal(secret, b"secret"))
            self._master = other
        self._store.purge()

    # ---------------------------------------------------------------- inside

    def _begin(self) -> None:
        """Make it this gallery's, unless it is already: by an encryption that was interrupted."""
        with self._store.writing():
            held = self._store.rows("SELECT gallery FROM keystore")
            if held and held[0][0] == self._gallery:
                return
            (used,) = self._store.row("SELECT EXISTS (SELECT 1 FROM key) OR EXISTS (SELECT 1 FROM destroyed)")
            if used:
                raise GalleryError(f"{self}: holds the keys of another gallery. Choose another path.")
            secret = self._master.seal(secrets.token_bytes(KEY_BYTES), b"secret")
            self._store.rows("INSERT OR REPLACE INTO keystore VALUES (1, ?, ?)", self._gallery, secret)

    def _opened(self) -> bytes:
        """The secret. Raises: WrongKey; GalleryError: keys of another gallery."""
        gallery, wrapped = self._store.row("SELECT gallery, secret FROM keystore")
        if gallery != self._gallery:
            raise GalleryError(f"{self}: holds the keys of another gallery. {KEYSTORE.remedy}")
        try:
            return self._master.open(wrapped, b"secret")
        except ValueError as error:
            raise WrongKey(
                f"{self}: this key does not open it. Pass --key with the one that the gallery was encrypted "
                "with, or that it was rotated to."
            ) from error

    def _marked(self, name: str) -> bytes:
        return hmac.new(self._secret, name.encode(), hashlib.sha256).digest()

    def _wrapped(self, numbers: Collection[bytes] | None) -> Iterator[tuple[bytes, bytes]]:
        if numbers is None:
            yield from self._store.rows("SELECT id, wrapped FROM key")
            return
        yield from self._store.rows_among("SELECT id, wrapped FROM key WHERE id IN {}", set(numbers))

    def _key(self, number: bytes, wrapped: Any) -> bytes:
        try:
            return self._master.open(wrapped, number)
        except ValueError as error:
            self._opened()  # says so where the master key is another
            raise self._store.damaged("a wrapped key") from error
