"""Galleries as one file that other tools can read: NumPy arrays and a description in JSON.

`numpy.load(file)` gives, for N templates of P people:

    manifest      JSON: format, version, model (name, digest, embedding_size), thresholds
    name          (P,) names
    person        (N,) whose template each is, 0..P-1
    embedding     (N, D) unit vectors
    photo_digest  (N,) SHA-256 of the photo, hexadecimal
    quality       (N,) 0..1, NaN where unknown
    how           (N,) "photo", "repaired", ...
    enrolled_at   (N,) ISO 8601, UTC

For FAISS there is a second form: an exact index of the vectors and, beside it, the names of its rows.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.checkpoints import write_atomically
from recog.errors import DataError, GalleryError
from recog.gallery.interface import GalleryLike
from recog.index import flat_bytes
from recog.records import Calibration, Model, Template
from recog.types import PURPOSES, Purpose

FORMAT, VERSION = "recog gallery", 1
ARRAYS = ("name", "person", "embedding", "photo_digest", "quality", "how", "enrolled_at")


@dataclass(frozen=True, slots=True, eq=False)
class Portable:
    """Everything of a gallery that another may take in."""

    model: Model
    thresholds: dict[Purpose, Calibration]
    people: dict[str, list[Template]]

    @classmethod
    def of(cls, gallery: GalleryLike) -> Portable:
        """What a gallery holds. Raises: GalleryError: nobody is enrolled."""
        model, people = gallery.model(), gallery.everyone()
        if model is None:
            raise GalleryError(f"{gallery}: nobody is enrolled, so there is nothing to export.")
        found = {purpose: gallery.calibration(purpose, model.digest) for purpose in PURPOSES}
        return cls(model, {key: value for key, value in found.items() if value}, people)

    def into(self, gallery: GalleryLike) -> int:
        """Add everybody; gives how many templates were new.

        An empty gallery takes the thresholds too; elsewhere they were measured on other people.
        Raises: ModelMismatch; DataError: a vector is not what it should be.
        """
        empty = gallery.size() == (0, 0)
        added = gallery.add_all(self.people, self.model)
        for purpose, calibration in self.thresholds.items() if empty else ():
            gallery.calibrate(purpose, calibration, self.model.digest)
        return added

    # ---------------------------------------------------------------- as NumPy arrays

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all. Raises: WriteFailed."""
        rows = self._rows()
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "model": asdict(self.model),
            "thresholds": {purpose: asdict(found) for purpose, found in self.thresholds.items()},
        }
        buffer = io.BytesIO()
        np.savez(
            buffer,
            manifest=np.array(json.dumps(manifest, ensure_ascii=False)),
            name=np.array(list(self.people), np.str_),
            person=np.array([person for person, _ in rows], np.int64),
            embedding=np.stack([template.embedding for _, template in rows]),
            photo_digest=np.array([template.photo_digest for _, template in rows], np.str_),
            quality=np.array([_number(template.quality) for _, template in rows], np.float64),
            how=np.array([template.how for _, template in rows], np.str_),
            enrolled_at=np.array([template.enrolled_at for _, template in rows], np.str_),
        )
        write_atomically(path, buffer.getvalue())

    @classmethod
    def read(cls, path: Path) -> Portable:
        """Read a file that `write` made.

        Raises: DataError: it is not one, is damaged, or of a newer version.
        """
        try:
            with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
                manifest = json.loads(str(file["manifest"]))
                arrays = {key: file[key] for key in ARRAYS}
        except OSError as error:
            raise DataError(f"{path}: {error.strerror or 'cannot be read'}. Check the path.") from error
        except (ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
            raise _damaged(path) from error
        return cls._parsed(path, manifest, arrays)

    @classmethod
    def _parsed(cls, path: Path, manifest: Any, arrays: dict[str, NDArray[Any]]) -> Portable:
        try:
            if manifest["format"] != FORMAT:
                raise _damaged(path)
            if manifest["version"] > VERSION:
                raise DataError(
                    f"{path}: version {manifest['version']}; this recog knows {VERSION}. Upgrade it."
                )
            model = Model(**manifest["model"])
            thresholds = {key: Calibration(**found) for key, found in manifest["thresholds"].items()}
            people: dict[str, list[Template]] = {str(name): [] for name in arrays["name"]}
            names = list(people)
            columns = (arrays[key] for key in ARRAYS[1:])
            for person, embedding, digest, quality, how, at in zip(*columns, strict=True):
                known = None if math.isnan(quality) else float(quality)
                template = Template(embedding, str(digest), known, str(how), str(at))
                people[names[int(person)]].append(template)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise _damaged(path) from error
        return cls(model, thresholds, people)

    # ---------------------------------------------------------------- for FAISS

    def write_faiss(self, path: Path) -> Path:
        """Write an exact FAISS index of inner products, and whose its rows are as JSON lines beside it.

        Returns: the path of the names. Raises: WriteFailed.
        """
        rows, names = self._rows(), list(self.people)
        write_atomically(path, flat_bytes(np.stack([template.embedding for _, template in rows])))
        beside = path.with_name(f"{path.name}.jsonl")
        lines = [
            json.dumps(
                {"row": row, "identity": names[person], "model": self.model.digest}, ensure_ascii=False
            )
            for row, (person, _) in enumerate(rows)
        ]
        write_atomically(beside, "".join(f"{line}\n" for line in lines).encode())
        return beside

    def _rows(self) -> list[tuple[int, Template]]:
        every = enumerate(self.people.values())
        return [(person, template) for person, templates in every for template in templates]


def _number(quality: float | None) -> float:
    return math.nan if quality is None else quality


def _damaged(path: Path) -> DataError:
    return DataError(f"{path}: is no export of a gallery, or is damaged. Export it again.")
