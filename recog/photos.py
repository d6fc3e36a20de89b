"""PHOTO arguments -> paths: files, folders (recursively), or - for paths on standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from recog.errors import DataError

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".avif"}
)


def expand(photos: Iterable[str | os.PathLike[str]], stdin: Iterable[bytes] | None = None) -> list[Path]:
    """All photos that the arguments name, each once, in order.

    A path that does not exist, and a folder without photos, stay in the list: reading them fails with a
    message of their own, so that one bad path among many is a failed input and not a wrong call.

    Args:
        photos: paths of files or folders; "-" stands for the lines of `stdin`.
        stdin: where "-" reads from; default standard input. Names are bytes: not all of them are text.
    """
    found = (path for photo in _with_lines(photos, stdin) for path in _files(Path(photo)))
    return list(dict.fromkeys(found))


def of_people(folder: str | os.PathLike[str]) -> dict[str, list[Path]]:
    """Photos by person, of a folder with one sub-folder a person (torchvision's ImageFolder habit).

    Raises: DataError: the folder cannot be listed, or has no sub-folders.
    """
    try:
        entries = sorted(Path(folder).iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror}). Give a folder of people.") from error
    people = [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    if not people:
        raise DataError(f"{folder}: has no sub-folders. Put each person's photos in one that bears the name.")
    return {person.name: expand([person]) for person in people}


def in_folders(folder: str | os.PathLike[str]) -> list[tuple[str, Path]]:
    """(person, photo) of all photos in such a folder, by person. Raises: as `of_people`."""
    return [(name, photo) for name, photos in of_people(folder).items() for photo in photos]


def _with_lines(photos: Iterable[str | os.PathLike[str]], stdin: Iterable[bytes] | None) -> Iterator[str]:
    for photo in photos:
        if os.fspath(photo) != "-":
            yield os.fspath(photo)
        else:
            lines = (line.rstrip(b"\r\n") for line in (sys.stdin.buffer if stdin is None else stdin))
            yield from (os.fsdecode(line) for line in lines if line.strip())


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(inside(path)) or [path]


def inside(folder: Path) -> Iterator[Path]:
    """All photos in a folder and its sub-folders, in no order; hidden ones are left out, links followed."""
    seen = {os.path.realpath(folder)}  # a link may lead back up
    for place, folders, names in os.walk(folder, followlinks=True):
        real = {name: os.path.realpath(os.path.join(place, name)) for name in folders}
        folders[:] = [name for name in folders if not name.startswith(".") and real[name] not in seen]
        seen.update(real[name] for name in folders)
        for name in names:
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Path(place, name)
