"""Erasure, after a change was made: keys destroyed, index written anew, bytes gone from the file."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from recog.errors import ErasureIncomplete, GalleryError
from recog.gallery.searching import Searching
from recog.gallery.store import Store
from recog.gallery.vault import Vault


class Erasing:
    """Finishes erasures that a gallery asked for by raising `erasing`; `erased` says how far it is."""

    def __init__(self, store: Store, vault: Vault, searching: Searching) -> None:
        self._store, self._vault, self._searching = store, vault, searching

    def finish(self, traces: Sequence[bytes] | None) -> None:
        """Leave nothing of those who went.

        Args:
            traces: see `Store.purge`.
        Raises: ErasureIncomplete: something is left for now.
        """
        (wanted,) = self._store.row("SELECT erasing FROM gallery")
        try:
            self._destroy_keys()
            self._searching.forget_removed()
        except ErasureIncomplete:
            raise
        except GalleryError as error:
            raise ErasureIncomplete(
                f"{self._store}: the change is made, but erasure is pending: {error} "
                "The next change finishes it, or: recog doctor"
            ) from error
        self._store.purge(traces)
        self._store.rows("UPDATE gallery SET erased = ? WHERE erased < ?", wanted, wanted)

    def finish_pending(self) -> None:
        """What an earlier change could not erase, if it can be done now."""
        if self._store.row("SELECT erasing > erased FROM gallery")[0]:
            with contextlib.suppress(ErasureIncomplete):
                self.finish(None)

    def _destroy_keys(self) -> None:
        handles = [handle for (handle,) in self._store.rows("SELECT handle FROM doomed")]
        if not handles:
            return
        self._vault.destroy(handles)
        with self._store.writing():
            self._store.many("DELETE FROM doomed WHERE handle = ?", [(handle,) for handle in handles])
