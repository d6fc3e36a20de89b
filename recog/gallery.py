"""The people and their templates: one SQLite file, which is the truth.

It remembers which model made its vectors and refuses those of another. What is removed leaves no bytes
behind in the file or its write-ahead log.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.errors import DataError, ErasureIncomplete, GalleryError, ModelMismatch, UnknownIdentity
from recog.migrations import MIGRATIONS
from recog.records import Calibration, Model, Person, Snapshot, Template, clean_name
from recog.types import Purpose

APPLICATION_ID = 0x5265636F  # "Reco", in the file's header: tells a gallery from any other SQLite file
BUSY_TIMEOUT_MS = 10_000
JOINED = "template JOIN identity ON identity.id = identity_id"
CALIBRATION = ", ".join(field.name for field in fields(Calibration))  # columns bear the fields' names


class Gallery:
    """An open gallery file. Safe to share between threads, and between processes."""

    def __init__(self, path: Path | str | None, *, create: bool = True) -> None:
        """
        Args:
            path: the file; None keeps everything in memory.
            create: make the file when it is missing.
        Raises: GalleryError: missing, not a gallery, made by a newer version, or not accessible.
        """
        self.path = None if path is None else Path(path)
        self._lock = threading.RLock()
        if self.path is not None and not self.path.exists():
            if not create:
                raise GalleryError(f"{path}: no gallery here. First: recog enroll NAME PHOTO...")
            with self._reporting():
                self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._reporting():
            self._db = sqlite3.connect(self.path or ":memory:", isolation_level=None, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._db.close()

    def __str__(self) -> str:
        return str(self.path or "gallery in memory")

    # ---------------------------------------------------------------- the model

    def model(self) -> Model | None:
        """The model of the vectors; None while there are none."""
        query = "SELECT model, digest, embedding_size FROM gallery WHERE EXISTS (SELECT 1 FROM template)"
        rows = self._rows(query)
        return Model(*rows[0]) if rows else None

    def check(self, digest: str, name: str) -> None:
        """Raises: ModelMismatch: the vectors here are of another model."""
        stored = self.model()
        if stored is not None and stored.digest != digest:
            raise ModelMismatch(
                f"{self} was enrolled with {stored.name!r} ({stored.digest[:12]}), but {name!r} "
                f"({digest[:12]}) is loaded. Pass --model with the name or file of the first, or enroll "
                "into a new gallery."
            )

    # ---------------------------------------------------------------- people

    def add(self, name: str, templates: Sequence[Template], model: Model) -> int:
        """Add templates to a person, who is created when new; all or none of them.

        Returns: how many were added; a photo that the person already has is skipped.
        Raises: ModelMismatch; DataError: a vector is not finite, not of unit length or of another size;
        ConfigError: the name is empty, too long, or holds control characters.
        """
        name = clean_name(name)
        blobs = [_to_blob(template.embedding, model.embedding_size) for template in templates]
        if not templates:
            return 0
        now = _now()
        with self._writing():
            self._adopt(model)
            self._db.execute("INSERT OR IGNORE INTO identity (name, enrolled_at) VALUES (?, ?)", (name, now))
            (person,) = self._row("SELECT id FROM identity WHERE name = ?", name)
            rows = [
                (person, blob, t.photo_digest, t.quality, now, t.how)
                for t, blob in zip(templates, blobs, strict=True)
            ]
            return self._db.executemany(
                "INSERT OR IGNORE INTO template "
                "(identity_id, embedding, photo_digest, quality, enrolled_at, how) VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            ).rowcount

    def has(self, name: str, photo_digest: str) -> bool:
        """Whether this person has a template of this photo."""
        query = f"SELECT 1 FROM {JOINED} WHERE name = ? AND photo_digest = ?"
        return bool(self._rows(query, clean_name(name), photo_digest))

    def names_with(self, photo_digest: str) -> set[str]:
        """Whose templates were made of this photo."""
        query = f"SELECT name FROM {JOINED} WHERE photo_digest = ?"
        return {name for (name,) in self._rows(query, photo_digest)}

    def size(self) -> tuple[int, int]:
        """(people, templates)."""
        people, templates = self._row(
            "SELECT (SELECT COUNT(*) FROM identity), (SELECT COUNT(*) FROM template)"
        )
        return int(people), int(templates)

    def people(self) -> list[Person]:
        """Everyone, by name."""
        query = (
            "SELECT name, COUNT(template.id), identity.enrolled_at FROM identity "
            "LEFT JOIN template ON identity_id = identity.id GROUP BY identity.id ORDER BY name"
        )
        return [Person(*row) for row in self._rows(query)]

    def templates(self, name: str) -> list[Template]:
        """A person's templates, oldest first.

        Raises: UnknownIdentity.
        """
        rows = self._rows(
            "SELECT embedding, photo_digest, quality, how, enrolled_at FROM template "
            "WHERE identity_id = ? ORDER BY id",
            self._id_of(name),
        )
        return [Template(np.frombuffer(blob, "<f4"), *rest) for blob, *rest in rows]

    def remove(self, name: str) -> int:
        """Erase a person: names and vectors are gone from the files when this returns.

        Returns: how many templates went with the name.
        Raises: UnknownIdentity; ErasureIncomplete: gone from the gallery, but not yet from the file's bytes.
        """
        with self._writing():
            person = self._id_of(name)
            (count,) = self._row("SELECT COUNT(*) FROM template WHERE identity_id = ?", person)
            self._db.execute("DELETE FROM template WHERE identity_id = ?", (person,))
            self._db.execute("DELETE FROM identity WHERE id = ?", (person,))
        self.purge()
        return int(count)

    def rename(self, old: str, new: str) -> None:
        """Give a person another name; the old one is erased.

        Raises: UnknownIdentity; GalleryError: the new name is taken; ConfigError: see `add`.
        """
        new = clean_name(new)
        with self._writing():
            person = self._id_of(old)
            if self._rows("SELECT 1 FROM identity WHERE name = ? AND id != ?", new, person):
                raise GalleryError(f"{new!r} is already enrolled in {self}. Choose another name.")
            self._db.execute("UPDATE identity SET name = ? WHERE id = ?", (new, person))
        self.purge()

    def purge(self) -> None:
        """Rewrite the file without free pages and empty its write-ahead log.

        Raises: ErasureIncomplete: another program is reading or writing, or the disk is full.
        """
        try:
            with self._lock:
                self._db.execute("VACUUM")  # secure_delete zeroes cells, but b-tree splits may leave copies
                (busy, *_), *_ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except (sqlite3.Error, OSError) as error:
            raise ErasureIncomplete(
                f"{self}: the change is made, but old bytes stay in the file: {_remedy(error)} "
                "Then run: recog doctor"
            ) from error
        if busy:
            raise ErasureIncomplete(
                f"{self}: the change is made, but another program is reading the gallery, so old bytes stay "
                f"in {self}-wal. Close that program, then run: recog doctor"
            )

    # ---------------------------------------------------------------- vectors

    @property
    def revision(self) -> int:
        """Raised by every change of people or templates, by any process."""
        return int(self._row("SELECT revision FROM gallery")[0])

    def snapshot(self) -> Snapshot:
        """All templates with the revision they belong to.

        Raises: GalleryError: a stored vector is damaged.
        """
        query = f"SELECT name, embedding, photo_digest FROM {JOINED} ORDER BY template.id"
        with self._lock, self._reporting(), self._transaction("DEFERRED"):
            revision, model, rows = self.revision, self.model(), self._rows(query)
        width = model.embedding_size if model else 0
        if any(len(blob) != 4 * width for _, blob, _ in rows):
            raise GalleryError(f"{self}: a stored vector is damaged. Restore a backup, or enroll again.")
        embeddings = np.frombuffer(b"".join(blob for _, blob, _ in rows), "<f4").reshape(len(rows), width)
        names, digests = tuple(row[0] for row in rows), tuple(row[2] for row in rows)
        return Snapshot(revision, names, embeddings, digests)

    # ---------------------------------------------------------------- thresholds

    def calibration(self, purpose: Purpose, digest: str) -> Calibration | None:
        """The threshold stored for "verify" or "query", if it belongs to this model."""
        query = f"SELECT {CALIBRATION} FROM calibration WHERE purpose = ? AND digest = ?"
        rows = self._rows(query, purpose, digest)
        return Calibration(*rows[0]) if rows else None

    def calibrate(self, purpose: Purpose, calibration: Calibration, digest: str) -> None:
        """Store a threshold for "verify" or "query"."""
        query = (
            f"INSERT OR REPLACE INTO calibration ({CALIBRATION}, purpose, digest) "
            f"VALUES ({', '.join('?' * (len(fields(Calibration)) + 2))})"
        )
        self._rows(query, *astuple(calibration), purpose, digest)

    # ---------------------------------------------------------------- inside

    def integrity(self) -> list[str]:
        """What SQLite finds wrong with the file; empty when it is sound."""
        return [row[0] for row in self._rows("PRAGMA integrity_check") if row[0] != "ok"]

    def _adopt(self, model: Model) -> None:
        """The first vectors decide whose gallery this is; an emptied gallery may change its model."""
        if not self._rows("SELECT 1 FROM template LIMIT 1"):
            self._db.execute(
                "UPDATE gallery SET model = ?, digest = ?, embedding_size = ?",
                (model.name, model.digest, model.embedding_size),
            )
        else:
            self.check(model.digest, model.name)

    def _id_of(self, name: str) -> int:
        rows = self._rows("SELECT id FROM identity WHERE name = ?", clean_name(name))
        if not rows:
            raise UnknownIdentity(f"Nobody called {name!r} is enrolled in {self}. See: recog list")
        return int(rows[0][0])

    def _rows(self, query: str, *values: object) -> list[Any]:
        with self._lock, self._reporting():
            return self._db.execute(query, values).fetchall()

    def _row(self, query: str, *values: object) -> Any:
        return self._rows(query, *values)[0]

    def _prepare(self) -> None:
        self._db.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        with self._transaction("DEFERRED"):  # one moment of the file: another process may be making it
            self._check_file()
        self._use_write_ahead_log()
        self._db.execute("PRAGMA secure_delete = ON")
        self._db.execute("PRAGMA foreign_keys = ON")
        with self._transaction("IMMEDIATE"):
            done = self._check_file()
            for number, steps in enumerate(MIGRATIONS[done:], start=done + 1):
                for step in steps:
                    self._db.execute(step)
                self._db.execute(f"PRAGMA user_version = {number}")
            if done == 0:
                self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    def _use_write_ahead_log(self) -> None:
        """SQLite does not wait for its turn when it changes the journal, so we do."""
        deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _check_file(self) -> int:
        """The file's version; 0 for a new file."""
        (tables,) = self._row("SELECT COUNT(*) FROM sqlite_master")  # first: it takes the snapshot
        (application,) = self._row("PRAGMA application_id")
        (version,) = self._row("PRAGMA user_version")
        if application != APPLICATION_ID and (application or version or tables):
            raise GalleryError(
                f"{self} is a database of another program, not a gallery. Choose another path."
            )
        if version > len(MIGRATIONS):
            raise GalleryError(
                f"{self} is a gallery of version {version}; this recog knows {len(MIGRATIONS)}. Upgrade it."
            )
        return int(version)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One change of people or templates, all of it or nothing."""
        with self._lock, self._reporting(), self._transaction("IMMEDIATE"):
            yield
            self._db.execute("UPDATE gallery SET revision = revision + 1")

    @contextlib.contextmanager
    def _transaction(self, kind: str) -> Iterator[None]:
        self._db.execute(f"BEGIN {kind}")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:  # on a full disk SQLite has rolled back by itself
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextlib.contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise GalleryError(f"{self}: {_remedy(error)}") from error


def _to_blob(embedding: NDArray[np.float32], size: int) -> bytes:
    vector = np.asarray(embedding, dtype="<f4")
    if vector.shape != (size,) or not np.isfinite(vector).all():
        raise DataError(
            f"A template must be {size} finite numbers, but has shape {vector.shape} or holds NaN."
        )
    if abs(float(np.linalg.norm(vector)) - 1) > 1e-3:
        raise DataError(f"A template must have unit length, not {np.linalg.norm(vector):.4f}. Normalise it.")
    return vector.tobytes()


def _remedy(error: sqlite3.Error | OSError) -> str:
    text = str(error)
    if "not a database" in text:
        return "is not a gallery file. Choose another path."
    if "locked" in text or "busy" in text:
        return f"another program has been writing for over {BUSY_TIMEOUT_MS // 1000} s. Try again later."
    if "unable to open" in text:
        return "cannot be opened. Check that it is a file, and that its folder can be written."
    if "readonly" in text:
        return "cannot be written. Check its permissions."
    if "malformed" in text:
        return "is damaged. Restore a backup, or enroll again into a new gallery."
    return f"the gallery cannot be used ({text}). Check the disk and the file's permissions."


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
