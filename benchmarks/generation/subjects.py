"""Real people that a generator has not learned from, and what it is asked for about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from generative.conditions import Vocabulary
from generative.data import FaceData, leave_one_out, open_faces
from generative.synthesis import Synthesizer, SyntheticPerson
from recog.alignment import TEMPLATE_SIZE
from recog.embedding import Embedder
from recog.errors import DataError
from recog.training.data import open_crops
from recog.training.embeddings import embeddings

Crops = NDArray[np.uint8]  # (N, S, S, 3)
LEAST = 4  # photos a person: two to ask by, two to compare with
ASKED = 3  # photos a person: two to ask by, so that each is asked for by another


@dataclass(frozen=True, eq=False)
class Subjects:
    """Photos of people, two parts of each person's: one to ask the generator by, one to compare with."""

    faces: FaceData  # at the generator's size, with leave-one-out centres and attributes
    vectors: NDArray[np.float32]  # (N, D) by recogniser A
    name: str  # of the data, for rows

    @classmethod
    def open(
        cls,
        folder: Path,
        embedder: Embedder,
        *,
        size: int,
        name: str,
        roles: Path | None = None,
        role: str | None = None,
        attributes: Path | None = None,
    ) -> Subjects:
        """Raises: as `generative.data.open_faces`; DataError: fewer than two people have four photos."""
        faces = open_faces(
            folder, size=size, embedder=embedder, roles=roles, role=role, attributes=attributes
        )
        judged = int((np.bincount(faces.crops.labels) >= LEAST).sum())
        if judged < 2:
            raise DataError(
                f"{folder}: {judged} people have {LEAST} photos; judging whom faces show needs two people at "
                "least, better hundreds. Give a folder with more photos a person."
            )
        native = open_crops(folder, size=TEMPLATE_SIZE, roles=roles, role=role)
        return cls(faces, embeddings(native, embedder), name)

    @property
    def images(self) -> Crops:
        """(N, S, S, 3) uint8 RGB."""
        return self.faces.crops.images

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) who is on each."""
        return self.faces.crops.labels

    def parts(self, least: int = 1) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows to ask by and rows to compare with, every other photo of each person.

        Args:
            least: photos that a person must have to be in either.
        """
        return every_other(self.labels, least)

    def translated(self, vocabulary: Vocabulary, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(R, V) what is known of these photos, in a generator's vocabulary."""
        known: Mapping[str, NDArray[np.floating]] = self.faces.vocabulary.values(self.faces.attributes[rows])
        return vocabulary.encoded(known, len(rows))


def every_other(labels: NDArray[np.int64], least: int = 1) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of every other photo of each person, and of the others, by person.

    Args:
        labels: (N,) who is on each. least: photos that a person must have to be in either.
    """
    mine = [np.flatnonzero(labels == person) for person in np.unique(labels)]
    kept = [rows for rows in mine if len(rows) >= least]
    nobody = np.zeros(0, np.int64)
    first, second = (np.concatenate([nobody, *(rows[at::2] for rows in kept)]) for at in (0, 1))
    return first, second


def counterparts(synthesizer: Synthesizer, subjects: Subjects, rows: NDArray[np.int64], seed: int) -> Crops:
    """A made-up face for each of these photos, with its attributes, of its person's other photos among them.

    What is not among these rows has no part in it, so that the faces can be compared with the rest. Where a
    person has one photo among them, it stands for the person.
    """
    rng = torch.Generator().manual_seed(seed)
    _, people = np.unique(subjects.labels[rows], return_inverse=True)
    centres = torch.from_numpy(leave_one_out(subjects.vectors[rows], people)[0])
    attributes = torch.from_numpy(subjects.translated(synthesizer.vocabulary, rows))
    return synthesizer.faces(centres, attributes, rng)


def portraits(
    synthesizer: Synthesizer, subjects: Subjects, photos: int, candidates: int, seed: int
) -> list[SyntheticPerson]:
    """Made-up photos of every person who has four photos, asked for by one part of the person's photos."""
    asked, _ = subjects.parts(LEAST)
    whose = subjects.labels[asked]
    return [
        synthesizer.person(
            subjects.faces.crops.identities[person],
            subjects.vectors[asked[whose == person]],
            photos,
            seed * 1_000_003 + int(person),
            candidates=candidates,
        )
        for person in np.unique(whose)
    ]
