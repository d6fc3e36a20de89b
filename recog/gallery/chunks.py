"""Vectors in chunks of slots: quick to read in bulk, written and zeroed where they stand.

A row a vector would be moved about by SQLite as its neighbours come and go, and leave copies in pages' free
space. A chunk is long enough to live in pages of its own, in which a zeroed slot is gone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from recog.gallery.store import Store

SLOTS = 128  # vectors in a chunk
PRECISIONS = ("float32", "float16")


def digest_of(owners: bytes, vectors: bytes) -> bytes:
    """16 bytes that change when anything in a chunk does."""
    return hashlib.sha256(owners + vectors).digest()[:16]


class Chunks:
    """The vectors of one gallery file, by template number (1, 2, ...), inside the caller's transactions."""

    def __init__(self, store: Store) -> None:
        """Raises: GalleryError: the gallery does not say what its vectors are."""
        self._store, self._db = store, store.db
        self._size, precision, whole = store.row(
            "SELECT embedding_size, precision, "
            "seal = seal_of(model, digest, embedding_size, precision, salt) FROM gallery"
        )
        if not whole:
            raise store.damaged("the kind of its vectors")
        self._dtype = np.dtype(precision).newbyteorder("<")
        self._width = self._size * self._dtype.itemsize  # bytes of a slot

    def write(self, numbers: Sequence[int], owners: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """Fill empty slots.

        Args:
            numbers: (N,) template numbers, ascending. owners: (N,) whose they are, above 0.
            vectors: (N, D).
        """
        stored = vectors.astype(self._dtype)
        places = np.asarray(numbers, np.int64) - 1
        for chunk in np.unique(places // SLOTS):
            here = np.flatnonzero(places // SLOTS == chunk)
            self._make(int(chunk))
            self._fill(int(chunk), places[here] % SLOTS, np.asarray(owners, "<i8")[here], stored[here])
            self._seal(int(chunk))

    def erase(self, numbers: Sequence[int]) -> None:
        """Zero the slots of these templates."""
        places = np.asarray(numbers, np.int64) - 1
        for chunk in np.unique(places // SLOTS):
            slots = places[places // SLOTS == chunk] % SLOTS
            nobody = np.zeros(len(slots), "<i8")
            self._fill(int(chunk), slots, nobody, np.zeros((len(slots), self._size), self._dtype))
            self._seal(int(chunk))

    def read(self, first: int, last: int) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
        """The slots of templates first..last, empty ones included.

        Returns: (N,) owners and (N, D) vectors, N = last - first + 1.
        Raises: GalleryError: the chunks are not what the gallery says.
        """
        held = self._db.execute("SELECT MAX(id) FROM chunk").fetchone()[0]
        if last > ((held if isinstance(held, int) else -1) + 1) * SLOTS:
            raise self._store.damaged("vectors are missing")
        start, count = (first - 1) // SLOTS, max(0, last - first + 1)
        chunks = (last - 1) // SLOTS - start + 1 if count else 0
        owners = np.empty(chunks * SLOTS, "<i8")
        vectors = np.empty((chunks * SLOTS, self._size), self._dtype)
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
            vectors[part] = np.frombuffer(what, self._dtype).reshape(SLOTS, self._size)
            seen += 1
        if seen != chunks:
            raise self._store.damaged(f"chunk {start + seen}")
        skipped = (first - 1) % SLOTS
        return owners[skipped : skipped + count], vectors[skipped : skipped + count]

    def vector(self, number: int) -> NDArray[np.float32]:
        """(D,) of one template. Raises: GalleryError."""
        found: NDArray[np.float32] = self.read(number, number)[1][0].astype(np.float32)
        return found

    def _make(self, chunk: int) -> None:
        query = "INSERT OR IGNORE INTO chunk VALUES (?, zeroblob(?), zeroblob(?))"
        self._db.execute(query, (chunk, 8 * SLOTS, self._width * SLOTS))

    def _seal(self, chunk: int) -> None:
        whose, what = self._db.execute("SELECT owners, vectors FROM chunk WHERE id = ?", (chunk,)).fetchone()
        self._db.execute("INSERT OR REPLACE INTO seal VALUES (?, ?)", (chunk, digest_of(whose, what)))

    def _fill(
        self, chunk: int, slots: NDArray[np.int64], owners: NDArray[np.int64], vectors: NDArray[np.floating]
    ) -> None:
        for column, width, rows in (("owners", 8, owners), ("vectors", self._width, vectors)):
            with self._db.blobopen("chunk", column, chunk) as blob:
                for slot, row in zip(slots.tolist(), rows, strict=True):
                    blob.seek(slot * width)
                    blob.write(row.tobytes())
