"""Folders, roles and a generator -> what an augmentation benchmark works with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.augment.makers import ClosedMakers, OpenMakers, by_kind
from benchmarks.augment.making import Material
from benchmarks.augment.own_folder import halves
from benchmarks.augment.plan import CLOSED, OPEN, Kind, Plan
from benchmarks.exams import Exam, of_crops, of_pairs, require_disjoint
from benchmarks.rows import label
from generative.recombining import WAYS
from recog.alignment import TEMPLATE_SIZE
from recog.detection import Detector
from recog.embedding import Embedder
from recog.errors import ConfigError
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


def half(data: Path, size: int, roles: Path | None, role: str) -> tuple[CropSet, Exam]:
    """Half of a folder's people to learn from, and an exam of the others; see `own_folder.halves`.

    Raises: as `open_crops`, `halves`.
    """
    crops = open_crops(data, size=size, roles=roles, role=role if roles else None)
    learned, asked = halves(crops)
    return learned, of_crops(asked, f"{name_of(data, roles, role)}, the other half of the people")


def material(
    data: Path,
    exams: Sequence[Exam],
    plan: Plan,
    *,
    roles: Path | None,
    user_role: str,
    generators: Mapping[str, str | Path],
    runs: Path | None = None,
    only: Sequence[str] | None = None,
    device: str = "auto",
) -> Material:
    """Everything for `benchmarks.augment.bench`.

    Args:
        generators: name or file by maker, of the open regime.
        only: identities that are learned from; None: all who have the role.
        runs: folder of the generators that the closed regime trains.
    Raises: DataError: somebody is both a user and in an exam; ModelMismatch: a generator belongs to another
    recogniser; ModelNotFound: no such start; ConfigError: no generator of some kind, or the closed
    regime without a folder for its runs.
    """
    role = user_role if roles else None
    user = _some(open_crops(data, size=plan.image_size, roles=roles, role=role), only)
    require_disjoint(user, exams)
    alone = Material(
        name=name_of(data, roles, user_role),
        user=user,
        native=user,
        exams=tuple(exams),
        start=Embedder.load(plan.start, device) if plan.start else None,
    )
    if not plan.kinds:
        return alone
    makers = _generators(plan, generators, runs, device)
    made_by = {kind: "" for kind in plan.kinds if kind.maker in WAYS} | {
        Kind(maker, regime): digest
        for regime, of_regime in makers.items()
        for maker, digest in of_regime.digests.items()
    }
    native = user
    if any(kind.regime == OPEN for kind in plan.kinds):
        native = _some(open_crops(data, size=TEMPLATE_SIZE, roles=roles, role=role), only)
    return replace(alone, native=native, makers=by_kind(makers), made_by=made_by)


def _generators(
    plan: Plan, generators: Mapping[str, str | Path], runs: Path | None, device: str
) -> dict[str, OpenMakers | ClosedMakers]:
    """Those of each regime that the plan asks for.

    Raises: ConfigError: no generator of some kind, or no folder for those that are trained.
    """
    found: dict[str, OpenMakers | ClosedMakers] = {}
    if plan.generators_of(CLOSED):
        if runs is None:
            raise ConfigError("The closed regime trains generators: give --runs, a folder for them.")
        found[CLOSED] = ClosedMakers(plan, runs, device=device)
    if asked := plan.generators_of(OPEN):
        unknown = sorted(set(asked) - generators.keys())
        if unknown:
            raise ConfigError(
                f"No generator of kind {unknown[0]!r} is at hand; the closed regime trains one."
            )
        found[OPEN] = OpenMakers({maker: generators[maker] for maker in asked}, device=device)
    return found


def _some(crops: CropSet, only: Sequence[str] | None) -> CropSet:
    return crops if only is None else crops.of_identities(only)


def name_of(folder: Path, roles: Path | None, role: str) -> str:
    """What reports call a folder of crops, or the people in it who have a role."""
    return label(folder) + (f" ({role})" if roles else "")
