"""Folders of Milvus Lite: a server of its own in this process for each, as long as somebody here uses it."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from recog.errors import GalleryError, NoGallery
from recog.gallery.milvus.place import Place

_users: Counter[str] = Counter()  # open connections by folder
_lock = threading.Lock()


def check(place: Place, create: bool) -> None:
    """Raises: NoGallery; GalleryError: the path holds something else, which Milvus Lite would write into."""
    folder = place.folder
    if folder is None:
        return
    if not create and not folder.exists():
        raise NoGallery(f"{place}: no gallery here. First: recog enroll NAME PHOTO...")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        others = folder.exists() and (not folder.is_dir() or _is_foreign(folder))
    except OSError as error:
        raise GalleryError(f"{place}: {error.strerror}. Check the path and its permissions.") from error
    if others:
        raise GalleryError(f"{place} is no folder of Milvus Lite. Choose another path.")


def _is_foreign(folder: Path) -> bool:
    return any(folder.iterdir()) and not (folder / "collections").is_dir()


@contextlib.contextmanager
def counted(place: Place) -> Iterator[None]:
    """Opening counts as a use of the folder, unless it fails."""
    with _lock:
        _users[place.address] += place.folder is not None
    try:
        yield
    except BaseException:
        release(place)
        raise


def release(place: Place) -> None:
    """The last one out ends this process's server of the folder, which keeps other processes out of it."""
    if place.folder is None:
        return
    from milvus_lite.server_manager import server_manager_instance

    with _lock:
        _users[place.address] -= 1
        if not _users[place.address]:
            server_manager_instance.release_server(place.address)
