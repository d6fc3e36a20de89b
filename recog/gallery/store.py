"""The SQLite file under a gallery: its transactions, its version, and bytes that are really gone."""

from __future__ import annotations

import contextlib
import hashlib
import random
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recog.errors import ErasureIncomplete, GalleryError, NoGallery
from recog.gallery.migrations import MIGRATIONS, Step

MANY = 500  # values in a statement
BUSY_TIMEOUT_MS = 60_000
ERASURE_TIMEOUT_MS = 10_000  # how long a removal waits for readers before it says that erasure is pending
REWRITTEN = (
    32 << 20
)  # bytes: files up to this are rewritten at every erasure, larger ones looked through first


def handle_of(salt: bytes, name: str) -> bytes:
    """16 bytes by which a name is found; not the name."""
    return hashlib.sha256(salt + name.encode()).digest()[:16]


def seal_of(*values: object) -> bytes:
    """A digest of values, stored beside them to see damage."""
    return hashlib.sha256(repr(values).encode()).digest()


def packed(digest: str) -> bytes | str:
    """A hexadecimal SHA-256 in half the bytes (which also do not spell "ada"); other strings as they are."""
    if len(digest) == 64 and set(digest) <= set("0123456789abcdef"):
        return bytes.fromhex(digest)
    return digest


def unpacked(stored: bytes | str) -> str:
    """What `packed` made."""
    return stored.hex() if isinstance(stored, bytes) else stored


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file: what it is called, how it is told from others, and what is in it."""

    noun: str
    application_id: int  # in the file's header: tells it from any other SQLite file
    remedy: str  # where there is none
    migrations: Sequence[Sequence[Step]]


APPLICATION_ID = 0x5265636F  # "Reco"
GALLERY = Kind("gallery", APPLICATION_ID, "First: recog enroll NAME PHOTO...", MIGRATIONS)


class Store:
    """One SQLite file. Safe to share between threads; other processes may use it too."""

    def __init__(self, path: Path | None, kind: Kind = GALLERY, *, create: bool = True) -> None:
        """
        Args:
            path: the file; None keeps everything in memory.
        Raises: GalleryError: missing, of another kind, made by a newer version, or not accessible.
        """
        self.path, self._kind = path, kind
        self._lock = threading.RLock()
        if path is not None and not path.exists():
            if not create:
                raise NoGallery(f"{path}: no {kind.noun} here. {kind.remedy}")
            with self.reporting():
                path.parent.mkdir(parents=True, exist_ok=True)
        with self.reporting():
            self.db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self.db.close()
                raise

    def __str__(self) -> str:
        return str(self.path or f"{self._kind.noun} in memory")

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self.db.close()

    def damaged(self, what: str) -> GalleryError:
        """The error that says what is not as it was written."""
        return GalleryError(
            f"{self}: is damaged ({what}). Restore a backup, or enroll again into a new gallery."
        )

    def rows(self, query: str, *values: object) -> list[Any]:
        """All rows of a query."""
        with self._lock, self.reporting():
            return self.db.execute(query, values).fetchall()

    def row(self, query: str, *values: object) -> Any:
        """The first row of a query that has one. Raises: GalleryError: it has none."""
        found = self.rows(query, *values)
        if not found:
            raise self.damaged("a row is missing")
        return found[0]

    def rows_among(self, query: str, values: Collection[object]) -> Iterator[Any]:
        """All rows of a query that has `{}` in the place of a list of values; any number of them."""
        wanted = list(values)
        for start in range(0, len(wanted), MANY):
            part = wanted[start : start + MANY]
            yield from self.rows(query.format(f"({', '.join('?' * len(part))})"), *part)

    def settle(self) -> None:
        """Bring what is in the write-ahead log into the file, so that a copy of the file has it."""
        with contextlib.suppress(sqlite3.Error), self._lock:
            self.db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def many(self, query: str, values: Sequence[Sequence[object]]) -> None:
        """A statement for each of the values."""
        with self._lock, self.reporting():
            self.db.executemany(query, values)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """One change, all of it or nothing."""
        with self._lock, self.reporting(), self._transaction("IMMEDIATE"):
            yield

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """One moment of the file. Keep it short: a reader keeps erased bytes in the write-ahead log."""
        with self._lock, self.reporting(), self._transaction("DEFERRED"):
            yield

    # ---------------------------------------------------------------- erasure

    def purge(self, traces: Sequence[bytes] | None = None) -> None:
        """Leave no bytes of what was deleted in the file, nor in its write-ahead log.

        SQLite zeroes deleted cells (secure_delete), but splits of its pages may have left copies.

        Args:
            traces: byte strings that must be gone: a large file is rewritten only where one is found. None:
                nobody knows any more, so it is rewritten.
        Raises: ErasureIncomplete: another program is reading or writing, or the disk is full.
        """
        try:
            with self._lock, self._impatient():
                self._empty_log()
                if traces is None or self._size() <= REWRITTEN or self._holds(traces):
                    self.db.execute("VACUUM")
                    self._empty_log()
        except (sqlite3.Error, OSError) as error:
            raise ErasureIncomplete(
                f"{self}: the change is made, but erasure is pending, old bytes stay in the file: "
                f"{_remedy(error, self._kind.noun)} The next change finishes it, or: recog doctor"
            ) from error

    @contextlib.contextmanager
    def _impatient(self) -> Iterator[None]:
        self.db.execute(f"PRAGMA busy_timeout = {ERASURE_TIMEOUT_MS}")
        try:
            yield
        finally:
            self.db.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")

    def _empty_log(self) -> None:
        """Readers must end first. Of two that empty the log SQLite turns one away at once: it tries again."""
        deadline = time.monotonic() + ERASURE_TIMEOUT_MS / 1000
        while self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            if time.monotonic() > deadline:
                raise sqlite3.OperationalError("busy")
            time.sleep(random.uniform(0.001, 0.02))

    def _size(self) -> int:
        (pages,), (size,) = (self.db.execute(f"PRAGMA {p}").fetchone() for p in ("page_count", "page_size"))
        return int(pages) * int(size)

    def _holds(self, traces: Sequence[bytes]) -> bool:
        """Whether a byte string is anywhere in the file, its unused parts included."""
        # through SQLite: another handle on the file would drop the process's locks when it is closed
        content = self.db.serialize()
        return any(trace in content for trace in traces)

    def integrity(self) -> list[str]:
        """What SQLite finds wrong with the file; empty when it is sound."""
        found = [row[0] for row in self.rows("PRAGMA integrity_check") if row[0] != "ok"]
        return found + [f"{row[0]} {row[1]} is an orphan" for row in self.rows("PRAGMA foreign_key_check")]

    # ---------------------------------------------------------------- inside

    def _prepare(self) -> None:
        self.db.create_function("handle_of", 2, handle_of, deterministic=True)
        self.db.create_function("seal_of", -1, seal_of, deterministic=True)
        self.db.create_function("packed", 1, packed, deterministic=True)
        self.db.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        with self._transaction("DEFERRED"):  # one moment of the file: another process may be making it
            self._check_file()
        self._use_write_ahead_log()
        self.db.execute("PRAGMA secure_delete = ON")
        self.db.execute("PRAGMA foreign_keys = ON")
        with self._transaction("IMMEDIATE"):
            self._migrate(self._check_file())

    def _migrate(self, done: int) -> None:
        for number, steps in enumerate(self._kind.migrations[done:], start=done + 1):
            for step in steps:
                try:
                    step(self.db) if callable(step) else self.db.execute(step)
                except (TypeError, ValueError, OverflowError) as error:
                    raise self.damaged("what an older version wrote") from error
            self.db.execute(f"PRAGMA user_version = {number}")
        if done == 0:
            self.db.execute(f"PRAGMA application_id = {self._kind.application_id}")

    def _use_write_ahead_log(self) -> None:
        """SQLite does not wait for its turn when it changes the journal, so we do."""
        deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
        while True:
            try:
                self.db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _check_file(self) -> int:
        """The file's version; 0 for a new file."""
        (tables,) = self.row("SELECT COUNT(*) FROM sqlite_master")  # first: it takes the snapshot
        (application,) = self.row("PRAGMA application_id")
        (version,) = self.row("PRAGMA user_version")
        noun, known = self._kind.noun, len(self._kind.migrations)
        if application != self._kind.application_id and (application or version or tables):
            raise GalleryError(f"{self} is a database of another program, not a {noun}. Choose another path.")
        if version > known:
            raise GalleryError(
                f"{self} is a {noun} of version {version}; this recog knows {known}. Upgrade it."
            )
        return int(version)

    @contextlib.contextmanager
    def _transaction(self, kind: str) -> Iterator[None]:
        self.db.execute(f"BEGIN {kind}")
        try:
            yield
        except BaseException:
            if self.db.in_transaction:  # on a full disk SQLite has rolled back by itself
                self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    @contextlib.contextmanager
    def reporting(self) -> Iterator[None]:
        """Errors of SQLite and of the disk become ours, with what to do."""
        try:
            yield
        except UnicodeDecodeError as error:  # damage in what should be text, an error message included
            raise self.damaged("text that is none") from error
        except (sqlite3.Error, OSError) as error:
            raise GalleryError(f"{self}: {_remedy(error, self._kind.noun)}") from error


REMEDIES: tuple[tuple[str, str], ...] = (
    ("not a database", "is not a {noun} file. Choose another path."),
    (
        "locked|busy",
        f"another program has been using it for over {BUSY_TIMEOUT_MS // 1000} s. Try again later.",
    ),
    ("unable to open", "cannot be opened. Check that it is a file, and that its folder can be written."),
    ("readonly", "cannot be written. Check its permissions."),
    ("malformed|no such|damaged", "is damaged. Restore a backup, or enroll again into a new gallery."),
)


def _remedy(error: sqlite3.Error | OSError, noun: str) -> str:
    text = str(error)
    for causes, remedy in REMEDIES:
        if any(cause in text for cause in causes.split("|")):
            return remedy.format(noun=noun)
    return f"the {noun} cannot be used ({text}). Check the disk and the file's permissions."
