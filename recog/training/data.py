"""Folders of aligned crops (one sub-folder an identity) as one memory-mapped array.

Reading tens of thousands of small files is slow, so a folder is decoded once into a uint8 array in a
cache folder and mapped from there.
"""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray
from PIL import Image

from recog import images, photos
from recog.errors import ConfigError, DataError, ImageError
from recog.progress import progress

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class CropSet:
    """Crops in memory or memory-mapped, with their identities."""

    images: NDArray[np.uint8]  # (N, S, S, 3), RGB
    labels: NDArray[np.int64]  # (N,), index into identities; -1: nobody knows who it is
    identities: tuple[str, ...]
    files: tuple[str, ...]  # (N,) paths relative to the folder, or made-up names

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def fingerprint(self) -> str:
        """Tells this set from another: hex digest of its files and identities."""
        text = json.dumps([self.files, self.identities, self.labels.tolist()])
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def subset(self, indices: NDArray[np.int64] | Sequence[int]) -> CropSet:
        """These crops only, in this order; identities without crops are dropped, labels renumbered."""
        chosen = np.asarray(indices, dtype=np.int64)
        labels = self.labels[chosen]
        kept = np.unique(labels[labels >= 0])
        return CropSet(
            self.images[chosen],
            np.where(labels >= 0, np.searchsorted(kept, labels), -1),
            tuple(self.identities[k] for k in kept),
            tuple(self.files[i] for i in chosen),
        )

    def of_identities(self, names: Iterable[str]) -> CropSet:
        """All crops of these identities.

        Raises: DataError: an identity is not in the set.
        """
        wanted = set(names)
        missing = wanted - set(self.identities)
        if missing:
            raise DataError(f"{len(missing)} identities are not in the folder, for example {min(missing)!r}.")
        codes = [code for code, name in enumerate(self.identities) if name in wanted]
        return self.subset(np.flatnonzero(np.isin(self.labels, codes)))

    @staticmethod
    def concat(sets: Sequence[CropSet]) -> CropSet:
        """One set of several; identities of the same name become one, which is logged."""
        several = Counter(name for crops in sets for name in crops.identities)
        shared = sum(count > 1 for count in several.values())
        if shared:
            logger.info("%d identities are in several sets, and count as one person each", shared)
        names = sorted(several)
        code = {name: index for index, name in enumerate(names)}
        labels = [
            np.array([*(code[n] for n in crops.identities), -1], np.int64)[crops.labels] for crops in sets
        ]  # label -1 takes the last
        return CropSet(
            np.concatenate([crops.images for crops in sets]),
            np.concatenate(labels),
            tuple(names),
            tuple(file for crops in sets for file in crops.files),
        )


def cache_folder() -> Path:
    """Where derived files live: RECOG_CACHE, or the user's cache folder."""
    return Path(os.environ.get("RECOG_CACHE") or platformdirs.user_cache_dir("recog", appauthor=False))


def open_crops(
    folder: Path | str,
    *,
    size: int,
    roles: Path | str | None = None,
    role: str | None = None,
    labelled: bool = True,
) -> CropSet:
    """Open `folder` (one sub-folder an identity) as crops of `size` px.

    Args:
        size: px; crops of another size are resized. To embed them take `recog.alignment.TEMPLATE_SIZE`, which
            most have: embedders resize crops as they did when they were trained.
        roles: CSV of identity, role; only the identities of `role` are taken. Default all.
        labelled: False: whatever square pictures the folder holds, at any depth, of nobody knows whom.
    Raises: ConfigError: as `check_choice`; DataError: no such folder, no crops in it, nobody there who has
    the role, or a crop that cannot be decoded or is not square.
    """
    check_choice(folder, roles, role, labelled)
    root = Path(folder)
    listing = _listing(root, labelled)
    if not listing:
        expected = "FOLDER/<identity>/<image>, as torchvision's ImageFolder" if labelled else "pictures in it"
        raise DataError(f"{folder}: no crops found. Expected {expected}.")
    names = [name for name, *_ in listing]
    if not labelled:
        unknown = np.full(len(names), -1, np.int64)
        return CropSet(_decoded(root, names, listing, size), unknown, (), tuple(names))
    identities = sorted({name.split("/", 1)[0] for name in names})
    chosen = None if roles is None or role is None else _with_role(root, identities, roles, role)
    code = {name: index for index, name in enumerate(identities)}
    labels = np.array([code[name.split("/", 1)[0]] for name in names], np.int64)
    crops = CropSet(_decoded(root, names, listing, size), labels, tuple(identities), tuple(names))
    return crops if chosen is None else crops.of_identities(chosen)


def check_choice(folder: Path | str, roles: Path | str | None, role: str | None, labelled: bool) -> None:
    """Raises: ConfigError: one of roles and role without the other, or roles where nobody is named."""
    if (roles is None) != (role is None):
        raise ConfigError(f"{folder}: roles and role go together.")
    if roles is not None and not labelled:
        raise ConfigError(f"{folder}: roles belong to identities, and the folder is taken without.")


def _listing(root: Path, labelled: bool) -> list[tuple[str, int, int]]:
    """(relative path, size in bytes, time of change in ns) of each crop, sorted by path."""
    if not root.is_dir():
        raise DataError(f"{root}: no such folder. Give a folder of crops.")
    found = []
    for file in photos.inside(root):
        parts = file.relative_to(root).parts
        if len(parts) == 2 or not labelled:
            try:
                about = file.stat()
            except OSError as error:
                raise DataError(
                    f"{file}: cannot be read ({error.strerror}). Remove or replace it."
                ) from error
            found.append(("/".join(parts), about.st_size, about.st_mtime_ns))
    return sorted(found)


def _decoded(root: Path, names: list[str], listing: Any, size: int) -> NDArray[np.uint8]:
    key = hashlib.sha256(json.dumps([str(root.resolve()), listing, size]).encode()).hexdigest()[:24]
    bar = progress(names, total=len(names), desc=f"decode {root.name}")
    rows = (read_crop(root / name, size) for name in bar)
    return kept(cache_folder() / "crops" / f"{key}.npy", rows, len(names), size)


def kept(path: Path, rows: Iterable[NDArray[np.uint8]], count: int, size: int) -> NDArray[np.uint8]:
    """The rows of a file of crops, memory-mapped; where it is missing it is written from `rows` first.

    It is written beside its final place and moved there: two processes may do so at once. A memory map would
    end the process on a full disk, hence plain writing.

    Args:
        rows: `count` crops (size, size, 3); only looked at where the file is missing.
    Raises: DataError: the cache cannot be written; what `rows` raises.
    """
    if not path.is_file():
        logger.info("writing %d crops into %s", count, path)
        scratch = path.with_suffix(f".{os.getpid()}.part.npy")
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, 3)}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with scratch.open("wb") as file:
                np.lib.format.write_array_header_1_0(file, header)
                for row in rows:
                    file.write(row.tobytes())
            scratch.replace(path)
        except OSError as error:
            raise DataError(
                f"{path}: the crop cache cannot be written ({error}). Set RECOG_CACHE to another folder."
            ) from error
        finally:
            scratch.unlink(missing_ok=True)
    mapped: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def read_crop(path: Path, size: int) -> NDArray[np.uint8]:
    """One aligned crop as (size, size, 3) uint8 RGB.

    Raises: DataError: it cannot be read, or is not square.
    """
    try:
        picture = images.read(path)
    except ImageError as error:
        raise DataError(f"{error} Or remove it.") from error
    height, width = picture.shape[:2]
    if height != width:
        raise DataError(
            f"{path}: is {width}x{height} px, and aligned crops are square. Align it first, or remove it."
        )
    if width == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.LANCZOS))


def _with_role(root: Path, identities: Sequence[str], roles: Path | str, role: str) -> set[str]:
    """Those of the folder's identities that have the role."""
    chosen = set(read_roles(roles, role)).intersection(identities)
    if not chosen:
        raise DataError(f"{root}: nobody here has the role {role!r} in {roles}. Check both.")
    return chosen


def read_roles(path: Path | str, role: str) -> tuple[str, ...]:
    """Identities that a `identity,role` CSV gives this role, in order.

    Raises: DataError: no such file or nobody has the role.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:  # as spreadsheets write it
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 ({error.reason}). Save it as UTF-8.") from error
    if rows and not {"identity", "role"} <= rows[0].keys():
        raise DataError(f"{path}: columns are {', '.join(rows[0])}; a CSV with identity and role is needed.")
    names = tuple(row["identity"] for row in rows if row["role"] == role)
    if not names:
        known = ", ".join(sorted({row["role"] or "" for row in rows}))
        raise DataError(f"{path}: no identity has the role {role!r}; it knows {known}.")
    return names
