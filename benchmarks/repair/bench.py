"""The rows of `recog bench repair`.

For each damage: how near repaired faces are to the clean ones, and who is recognised on them, by
recogniser B, which had no part in repair and learned from clean crops, and by the toolkit's model, which saw
damaged ones too. What that one reaches on the damaged faces as they are is the line to beat.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import stats
from benchmarks.generation.apart import require_judges_apart
from benchmarks.generation.showing import mean_of
from benchmarks.generation.subjects import LEAST, every_other
from benchmarks.judging.judges import Judges
from benchmarks.repair.cases import Case, Crops, Masks, each
from benchmarks.repair.classical import Eigenfaces, baselines
from benchmarks.repair.likeness import psnr, ssim
from benchmarks.repair.matching import Labels, Matcher, Matches, Vectors, cosines
from benchmarks.repair.showing import of_nobody, save_grid
from benchmarks.rows import FIGURES, Measurement, Row, origin
from generative.damage import KINDS
from generative.projection import Projector
from generative.repair import Repairer
from generative.synthesis import Synthesizer
from recog.checkpoints import write_atomically
from recog.embedding import Embedder
from recog.errors import DataError
from recog.training.data import CropSet
from recog.vectors import unit

CLEAN, DAMAGED, OURS, PROJECTED = "clean", "damaged", "repairer", "VAE projection"
AUTO = "repairer, where it helps"  # what helps is chosen on other people than these
B, OWN = "recogniser B", "bundled model"
SAFE = 0.98  # cosine that an undamaged face should keep


@dataclass(frozen=True, eq=False)
class Models:
    """Who repairs, and who recognises."""

    repairer: Repairer
    judges: Judges
    embedder: Embedder  # which learned from damaged faces too
    projector: Projector | None = None
    eigenfaces: Eigenfaces | None = None
    synthesizer: Synthesizer | None = None  # makes people who do not exist, for pictures that may be shown


class Probes:
    """Photos of people that are damaged and repaired, and others of the same people that stay as they are."""

    def __init__(self, crops: CropSet, models: Models, most: int | None = None, seed: int = 0) -> None:
        """
        Args:
            crops: people that no network learned from.
            most: probes, at most, drawn with the seed; None: all.
        Raises: DataError: fewer than two people have four photos.
        """
        drawn, kept = every_other(crops.labels, LEAST)
        people = len(np.unique(crops.labels[drawn]))
        if people < 2:
            raise DataError(f"{people} people have {LEAST} photos; two at least are needed.")
        if most is not None and most < len(drawn):
            drawn = np.sort(np.random.default_rng(seed).choice(drawn, most, replace=False))
        images = np.asarray(crops.images)
        self.models = models
        self.faces: Crops = images[drawn]
        self.whose: Labels = crops.labels[drawn]
        vectors = self.vectors(images[kept])
        self.matchers = {by: Matcher(self.whose, rows, crops.labels[kept]) for by, rows in vectors.items()}
        self.own = self.vectors(self.faces)
        self.clean = self.matches(self.own)

    def vectors(self, faces: Crops) -> dict[str, Vectors]:
        """By each recogniser."""
        return {B: self.models.judges.vectors(faces), OWN: self.models.embedder.embed(faces)}

    def matches(self, vectors: Mapping[str, Vectors]) -> dict[str, Matches]:
        """By each recogniser."""
        return {by: self.matchers[by](rows) for by, rows in vectors.items()}

    def recognised(self, found: Mapping[str, Matches]) -> list[Measurement]:
        """TAR and rank-1 by each recogniser, and at the threshold that suits clean faces."""
        return [
            one
            for by, matches in found.items()
            for one in self.matchers[by].measured(
                matches, by, None if matches is self.clean[by] else self.clean[by]
            )
        ]

    def likeness(self, faces: Crops, vectors: Mapping[str, Vectors]) -> list[Measurement]:
        """How near faces are to the clean ones."""
        found = [
            self._mean("PSNR, dB", psnr(faces, self.faces)),
            self._mean("SSIM", ssim(faces, self.faces)),
        ]
        return found + [
            self._mean(f"cosine to the clean face, {by}", cosines(rows, self.own[by]))
            for by, rows in vectors.items()
        ]

    def harm(self, faces: Crops, vectors: Mapping[str, Vectors]) -> list[Measurement]:
        """What is done to faces that were whole."""
        change = np.abs(faces.astype(np.float64) - self.faces).mean(axis=(1, 2, 3))
        found = [
            self._mean("change, levels", change),
            Measurement("largest change of a face, levels", float(change.max()), len(change)),
        ]
        for by, rows in vectors.items():
            alike = cosines(rows, self.own[by])
            found.append(Measurement(f"least cosine, {by}", float(alike.min()), len(alike)))
            share = stats.share_interval(alike >= SAFE, self.whose)
            name = f"cosine {SAFE} or more, {by}"
            found.append(Measurement(name, float((alike >= SAFE).mean()), len(alike), share))
        return found

    def named(self, suffered: Sequence[str], damage: str | None) -> Measurement:
        """How often it is told rightly what faces suffer from."""
        right = np.array(suffered) == (damage or KINDS[0])
        return Measurement(
            "damage named rightly", float(right.mean()), len(right), stats.share_interval(right, self.whose)
        )

    def joined(self, repaired: Vectors, damaged: Vectors, worst: Matches) -> list[Measurement]:
        """What the bundled model gains where the vectors of a face, damaged and repaired, are averaged."""
        matcher, by = self.matchers[OWN], f"{OWN}, both vectors"
        found = matcher(unit(repaired + damaged))
        return [*matcher.measured(found, by), *matcher.restored(self.clean[OWN], worst, found, by)]

    def _mean(self, metric: str, values: NDArray[np.float64]) -> Measurement:
        return mean_of(values, metric, self.whose)


def repair(
    cases: Mapping[str, Case],
    crops: CropSet,
    models: Models,
    name: str,
    *,
    seed: int,
    kept: Callable[[list[Row]], None],
    most: int | None = None,
    done: frozenset[str] = frozenset(),
    pictures: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
) -> list[Row]:
    """Rows of clean faces, and of each case damaged, by each baseline, and repaired.

    Args:
        crops: people that nothing here learned from, at the size that is repaired.
        name: of the data.
        kept: takes the rows of a case as soon as they are measured.
        most: probes.
        done: plans of rows that are there already.
        pictures: a folder for grids of what these real people look like, the worst included; None: none.
        out: folder of results, for a picture of people who do not exist.
    Raises: DataError: too few people; ConfigError: a judge had a part in training the generator.
    """
    require_judges_apart("The repairer", models.repairer.guides, models.judges)
    if models.projector is not None:
        require_judges_apart("The VAE", models.projector.synthesizer.guides, models.judges)
    plan = {
        "data": crops.fingerprint,
        "size": crops.images.shape[1],
        "most": most,
        "seed": seed,
        "repairer": models.repairer.digest,
        "judge": models.judges.recogniser.digest,
        "model": models.embedder.digest,
        "vae": models.projector and models.projector.synthesizer.digest,
        "eigenfaces": models.eigenfaces and models.eigenfaces.digest,
    }
    drawn = "every other photo of each person" if most is None else f"{most} photos"
    protocol = (
        f"{crops.images.shape[1]} px; {drawn} damaged, others of the same people left alone; every "
        "pair; each threshold at an FMR of 1e-3 among the same damaged faces"
    )
    found: list[Row] = []
    probes: Probes | None = None
    for case_name, case in each(cases):
        source = origin("repair", protocol, name, {"case": case_name, **plan, **vars(case)}, device)
        if source.plan in done:
            continue
        probes = probes or Probes(crops, models, most, seed)
        rows: list[Row] = []
        for arm, measurements, seconds in _measured(probes, case, case_name, seed, pictures):
            details: dict[str, Any] = {
                "judge": models.judges.recogniser.digest[:12],
                "case": case_name,
                "method": arm,
                "guided": models.embedder.digest in models.repairer.guides,
            }
            if models.repairer.helps and not case.told:
                details["auto"] = case.damage in models.repairer.helps
            if arm == OURS and case.damage is None and out is not None and models.synthesizer is not None:
                details["pictures"] = _shown(models.repairer, models.synthesizer, seed, out)
            digest = models.repairer.digest if arm == OURS else None
            rows += source.rows(
                measurements,
                arm=f"{case_name}, {arm}",
                seed=seed,
                seconds=seconds,
                details=details,
                model=digest,
            )
        kept(rows)
        found += rows
    return found


def _shown(repairer: Repairer, synthesizer: Synthesizer, seed: int, out: Path) -> dict[str, str]:
    """Write what repair does to people who do not exist; captions by file."""
    png, caption = of_nobody(repairer, synthesizer, seed)
    file = f"{FIGURES}/repair-{synthesizer.image_size}.png"
    write_atomically(out / file, png)
    return {file: caption}


def _measured(
    probes: Probes, case: Case, name: str, seed: int, pictures: Path | None
) -> list[tuple[str, list[Measurement], float]]:
    """Arms of a case, with what is measured of each and the seconds it took."""
    models = probes.models
    damaged, covered = case.apply(probes.faces, seed)
    arms: dict[str, Callable[[Crops, Masks], Crops]] = {}
    if case.damage is not None:
        arms[DAMAGED] = lambda images, masks: images
        arms |= baselines(case, models.eigenfaces)
    if case.covers and models.projector is not None:
        arms[PROJECTED] = models.projector.repair
    arms[OURS] = lambda images, masks: models.repairer.repair(images, masks if case.told else "auto")
    if models.repairer.helps and not case.told:
        arms[AUTO] = lambda images, masks: models.repairer.where_it_helps(images)
    found: list[tuple[str, list[Measurement], float]] = []
    if case.damage is None:
        found.append((CLEAN, probes.recognised(probes.clean), 0.0))
    worst: dict[str, Matches] = {}  # of the damaged faces
    before: dict[str, Vectors] = {}
    shown: dict[str, Crops] = {CLEAN: probes.faces}
    alike = np.zeros(len(probes.faces))
    for arm, method in arms.items():
        started = time.perf_counter()
        faces = method(damaged, covered)
        vectors = probes.vectors(faces)
        matches = probes.matches(vectors)
        measurements = [*probes.likeness(faces, vectors), *probes.recognised(matches)]
        if case.damage is None:
            measurements += probes.harm(faces, vectors)
        elif arm == DAMAGED:
            worst, before = matches, vectors
        else:
            for by, matcher in probes.matchers.items():
                measurements += matcher.restored(probes.clean[by], worst[by], matches[by], by)
            if arm == OURS:
                measurements += probes.joined(vectors[OWN], before[OWN], worst[OWN])
        if arm == OURS and models.repairer.tells and not case.told:
            measurements.append(probes.named(models.repairer.suffered(damaged), case.damage))
        found.append((arm, measurements, time.perf_counter() - started))
        shown[arm] = faces
        alike = cosines(vectors[B], probes.own[B])
    if pictures is not None:
        save_grid(pictures, name, shown, alike)
    return found
