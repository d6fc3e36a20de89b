"""Crops with what a generator is conditioned on: a vector of the identity, and attributes."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recog.alignment import TEMPLATE_SIZE
from recog.embedding import Embedder
from recog.errors import DataError
from recog.pixels import scaled
from recog.training.data import CropSet, open_crops
from recog.training.embeddings import embeddings
from recog.vectors import unit

# CelebA's names. The first group belongs to a person, the second to a photo.
LASTING = ("Male", "Young", "Blond_Hair", "Black_Hair")
PASSING = ("Smiling", "Eyeglasses", "Wearing_Hat", "Mouth_Slightly_Open")
ATTRIBUTES = (*LASTING, *PASSING)


@dataclass(frozen=True)
class Batch:
    """One step's faces, on the device that computes."""

    images: Tensor  # (B, 3, S, S) RGB in [-1, 1], channels_last
    centres: Tensor  # (B, D) unit vectors of the identities; D = 0 when nothing conditions
    attributes: Tensor  # (B, A) -1, 0 (not known) or 1


def condition(centres: Tensor, attributes: Tensor) -> Tensor:
    """(B, D) unit vectors and (B, A) attributes -> (B, D + A), all entries of about unit size."""
    return torch.cat([centres * math.sqrt(max(1, centres.shape[1])), attributes], dim=1)


@dataclass(frozen=True, eq=False)
class FaceData:
    """Crops, the identity centre and the attributes of each, and the model that made the centres."""

    crops: CropSet
    centres: NDArray[np.float32]  # (N, D) unit: the identity's other photos, averaged (leave one out)
    similarities: NDArray[np.float32]  # (N,) cosine of each crop to its own centre; NaN: no other photo
    attributes: NDArray[np.float32]  # (N, A) -1, 0 (not known) or 1
    attribute_names: tuple[str, ...] = ()
    model_digest: str | None = None

    def __len__(self) -> int:
        return len(self.crops)

    @classmethod
    def plain(cls, crops: CropSet) -> FaceData:
        """Crops that nothing is known of, for training without conditions."""
        nothing = np.zeros((len(crops), 0), np.float32)
        return cls(crops, nothing, np.zeros(len(crops), np.float32), nothing)

    @property
    def condition_size(self) -> int:
        """Length of identity vector and attributes together."""
        return int(self.centres.shape[1] + self.attributes.shape[1])

    def batch(self, size: int, rng: torch.Generator, device: torch.device) -> Batch:
        """Draw `size` faces with replacement, each mirrored or not."""
        rows = torch.randint(len(self), (size,), generator=rng).numpy()
        mirror = torch.rand(size, generator=rng) < 0.5
        images = torch.from_numpy(self.crops.images[rows]).permute(0, 3, 1, 2)  # a view: channels_last
        images = torch.where(mirror[:, None, None, None], images.flip(3), images).to(device)
        images = scaled(images).contiguous(memory_format=torch.channels_last)
        return Batch(
            images,
            torch.from_numpy(self.centres[rows]).to(device),
            torch.from_numpy(self.attributes[rows]).to(device),
        )


def open_faces(
    folder: Path,
    *,
    size: int,
    embedder: Embedder | None = None,
    roles: Path | None = None,
    role: str | None = None,
    attributes: Path | None = None,
) -> FaceData:
    """Open a folder of aligned crops (one sub-folder an identity) for training a generator.

    Args:
        size: px the faces are trained at.
        embedder: recogniser A, whose vectors condition the generator; None for the repairer.
        roles: CSV of identity, role; only the identities of `role` are used. Default all.
        attributes: CSV with a `file` column and CelebA's attributes as 0/1; crops it lacks get zeros.
    Raises: ConfigError: one of roles and role without the other; DataError: nothing to train on; WriteFailed:
    the cache of embeddings cannot be written.
    """
    crops = open_crops(folder, size=size, roles=roles, role=role)
    if embedder is None:
        return FaceData.plain(crops)
    native = open_crops(folder, size=TEMPLATE_SIZE, roles=roles, role=role)
    centres, similarities = leave_one_out(embeddings(native, embedder), crops.labels)
    values, known = _attributes(crops.files, attributes)
    return FaceData(crops, centres, similarities, values, known, embedder.digest)


def leave_one_out(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Centre of each crop's identity without the crop itself, and the crop's cosine to it.

    A generator that is given a face's own vector copies the face; an identity of one photo has no other, and
    its cosine to itself would say nothing of how alike photos of a person are.

    Args:
        embeddings: (N, D) unit vectors. labels: (N,) identity of each.
    Returns: (N, D) unit vectors; (N,) cosines, NaN where there is no other photo.
    """
    sums = np.zeros((int(labels.max()) + 1, embeddings.shape[1]), np.float32)
    np.add.at(sums, labels, embeddings)
    alone = np.bincount(labels)[labels] == 1
    others = np.where(alone[:, None], embeddings, sums[labels] - embeddings)
    centres = unit(others)
    similarities = np.where(alone, np.nan, (centres * embeddings).sum(axis=1))
    return centres, similarities.astype(np.float32)


def _attributes(files: Sequence[str], manifest: Path | None) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """(N, A) of -1, 0 or 1 and the A names; A = 0 without a manifest."""
    if manifest is None:
        return np.zeros((len(files), 0), np.float32), ()
    try:
        with manifest.open(newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise DataError(f"{manifest}: cannot be read ({error.strerror}).") from error
    lacking = [name for name in ("file", *ATTRIBUTES) if not rows or name not in rows[0]]
    if lacking:
        raise DataError(
            f"{manifest}: no column {lacking[0]!r}. Give a CSV with file and {', '.join(ATTRIBUTES)}."
        )
    known = {
        "/".join(Path(row["file"]).parts[-2:]): [2.0 * float(row[name] == "1") - 1 for name in ATTRIBUTES]
        for row in rows
    }
    unknown = [0.0] * len(ATTRIBUTES)
    return np.array([known.get(file, unknown) for file in files], np.float32), ATTRIBUTES
