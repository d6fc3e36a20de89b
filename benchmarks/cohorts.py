"""Folders -> the three cohorts of people that `benchmarks.open_set` works with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import photos
from benchmarks.materials import name_of
from benchmarks.open_set import Cohort, Cohorts, OpenSetPlan
from benchmarks.rows import label
from recog.alignment import TEMPLATE_SIZE
from recog.errors import DataError
from recog.faces import DetectorLike, EmbedderLike
from recog.training import open_crops


def of_crops(
    folders: Sequence[tuple[Path, str | None]], roles: Path | None, embedder: EmbedderLike
) -> Cohorts:
    """Three folders of aligned crops, each with the role of its people or None for all of them.

    Raises: ConfigError: a role without roles; DataError: a folder cannot be used, or somebody is in two
    cohorts.
    """
    cohorts, names, titles = [], [], []
    for folder, role in folders:
        table = roles if role is not None else None
        crops = open_crops(folder, size=TEMPLATE_SIZE, roles=table, role=role)
        cohorts.append(Cohort(embedder.embed(np.asarray(crops.images)), crops.labels))
        names.append(set(crops.identities))
        titles.append(name_of(folder, table, role or ""))
    if any(names[i] & names[j] for i, j in ((0, 1), (0, 2), (1, 2))):
        raise DataError("Somebody is in two of the cohorts: enrolled people and strangers must be different.")
    data = f"{titles[0]} enrolled, {titles[1]} calibrating, {titles[2]} counted"
    enrolled, others, strangers = cohorts
    return Cohorts(enrolled, others, strangers, data, "aligned crops")


def of_photos(folder: Path, plan: OpenSetPlan, embedder: EmbedderLike, detector: DetectorLike) -> Cohorts:
    """One folder of photos: who has enough photos can be enrolled, the others are two halves of strangers.

    Photos without a face are left out, and counted in what reports say of the faces.

    Raises: DataError: too few people.
    """
    people = photos.people_of(folder)
    rng = np.random.default_rng(plan.seed)
    able = [name for name in sorted(people) if len(people[name]) > plan.photos]
    able = [able[k] for k in rng.permutation(len(able))]
    rest = [name for name in sorted(people) if len(people[name]) <= plan.photos]
    if len(rest) < len(able) // 2:  # where hardly anybody has few photos, a third of the others are strangers
        rest += able[len(able) * 2 // 3 :]
        able = able[: len(able) * 2 // 3]
    rest = [rest[k] for k in rng.permutation(len(rest))]
    kinds = [able, rest[::2], rest[1::2]]
    if len(able) < max(plan.sizes) or len(rest) < 4:
        raise DataError(
            f"{folder}: {len(able)} people to enroll and {len(rest)} strangers are too few for a gallery of "
            f"{max(plan.sizes)}. Ask for smaller --sizes."
        )
    chosen = [{name: people[name] for name in sorted(kind)} for kind in kinds]
    made = [_cohort(folder, some, embedder, detector, plan) for some in chosen]
    first, second, third = (cohort for cohort, _ in made)
    without = sum(count for _, count in made)
    how = f"MTCNN, largest central face; {without} photos without a face left out"
    return Cohorts(first, second, third, label(folder), how)


def _cohort(
    folder: Path,
    people: dict[str, list[Path]],
    embedder: EmbedderLike,
    detector: DetectorLike,
    plan: OpenSetPlan,
) -> tuple[Cohort, int]:
    """The faces of at most as many photos a person as the plan can use, and how many of those have none."""
    most = plan.photos + plan.probes
    chosen = [(code, path) for code, paths in enumerate(people.values()) for path in paths[:most]]
    names = [str(path.relative_to(folder)) for _, path in chosen]
    crops, found = photos.from_photos(folder, names, embedder.crop_size, detector)
    labels = np.array([code for code, _ in chosen], np.int64)
    return Cohort(embedder.embed(crops[found]), labels[found]), int((~found).sum())
