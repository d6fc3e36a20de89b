"""Who judges learn from, and who makers may learn from: by name alone, so for good."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from recog.checkpoints import write_atomically
from recog.errors import DataError
from recog.training.data import read_roles

JUDGES, MAKERS = "judges", "makers"


def half_of(name: str) -> str:
    """Which half an identity, or the file of somebody unknown, belongs to."""
    return JUDGES if hashlib.sha256(name.encode()).digest()[0] % 2 else MAKERS


def write_halves(roles: Path, role: str, out: Path) -> Path:
    """Write a CSV of identity, role in which the identities of `role` are split into the halves.

    Raises: DataError: as `recog.training.data.read_roles`; WriteFailed.
    """
    names = read_roles(roles, role)
    return _written(out, [["identity", "role"], *([name, half_of(name)] for name in names)])


def write_half(
    table: Path, half: str, out: Path, *, roles: Path | None = None, role: str | None = None
) -> Path:
    """Write the lines of a CSV of attributes that belong to one half.

    Args:
        table: CSV with a column `file`; with roles its files lie in folders of identities, and the identity
            decides (column `identity`, or the folder), else the file's folder and name.
        roles, role: only identities that have the role.
    Raises: DataError: the table cannot be read or has no such column; WriteFailed.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            header, *lines = list(csv.reader(file))
    except (OSError, ValueError) as error:
        raise DataError(f"{table}: cannot be read ({error}).") from error
    if not {"identity", "file"} & {*header}:
        raise DataError(f"{table}: columns are {', '.join(header)}; one of them must be file or identity.")
    names = None if roles is None or role is None else {*read_roles(roles, role)}
    whose = [_whose(dict(zip(header, line, strict=False)), names is not None) for line in lines]
    chosen = [
        line
        for line, name in zip(lines, whose, strict=True)
        if half_of(name) == half and (names is None or name in names)
    ]
    return _written(out, [header, *chosen])


def _whose(line: Mapping[str, str], by_folder: bool) -> str:
    """What decides on the half of a line."""
    if "identity" in line:
        return line["identity"]
    parts = PurePosixPath(line["file"]).parts[-2:]
    return parts[0] if by_folder else "/".join(parts)


def _written(out: Path, rows: Iterable[Iterable[str]]) -> Path:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_atomically(out, text.getvalue().encode())
    return out
