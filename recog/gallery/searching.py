"""Searching a gallery file: templates in memory that follow the file, and the index kept beside it.

The index of a large gallery is kept in a file of its own, so that opening takes a second instead of building
it again. The gallery knows the file's digest and what is in it: a file that is absent, damaged, tampered with
or of another time is built again.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from recog.errors import GalleryError, MissingKeys
from recog.gallery.checks import check_size, checked_probes
from recog.gallery.chunks import Chunks
from recog.gallery.matching import Changes, Cursor, Matcher
from recog.gallery.store import Store
from recog.gallery.unlocking import steadily, steadily_opened
from recog.gallery.vault import Vault
from recog.index import InvertedIndex
from recog.types import Candidate

logger = logging.getLogger(__name__)
STALE = 0.05  # share of the templates that may be newer than the index file before it is written again


class Searching:
    """The search side of one open gallery file. Safe to share between threads."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store, self._vault = store, vault
        self._matcher = Matcher()
        self._lock = threading.Lock()
        self._kept = Cursor()  # of the index file
        self._known: dict[int, str] = {}  # names that were asked for at this revision

    def search(self, probes: ArrayLike, k: int) -> list[list[Candidate]]:
        """See `recog.gallery.Gallery.search`."""
        queries = checked_probes(probes, k)
        with self._lock:
            while True:
                self._follow()
                if self._matcher.size:
                    check_size(queries, self._matcher.size)
                found = self._matcher.search(queries, k)
                try:
                    names = self._names({person for answer in found for person, _ in answer})
                    return [[Candidate(names[person], s) for person, s in answer] for answer in found]
                except MissingKeys:
                    if self._revision() == self._matcher.revision:
                        raise
                except KeyError:
                    if self._revision() == self._matcher.revision:  # nobody was removed in the meantime
                        raise self._store.damaged("a person without a name") from None

    def _names(self, people: set[int]) -> dict[int, str]:
        """Names by number; somebody may be missing who has just been removed."""
        query = "SELECT id, handle, name FROM identity WHERE id IN {}"
        rows = list(self._store.rows_among(query, people - self._known.keys()))
        if rows:
            opened = self._vault.opened([handle for _, handle, _ in rows])
            self._known.update({number: opened.name(handle, stored) for number, handle, stored in rows})
        return self._known

    # ---------------------------------------------------------------- following the file

    def _follow(self) -> None:
        if self._revision() == self._matcher.revision:
            return
        self._known = {}
        if self._matcher.revision < 0:
            self._load()
        self._matcher.apply(steadily_opened(self._store, self._vault, self._news))
        self._keep()

    def _revision(self) -> int:
        return int(self._store.row("SELECT revision FROM gallery")[0])

    def _news(self) -> Callable[[], Changes]:
        """What the matcher does not know yet, once its vectors are opened.

        Raises: GalleryError: what is stored is damaged.
        """
        revision, epoch, size = self._store.row("SELECT revision, epoch, embedding_size FROM gallery")
        last, removals = (self._last(table) for table in ("template", "removed"))
        if not all(isinstance(one, int) and one >= 0 for one in (revision, epoch, last, removals)):
            raise self._store.damaged("its counters")
        known = self._matcher.cursor if self._matcher.cursor.epoch == epoch else Cursor(epoch)
        first = known.templates if self._matcher.revision >= 0 else 0
        query = "SELECT template_id, identity_id FROM removed WHERE id > ?"
        removed = np.array(self._store.rows(query, known.removals), np.int64).reshape(-1, 2)
        if len(removed) != removals - known.removals:
            raise self._store.damaged("who was removed")
        chunks = Chunks(self._store, self._vault) if last > first else None
        found = chunks.fetch(first + 1, last) if chunks else None
        owners = found.owners if found else np.zeros(0, np.int64)
        if not first and self._store.row("SELECT COUNT(*) FROM template")[0] != np.count_nonzero(owners):
            raise self._store.damaged("the number of templates")
        none = np.zeros((0, size if isinstance(size, int) and 0 < size < 2**20 else 0), np.float32)

        def opened() -> Changes:
            vectors = chunks.open(found) if chunks and found else none
            return Changes(revision, Cursor(epoch, last, removals), first, owners, vectors, removed)

        return opened

    def _last(self, table: str) -> int:
        """The highest number that a table has given."""
        rows = self._store.rows("SELECT seq FROM sqlite_sequence WHERE name = ?", table)
        return rows[0][0] if rows else 0

    def integrity(self) -> list[str]:
        """What is wrong with vectors and index; empty when they are sound."""
        try:
            with self._lock:
                self._follow()
                index = [] if self._matcher.is_sound() else ["the search index is not what it should be"]
            return steadily(self._store, self._vault, self._wrong_templates) + index
        except GalleryError as error:
            return [str(error)]

    def _wrong_templates(self) -> list[str]:
        rows = self._store.rows("SELECT id, identity_id FROM template")
        last = self._last("template")
        if not last:
            return []
        owners, vectors = Chunks(self._store, self._vault).read(1, last)
        wanted = np.zeros(last, np.int64)
        for number, owner in rows:
            wanted[number - 1] = owner
        lengths = np.linalg.norm(vectors.astype(np.float32), axis=1)
        right = (wanted == owners) & (np.abs(lengths - (wanted > 0)) < 2e-3)
        return [f"template {place + 1} is damaged" for place in np.flatnonzero(~right)]

    # ---------------------------------------------------------------- the index file

    def forget_removed(self) -> None:
        """Leave nothing of removed people in index files. Raises: GalleryError: one cannot be deleted."""
        with self._lock, self._store.reporting():
            if not self._files():
                return
            with contextlib.suppress(GalleryError, OSError):
                self._follow()
                self._write()
                return
            with self._store.writing():  # better no index than theirs
                self._store.rows("DELETE FROM search_index")
                self._unlink(self._files())

    def _load(self) -> None:
        """Begin with the index file, if it is what the gallery says."""
        rows = self._store.rows("SELECT epoch, templates, removals, digest FROM search_index")
        if not rows or self._store.path is None:
            return
        *cursor, digest = rows[0]
        if not all(isinstance(one, int) for one in cursor) or not re.fullmatch("[0-9a-f]{64}", str(digest)):
            raise self._store.damaged("what it says of its index")
        path = self._file(digest)
        try:
            content = path.read_bytes()
        except OSError as error:
            logger.warning("%s: %s; the index is built again", path, error.strerror)
            return
        if hashlib.sha256(content).hexdigest() != digest:
            logger.warning("%s is damaged; the index is built again", path)
            return
        self._kept = Cursor(*cursor)
        self._matcher.adopt(InvertedIndex.from_bytes(content), self._kept)

    def _keep(self) -> None:
        """Write the index file where that is worth it, and allowed."""
        here, kept = self._matcher.cursor, self._kept
        new = here.templates - (kept.templates if kept.epoch == here.epoch else 0)
        if self._to_keep() and new > STALE * here.templates:
            with contextlib.suppress(GalleryError, OSError):
                self._write()

    def _to_keep(self) -> InvertedIndex | None:
        """The index, if there is to be a file of it: codes of vectors, so not beside encrypted ones."""
        return self._matcher.inverted if self._vault.id is None else None

    def _write(self) -> None:
        """Replace the index file by what is in memory. Raises: GalleryError; OSError."""
        index, cursor = self._to_keep(), self._matcher.cursor
        if self._store.path is None:
            return
        content = index.to_bytes() if index else b""
        digest = hashlib.sha256(content).hexdigest()
        with self._store.writing():
            (epoch,), removals = self._store.row("SELECT epoch FROM gallery"), self._last("removed")
            if (epoch, removals) != (cursor.epoch, cursor.removals):
                raise GalleryError(f"{self._store}: people were removed in the meantime.")
            others = [path for path in self._files() if path != self._file(digest)]
            self._store.rows("DELETE FROM search_index")
            if index:
                self._replace(self._file(digest), content)
                query = "INSERT INTO search_index VALUES (1, ?, ?, ?, ?)"
                self._store.rows(query, cursor.epoch, cursor.templates, cursor.removals, digest)
        self._kept = cursor
        self._unlink(others)

    def _file(self, digest: str) -> Path:
        assert self._store.path is not None
        return self._store.path.with_name(f"{self._store.path.name}.index-{digest[:16]}")

    def _files(self) -> list[Path]:
        """Index files of this gallery: the one in use, and what an interrupted change left."""
        path = self._store.path
        if path is None:
            return []
        return [one for one in path.parent.iterdir() if one.name.startswith(f"{path.name}.index-")]

    @staticmethod
    def _replace(path: Path, content: bytes) -> None:
        with path.open("wb") as file:  # not referred to yet, so nobody reads it
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    @staticmethod
    def _unlink(paths: list[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)
