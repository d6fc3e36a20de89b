"""Tables of what faces show: a CSV of file, CelebA's attributes as 1 and 0, sex, and age in years."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from generative.conditions import AGE, ATTRIBUTES
from recog.checkpoints import write_atomically
from recog.errors import DataError

logger = logging.getLogger(__name__)
Labels = dict[str, NDArray[np.float64]]  # by name, (N,): attributes -1 or 1, 0 not known; ages, NaN not known


def labels_of(files: Sequence[str], table: Path) -> Labels:
    """What a table says of these crops; of those it lacks nothing is known.

    Returns: the columns with something in them: of what no crop has a value, nothing can be learned.
    Raises: DataError: the table cannot be read, says nothing of these crops or nothing that is known here, or
    has a value that is none.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{table}: cannot be read ({error}).") from error
    columns = set(rows[0]) if rows else set()
    known = [name for name in ATTRIBUTES if name in columns or (name == "Male" and "sex" in columns)]
    if "file" not in columns or not (known or AGE in columns):
        raise DataError(
            f"{table}: has no column 'file', or nothing beside it that is known here. Give a CSV of file and "
            f"some of {', '.join(ATTRIBUTES)}, sex, age."
        )
    place = {_key(name): index for index, name in enumerate(files)}
    labels = {name: np.zeros(len(files)) for name in known}
    if AGE in columns:
        labels[AGE] = np.full(len(files), np.nan)
    found = set()
    for line, row in enumerate(rows, start=2):
        at = place.get(_key(row["file"] or ""))
        if at is not None:
            found.add(at)
            for name in labels:
                labels[name][at] = _value(name, row, f"{table}, line {line}")
    said = {name: values for name, values in labels.items() if not _lacking(name, values).all()}
    if not said:
        raise DataError(_silence(table, str(rows[0]["file"]), files[0], bool(found)))
    logger.info("%s: says something of %d of %d crops", table, len(found), len(files))
    return said


def filled(known: Labels, guessed: Labels) -> Labels:
    """What is known, and where nothing is, what was guessed."""
    both = {**guessed, **known}
    for name in {*known} & {*guessed}:
        both[name] = np.where(_lacking(name, known[name]), guessed[name], known[name])
    return both


def write_labels(out: Path, files: Sequence[str], labels: Mapping[str, NDArray[np.floating]]) -> int:
    """Write a table that `labels_of` reads; returns the number of its lines.

    Raises: WriteFailed.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", *labels])
    for index, file in enumerate(files):
        writer.writerow([file, *(_text(name, float(values[index])) for name, values in labels.items())])
    write_atomically(out, text.getvalue().encode())
    return len(files)


def _lacking(name: str, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,) whether nothing is known."""
    return np.isnan(values) if name == AGE else values == 0


def _silence(table: Path, listed: str, crop: str, found: bool) -> str:
    """Why a table says nothing of crops, and what to do."""
    if found:
        return f"{table}: says nothing of the crops but their names. Fill in its columns, or leave it out."
    return (
        f"{table}: says nothing of the crops. It lists files such as {listed!r}, and the crops are called "
        f"{crop!r} and so on. Write into its column 'file' the last folder and the name of each crop."
    )


def _key(file: str) -> str:
    """By what a table and a folder name the same crop: its folder and its name."""
    return "/".join(Path(file).parts[-2:])


def _value(name: str, row: Mapping[str, str | None], where: str) -> float:
    """What a row says of one attribute or age."""
    sexed = name == "Male" and "Male" not in row
    text = (row["sex" if sexed else name] or "").strip().lower()
    meanings = {"male": 1.0, "female": -1.0, "1": 1.0, "0": -1.0, "-1": -1.0, "": 0.0}
    try:
        return float(text or "nan") if name == AGE else meanings[text]
    except (KeyError, ValueError) as error:
        raise DataError(f"{where}: {name} is {text!r}. Give 1, 0, nothing, or of an age years.") from error


def _text(name: str, value: float) -> str:
    if name == AGE:
        return "" if np.isnan(value) else f"{value:.1f}"
    return "1" if value > 0 else "0" if value < 0 else ""
