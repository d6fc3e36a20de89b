"""Several calls on one folder of results: each takes work that no other is at."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from recog.errors import WriteFailed

FOLDER = ".claims"  # of a folder of results; empty but for work that goes on


@contextlib.contextmanager
def claimed(out: Path, work: str) -> Iterator[bool]:
    """Whether a piece of work is this call's; until the block ends, other calls are told that it is not.

    What a call that was killed had claimed is free again. A call that claims work has to look whether it is
    done by now.

    Args:
        work: any name that can be a file's.
    Raises: WriteFailed: the folder cannot be written to.
    """
    lock = FileLock(out / FOLDER / f"{work}.lock")
    try:
        (out / FOLDER).mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    except OSError as error:
        raise WriteFailed(f"{out / FOLDER}: cannot be written to ({error.strerror}).") from error
    try:
        yield True
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)  # before it is released: who opens it anew claims anew
        lock.release()
