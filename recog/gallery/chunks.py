"""Vectors in chunks of slots: quick to read in bulk, written and zeroed where they stand.

A row a vector would be moved about by SQLite as its neighbours come and go, and leave copies in pages' free
space. A chunk is long enough to live in pages of its own, in which a zeroed slot is gone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from recog.gallery.store import Store
    from recog.gallery.vault import Vault

SLOTS = 128  # vectors in a chunk
PRECISIONS = ("float32", "float16")


def digest_of(owners: bytes, vectors: bytes) -> bytes:
    """16 bytes that change when anything in a chunk does."""
    return hashlib.sha256(owners + vectors).digest()[:16]


@dataclass(frozen=True, slots=True, eq=False)
class Fetched:
    """Slots as they stand in the file."""

    owners: NDArray[np.int64]  # (N,)
    stored: NDArray[np.uint8]  # (N, W) bytes
    handles: dict[int, bytes]  # of the owners, where the bytes are sealed


class Chunks:
    """The vectors of one gallery file, by template number (1, 2, ...), inside the caller's transactions."""

    def __init__(self, store: Store, vault: Vault) -> None:
        """Raises: GalleryError: the gallery does not say what its vectors are."""
        self._store, self._db, self._vault = store, store.db, vault
        self._size, precision, whole = store.row(
            "SELECT embedding_size, precision, "
            "seal = seal_of(model, digest, embedding_size, precision, salt) FROM gallery"
        )
        if not whole:
            raise store.damaged("the kind of its vectors")
        self._dtype = np.dtype(precision).newbyteorder("<")
        self._width = self._size * self._dtype.itemsize + vault.overhead  # bytes of a slot

    def write(self, numbers: Sequence[int], owners: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """Fill empty slots.

        Args:
            numbers: (N,) template numbers, ascending. owners: (N,) whose they are, above 0.
            vectors: (N, D).
        """
        stored, whose = self._sealed(owners, vectors.astype(self._dtype, order="C")), np.array(owners, "<i8")
        for chunk, slots, here in _by_chunk(numbers):
            self._make(chunk)
            self._fill(chunk, slots, whose[here], stored[here])
            self._seal(chunk)

    def erase(self, numbers: Sequence[int]) -> None:
        """Zero the slots of these templates, whose numbers ascend."""
        for chunk, slots, _ in _by_chunk(numbers):
            nobody = np.zeros(len(slots), "<i8")
            self._fill(chunk, slots, nobody, np.zeros((len(slots), self._width), np.uint8))
            self._seal(chunk)

    def read(self, first: int, last: int) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
        """The slots of templates first..last, empty ones included.

        Returns: (N,) owners and (N, D) vectors, N = last - first + 1.
        Raises: GalleryError: the chunks are not what the gallery says.
        """
        read = self.fetch(first, last)
        return read.owners, self.open(read)

    def fetch(self, first: int, last: int) -> Fetched:
        """The same as it stands in the file; `open` may wait until the transaction is over."""
        held = self._db.execute("SELECT MAX(id) FROM chunk").fetchone()[0]
        if last > ((held if isinstance(held, int) else -1) + 1) * SLOTS:
            raise self._store.damaged("vectors are missing")
        start, count = (first - 1) // SLOTS, max(0, last - first + 1)
        chunks = (last - 1) // SLOTS - start + 1 if count else 0
        owners = np.empty(chunks * SLOTS, "<i8")
        stored = np.empty((chunks * SLOTS, self._width), np.uint8)
        query = (
            "SELECT id, owners, vectors, digest FROM chunk JOIN seal USING (id) "
            "WHERE id >= ? ORDER BY id LIMIT ?"
        )
        seen = 0
        for number, whose, what, digest in self._db.execute(query, (start, chunks)):
            whole = isinstance(whose, bytes) and isinstance(what, bytes) and len(what) == self._width * SLOTS
            if number != start + seen or not whole or digest_of(whose, what) != digest:
                raise self._store.damaged(f"chunk {number}")
            part = slice(seen * SLOTS, (seen + 1) * SLOTS)
            owners[part] = np.frombuffer(whose, "<i8")
            stored[part] = np.frombuffer(what, np.uint8).reshape(SLOTS, self._width)
            seen += 1
        if seen != chunks:
            raise self._store.damaged(f"chunk {start + seen}")
        skipped = (first - 1) % SLOTS
        owners, stored = owners[skipped : skipped + count], stored[skipped : skipped + count]
        handles = self._handles(owners[owners > 0].tolist()) if self._vault.overhead else {}
        return Fetched(owners, stored, handles)

    def open(self, read: Fetched) -> NDArray[np.floating]:
        """(N, D) vectors of fetched slots; zeros in empty ones. Raises: MissingKeys; GalleryError."""
        if not self._vault.overhead:
            return read.stored.view(self._dtype)
        vectors = np.zeros((len(read.stored), self._size), self._dtype)
        keys = self._vault.opened(set(read.handles.values()))
        for place in np.flatnonzero(read.owners).tolist():
            content = keys.content(read.handles[int(read.owners[place])], read.stored[place].tobytes())
            vectors[place] = np.frombuffer(content, self._dtype)
        return vectors

    def vector(self, number: int) -> NDArray[np.float32]:
        """(D,) of one template. Raises: GalleryError."""
        found: NDArray[np.float32] = self.read(number, number)[1][0].astype(np.float32)
        return found

    # ---------------------------------------------------------------- sealed slots

    def _sealed(self, owners: Sequence[int], vectors: NDArray[np.floating]) -> NDArray[np.uint8]:
        """(N, W) bytes of slots."""
        if not self._vault.overhead:
            return vectors.view(np.uint8).reshape(len(vectors), -1)
        handles = self._handles(owners)
        keys = self._vault.opened(set(handles.values()))
        pairs = zip(owners, vectors, strict=True)
        content = b"".join(keys.seal(handles[owner], vector.tobytes()) for owner, vector in pairs)
        return np.frombuffer(content, np.uint8).reshape(len(vectors), self._width)

    def _handles(self, owners: Sequence[int]) -> dict[int, bytes]:
        """Handles of people by number. Raises: GalleryError: one is not there."""
        wanted = set(owners)
        found = dict(self._store.rows_among("SELECT id, handle FROM identity WHERE id IN {}", wanted))
        if len(found) != len(wanted):
            raise self._store.damaged("a person is missing")
        return found

    # ---------------------------------------------------------------- slots where they stand

    def _make(self, chunk: int) -> None:
        query = "INSERT OR IGNORE INTO chunk VALUES (?, zeroblob(?), zeroblob(?))"
        self._db.execute(query, (chunk, 8 * SLOTS, self._width * SLOTS))

    def _seal(self, chunk: int) -> None:
        whose, what = self._db.execute("SELECT owners, vectors FROM chunk WHERE id = ?", (chunk,)).fetchone()
        self._db.execute("INSERT OR REPLACE INTO seal VALUES (?, ?)", (chunk, digest_of(whose, what)))

    def _fill(
        self, chunk: int, slots: NDArray[np.int64], owners: NDArray[np.int64], stored: NDArray[np.uint8]
    ) -> None:
        for column, width, rows in (("owners", 8, owners), ("vectors", self._width, stored)):
            with self._db.blobopen("chunk", column, chunk) as blob:
                for slot, row in zip(slots.tolist(), rows, strict=True):
                    blob.seek(slot * width)
                    blob.write(row.tobytes())


def _by_chunk(numbers: Sequence[int]) -> Iterator[tuple[int, NDArray[np.int64], slice]]:
    """For ascending template numbers: each chunk, the slots in it, and where its numbers are among them."""
    places = np.asarray(numbers, np.int64) - 1
    chunks, firsts = np.unique(places // SLOTS, return_index=True)
    for chunk, first, last in zip(chunks.tolist(), firsts, [*firsts[1:], len(places)], strict=True):
        yield chunk, places[first:last] % SLOTS, slice(first, last)
