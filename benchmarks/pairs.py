"""Lists of pairs: LFW's pairs.txt, a CSV of any photos, or all pairs of an identity folder."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from recog.errors import DataError, TooFewPairs
from recog.photos import SUFFIXES

FOLDS = 10
TRUE, FALSE = frozenset({"1", "true", "yes", "same"}), frozenset({"0", "false", "no", "different"})


@dataclass(frozen=True, eq=False)
class Pairs:
    """N comparisons of P photos."""

    photos: tuple[str, ...]  # (P,) relative to the folder
    people: NDArray[np.int64]  # (P,) number of the person on each photo
    left: NDArray[np.int64]  # (N,) index into photos
    right: NDArray[np.int64]  # (N,)
    mated: NDArray[np.bool_]  # (N,) True where both show one person
    folds: NDArray[np.int64] | None  # (N,)

    def __len__(self) -> int:
        return len(self.mated)

    @property
    def sides(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The person on each side of each pair."""
        return self.people[self.left], self.people[self.right]


def read_pairs(path: Path, folder: Path) -> Pairs:
    """A pairs file: `.csv` with columns a, b, same and perhaps fold; anything else in LFW's format.

    Raises: DataError: unreadable, a photo is not in the folder, or a line makes no sense.
    """
    return _read_csv(path, folder) if path.suffix.lower() == ".csv" else _read_lfw(path, folder)


def all_pairs(
    labels: NDArray[np.int64], files: Sequence[str], *, most_non_mated: int | None = None, seed: int = 0
) -> Pairs:
    """Every mated pair and every non-mated one, or `most_non_mated` of them drawn with this seed.

    Raises: TooFewPairs: no person with two photos, or a single person.
    """
    count = len(labels)
    total = count * (count - 1) // 2
    mated = _mated(labels)
    if not len(mated) or len(mated) == total:
        raise TooFewPairs("All pairs need at least two people, one of them with two photos.")
    if most_non_mated is None or total - len(mated) <= most_non_mated:
        drawn = np.arange(total)
    else:  # as many more as could be mated; a list of all pairs of a large folder would not fit into memory
        drawn = np.random.default_rng(seed).choice(total, most_non_mated + len(mated), replace=False)
    others = drawn[~np.isin(drawn, mated)][:most_non_mated]
    left, right = _ends(np.sort(np.concatenate([mated, others])), count)
    return Pairs(tuple(files), labels, left, right, labels[left] == labels[right], None)


def _mated(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """(M,) places of the mated pairs in the list of all pairs."""
    in_order = np.argsort(labels, kind="stable")
    people = np.split(in_order, np.flatnonzero(np.diff(labels[in_order])) + 1)
    ends = [person[np.array(np.triu_indices(len(person), k=1))] for person in people]
    left, right = np.concatenate(ends, axis=1)
    places: NDArray[np.int64] = _rows(len(labels))[left] + right - left - 1
    return places


def _ends(places: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The two photos of pairs at these places in the list of all pairs of `count` photos."""
    rows = _rows(count)
    left = np.searchsorted(rows, places, side="right") - 1
    return left, places - rows[left] + left + 1


def _rows(count: int) -> NDArray[np.int64]:
    """(count - 1,) where each photo's pairs with later ones begin: (0, 1), (0, 2), ..., (1, 2), ..."""
    return np.concatenate([[0], np.cumsum(np.arange(count - 1, 1, -1))])


def random_folds(mated: NDArray[np.bool_], seed: int = 0) -> NDArray[np.int64]:
    """(N,) one of ten folds for each pair, with as many mated pairs in each as possible."""
    folds = np.empty(len(mated), np.int64)
    generator = np.random.default_rng(seed)
    for kind in (True, False):
        members = np.flatnonzero(mated == kind)
        folds[generator.permutation(members)] = np.arange(len(members)) % FOLDS
    return folds


def _read_lfw(path: Path, folder: Path) -> Pairs:
    """`Name i j` is a mated pair, `Name i Other j` a non-mated one.

    A header `folds n` says that each fold is n mated pairs and then n non-mated ones; a header `n` or none
    (View 1) that there are no folds.
    """
    lines = [(number, line.split()) for number, line in enumerate(_lines(path), start=1) if line.strip()]
    first = lines[0][1] if lines else [""]
    header = [int(word) for word in first] if all(word.isdigit() for word in first) else []
    numbered: list[tuple[tuple[str, str], tuple[str, str]]] = []
    for number, words in lines[1:] if header else lines:
        if len(words) not in (3, 4) or not (words[1].isdigit() and words[-1].isdigit()):
            raise DataError(
                f"{path}, line {number}: not `Name i j` or `Name i Other j`: {' '.join(words)!r}."
            )
        other = words[0] if len(words) == 3 else words[2]
        numbered.append(((words[0], words[1]), (other, words[-1])))
    folds = np.arange(len(numbered)) // (2 * header[1]) if len(header) == 2 else None
    promised = 2 * header[0] * header[1] if len(header) == 2 else len(numbered)
    if len(numbered) != promised:
        raise DataError(f"{path}: its first line promises {promised} pairs, but {len(numbered)} follow.")
    return _of_names(numbered, folds, path, folder)


def _of_names(
    numbered: list[tuple[tuple[str, str], tuple[str, str]]],
    folds: NDArray[np.int64] | None,
    path: Path,
    folder: Path,
) -> Pairs:
    wanted = sorted({side for pair in numbered for side in pair})
    files = _files_by_stem(folder, {name for name, _ in wanted})
    stems = {side: f"{side[0]}/{side[0]}_{int(side[1]):04d}" for side in wanted}
    missing = [stem for stem in stems.values() if stem not in files]
    if missing:
        raise DataError(
            f"{path}: {len(missing)} of {len(wanted)} photos are not in {folder}, as {missing[0]}."
        )
    index = {side: place for place, side in enumerate(wanted)}
    people = {name: place for place, name in enumerate(sorted({name for name, _ in wanted}))}
    return Pairs(
        photos=tuple(files[stems[side]] for side in wanted),
        people=np.array([people[name] for name, _ in wanted], np.int64),
        left=np.array([index[a] for a, _ in numbered], np.int64),
        right=np.array([index[b] for _, b in numbered], np.int64),
        mated=np.array([a[0] == b[0] for a, b in numbered], np.bool_),
        folds=folds,
    )


def _files_by_stem(folder: Path, names: set[str]) -> dict[str, str]:
    """`Name/Name_0001` -> `Name/Name_0001.webp`, whatever the extension; of several files a photo's."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. Give the folder that holds one sub-folder a person.")
    present = [name for name in sorted(names) if (folder / name).is_dir()]
    files = (
        f"{name}/{file.name}" for name in present for file in os.scandir(folder / name) if file.is_file()
    )
    in_order = sorted(files, key=lambda file: (PurePath(file).suffix.lower() in SUFFIXES, file))
    return {file.rpartition(".")[0]: file for file in in_order}


def _read_csv(path: Path, folder: Path) -> Pairs:
    rows = list(csv.DictReader(_lines(path)))
    if not rows or not {"a", "b", "same"} <= rows[0].keys():
        raise DataError(f"{path}: expected a header a,b,same[,fold] and at least one line below it.")
    photos = sorted({row[side] or "" for row in rows for side in ("a", "b")})
    missing = [photo for photo in photos if not (folder / photo).is_file()]
    if missing:
        raise DataError(
            f"{path}: {len(missing)} of {len(photos)} photos are not in {folder}, as {missing[0]!r}."
        )
    index = {photo: place for place, photo in enumerate(photos)}
    left = np.array([index[row["a"]] for row in rows], np.int64)
    right = np.array([index[row["b"]] for row in rows], np.int64)
    truths = [_truth(row["same"], f"{path}, line {line}") for line, row in enumerate(rows, start=2)]
    mated = np.array(truths, np.bool_)
    people = _people(photos, left[mated], right[mated])
    return Pairs(tuple(photos), people, left, right, mated, _folds(rows, path))


def _folds(rows: list[dict[str, str]], path: Path) -> NDArray[np.int64] | None:
    if "fold" not in rows[0]:
        return None
    names = [row["fold"] or "" for row in rows]
    if "" in names:
        raise DataError(f"{path}, line {names.index('') + 2}: no fold. Fill the column or leave it out.")
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def _people(photos: list[str], left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """(P,) numbers of people: photos in one folder, and photos joined by mated pairs, show one person."""
    folders = [photo.rpartition("/")[0] for photo in photos]
    _, first, home = np.unique(folders, return_index=True, return_inverse=True)
    alone = np.array([not folder for folder in folders])  # a flat list: only the pairs say who is who
    same = np.where(alone, np.arange(len(photos)), first[home])
    ends = np.concatenate([left, np.arange(len(photos))]), np.concatenate([right, same])
    links = coo_array((np.ones(len(ends[0])), ends), shape=(len(photos), len(photos)))
    return np.asarray(connected_components(links, directed=False)[1], np.int64)


def _truth(word: str | None, place: str) -> bool:
    known = (word or "").strip().lower()
    if known not in TRUE | FALSE:
        raise DataError(f"{place}: `same` is {word!r}; write 1 or 0.")
    return known in TRUE


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()  # spreadsheets write a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
