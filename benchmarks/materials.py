"""Folders, roles and a generator -> what an augmentation benchmark works with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.augmentation import Material, Synthesise
from benchmarks.exams import Exam, of_crops, of_pairs, require_disjoint
from benchmarks.rows import label
from generative.synthesis import Synthesizer, SyntheticPerson
from recog.alignment import TEMPLATE_SIZE
from recog.detection import Detector
from recog.embedding import Embedder
from recog.training import CropSet, open_crops

LFW_SIZE = 112  # px: aligned once, resized by each embedder


def exams_of(
    reports: Sequence[Path],
    roles: Path | None,
    role: str,
    size: int,
    *,
    photos: Path | None = None,
    pairs: Path | None = None,
    landmarks: Path | None = None,
    device: str = "auto",
) -> list[Exam]:
    """All pairs of each folder of crops, and a list of pairs of original photos where one is given."""
    chosen = role if roles else None
    exams = [
        of_crops(open_crops(folder, size=size, roles=roles, role=chosen), name_of(folder, roles, role))
        for folder in reports
    ]
    if photos is not None and pairs is not None:
        detector = None if landmarks else Detector(device)
        exams.append(of_pairs(photos, pairs, LFW_SIZE, detector=detector, landmarks=landmarks))
    return exams


def material(
    data: Path,
    exams: Sequence[Exam],
    *,
    roles: Path | None,
    user_role: str,
    size: int,
    generator: str | None,
    candidates: int = 2,
    device: str = "auto",
) -> Material:
    """Everything for `benchmarks.augmentation.run`.

    Args:
        generator: name or path of a generator; None where no arm needs one.
        candidates: see `synthesis_by`.
    Raises: DataError: somebody is both a user and in an exam; ModelMismatch: the generator belongs to another
        recogniser.
    """
    role = user_role if roles else None
    user = open_crops(data, size=size, roles=roles, role=role)
    require_disjoint(user, exams)
    name = name_of(data, roles, user_role)
    if generator is None:
        return Material(name=name, user=user, native=user, exams=tuple(exams))
    embedder = Embedder.load("bundled", device=device)
    synthesizer = Synthesizer.load(generator, embedder, device=device)
    return Material(
        name=name,
        user=user,
        native=open_crops(data, size=TEMPLATE_SIZE, roles=roles, role=role),
        exams=tuple(exams),
        synthesise=synthesis_by(synthesizer, embedder, candidates),
        generator=synthesizer.digest,
        curation=f"most like the centre, 1 of {candidates}",
        regime="open",
    )


def synthesis_by(synthesizer: Synthesizer, embedder: Embedder, candidates: int = 1) -> Synthesise:
    """Made-up photos of people from the centre of their real photos by recogniser A.

    Args:
        candidates: photos drawn for each one kept; kept are those most like the centre, without duplicates.
    """

    def synthesise(real: CropSet, photos: int, seed: int) -> CropSet:
        vectors = embedder.embed(real.images)
        made = [
            synthesizer.person(
                name, vectors[real.labels == k], photos, seed * 100_003 + k, candidates=candidates
            )
            for k, name in enumerate(real.identities)
        ]
        return crops_of(made)

    return synthesise


def crops_of(people: Sequence[SyntheticPerson]) -> CropSet:
    """Made-up people as crops to train on or to draw from."""
    return CropSet(
        np.concatenate([person.images for person in people]),
        np.repeat(np.arange(len(people)), [len(person.images) for person in people]).astype(np.int64),
        tuple(person.identity for person in people),
        tuple(f"{person.identity}/{k:04d}" for person in people for k in range(len(person.images))),
    )


def name_of(folder: Path, roles: Path | None, role: str) -> str:
    """What reports call a folder of crops, or the people in it who have a role."""
    return label(folder) + (f" ({role})" if roles else "")
