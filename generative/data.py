"""Crops with what a generator is conditioned on: a vector of the identity, and attributes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generative.conditions import AGE, ATTRIBUTES, Encoded, Vocabulary
from generative.labels import labels_of
from recog.alignment import TEMPLATE_SIZE
from recog.embedding import Embedder
from recog.errors import DataError
from recog.pixels import scaled
from recog.training.data import CropSet, open_crops
from recog.training.embeddings import embeddings
from recog.vectors import unit

NOTHING = Vocabulary()


@dataclass(frozen=True)
class Batch:
    """One step's faces, on the device that computes."""

    images: Tensor  # (B, 3, S, S) RGB in [-1, 1]
    centres: Tensor  # (B, D) unit vectors of the identities; D = 0 when nothing conditions
    attributes: Tensor  # (B, V) as the data's vocabulary encodes them; zeros: not known


def condition(centres: Tensor, attributes: Tensor) -> Tensor:
    """(B, D) unit vectors and (B, V) attributes -> (B, D + V), all entries of about unit size."""
    return torch.cat([centres * math.sqrt(max(1, centres.shape[1])), attributes], dim=1)


@dataclass(frozen=True, eq=False)
class FaceData:
    """Crops, the identity centre and the attributes of each, and the model that made the centres."""

    crops: CropSet
    centres: NDArray[np.float32]  # (N, D) unit: the identity's other photos, averaged (leave one out)
    similarities: NDArray[np.float32]  # (N,) cosine of each crop to its own centre; NaN: no other photo
    attributes: Encoded  # (N, V); zeros: not known
    vocabulary: Vocabulary = NOTHING
    model_digest: str | None = None

    def __len__(self) -> int:
        return len(self.crops)

    @classmethod
    def plain(cls, crops: CropSet) -> FaceData:
        """Crops that nothing is known of, for training without conditions."""
        nothing = np.zeros((len(crops), 0), np.float32)
        return cls(crops, nothing, np.zeros(len(crops), np.float32), nothing)

    @property
    def fingerprint(self) -> str:
        """What is learned from: the crops, what is known of each, and whose vectors condition."""
        sha = hashlib.sha256(f"{self.crops.fingerprint} {self.model_digest} {self.vocabulary}".encode())
        sha.update(np.ascontiguousarray(self.attributes).tobytes())
        return sha.hexdigest()[:24]

    @property
    def condition_size(self) -> int:
        """Length of identity vector and attributes together."""
        return int(self.centres.shape[1] + self.attributes.shape[1])

    @staticmethod
    def concat(sets: Sequence[FaceData]) -> FaceData:
        """One set of several that have the same vocabulary and model.

        Raises: DataError: they have not.
        """
        first = sets[0]
        if any((one.vocabulary, one.model_digest) != (first.vocabulary, first.model_digest) for one in sets):
            raise DataError("These faces have different attributes or embedders. Open them with the same.")
        return FaceData(
            CropSet.concat([one.crops for one in sets]),
            np.concatenate([one.centres for one in sets]),
            np.concatenate([one.similarities for one in sets]),
            np.concatenate([one.attributes for one in sets]),
            first.vocabulary,
            first.model_digest,
        )

    @cached_property
    def _alike(self) -> list[NDArray[np.int64]]:
        """Rows by what is known of them: who has an attribute, who has it not, who is near a knot of age."""
        names = len(self.vocabulary.attributes)
        flags, ages = self.attributes[:, :names].T, self.attributes[:, names:].T
        groups = [np.flatnonzero(flag == side) for flag in flags for side in (-1, 1)]
        groups += [np.flatnonzero(age >= 0.5) for age in ages]
        return [group for group in groups if len(group)]

    def rows(self, size: int, rng: torch.Generator, balanced: float = 0.0) -> NDArray[np.int64]:
        """Draw `size` rows with replacement.

        Args:
            balanced: share of them that is drawn from a group first (an attribute had, not had, an age) and
                from its rows then, so that what is rare is learned too.
        """
        rows = torch.randint(len(self), (size,), generator=rng).numpy()
        count = round(balanced * size) if self._alike else 0
        places = torch.rand(2, count, generator=rng, dtype=torch.float64).numpy()
        for index, (which, where) in enumerate(places.T):
            group = self._alike[int(which * len(self._alike))]
            rows[index] = group[int(where * len(group))]
        return rows

    def batch(
        self,
        size: int,
        rng: torch.Generator,
        device: torch.device,
        balanced: float = 0.0,
        layout: torch.memory_format = torch.channels_last,
    ) -> Batch:
        """Draw `size` faces as `rows` does, each mirrored or not."""
        rows = self.rows(size, rng, balanced)
        mirror = torch.rand(size, generator=rng) < 0.5
        images = torch.from_numpy(self.crops.images[rows]).permute(0, 3, 1, 2)  # a view: channels_last
        images = torch.where(mirror[:, None, None, None], images.flip(3), images).to(device)
        images = scaled(images).contiguous(memory_format=layout)
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
        embedder: recogniser A, whose vectors condition the generator; None: nothing does.
        roles: CSV of identity, role; only the identities of `role` are used. Default all.
        attributes: CSV with a `file` column and some of CelebA's attributes as 0/1, `sex`, `age` in years;
            of crops that it lacks nothing is known.
    Raises: ConfigError: one of roles and role without the other; DataError: nothing to train on, or
    `attributes` says nothing of it; WriteFailed: the cache of embeddings cannot be written.
    """
    crops = open_crops(folder, size=size, roles=roles, role=role)
    labels = labels_of(crops.files, attributes) if attributes else {}
    if embedder is None:
        centres, similarities = np.zeros((len(crops), 0), np.float32), np.zeros(len(crops), np.float32)
    else:
        native = open_crops(folder, size=TEMPLATE_SIZE, roles=roles, role=role)
        centres, similarities = leave_one_out(embeddings(native, embedder), crops.labels)
    digest = embedder.digest if embedder else None
    vocabulary = Vocabulary(tuple(n for n in ATTRIBUTES if n in labels), AGE in labels)
    encoded = vocabulary.encoded(labels, len(crops))
    return FaceData(crops, centres, similarities, encoded, vocabulary, digest)


def open_read_faces(sources: Sequence[tuple[Path, Path]], *, size: int) -> FaceData:
    """Open folders of crops, each with a CSV, for training a reader of attributes and ages.

    Only crops of which the CSV says something are taken; who they are does not matter.

    Args:
        sources: folder and CSV, as of `open_faces`.
    Raises: as `open_faces`.
    """
    opened = [open_crops(folder, size=size, labelled=False) for folder, _ in sources]
    labels = [labels_of(crops.files, csv) for crops, (_, csv) in zip(opened, sources, strict=True)]
    names = {name for found in labels for name in found}
    vocabulary = Vocabulary(tuple(n for n in ATTRIBUTES if n in names), AGE in names)
    sets = []
    for crops, found in zip(opened, labels, strict=True):
        encoded = vocabulary.encoded(found, len(crops))
        known = np.flatnonzero(encoded.any(axis=1))
        nothing = np.zeros((len(known), 0), np.float32)
        sets.append(
            FaceData(
                crops.subset(known), nothing, np.zeros(len(known), np.float32), encoded[known], vocabulary
            )
        )
    return FaceData.concat(sets)


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
