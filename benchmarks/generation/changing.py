"""`recog bench edit`: what becomes of people's photos that are edited or anonymized, by the judges."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import rows as results
from benchmarks import stats
from benchmarks.generation import identity, showing
from benchmarks.generation.apart import require_judges_apart
from benchmarks.generation.bench import REAL, Materials
from benchmarks.generation.subjects import LEAST, Crops
from benchmarks.metrics import Ranking
from benchmarks.rows import Measurement, Row
from generative.conditions import AGE
from generative.editing import METHODS, STRENGTHS, Editor
from recog.alignment import template
from recog.calibration import can_show

ANONYMIZED = "anonymized"
VERIFIED = "verified at the threshold of FMR 1e-3"  # pairs with the person's other photos that match
FMR = 1e-3  # of real photos, whose threshold changed ones are held to
SWITCHED = ("Smiling", "Eyeglasses", "Male")  # attributes that edits turn around
YEARS, STEP = 25.0, 5.0  # by how much edits of age make faces older; ages asked for are multiples of the step
KEPT = ("Male", "Smiling")  # what an anonymized face should show as its original did
BATCH = 64  # faces edited at once
SEARCHED = 400  # faces, spread over all, in which a detector looks for one: it takes longer than all else
Done = tuple[str, str, str | None]
Shown = Mapping[str, NDArray[np.float64]]  # what the judges' reader says of faces


class Changed:
    """Photos of people, changed, compared with other photos of them that were left alone."""

    def __init__(self, materials: Materials, seed: int = 0) -> None:
        """`materials`: with crops at 112 px."""
        self.materials, self.seed = materials, seed
        subjects = materials.subjects
        self.probes, self.references = subjects.parts(LEAST)
        images = np.asarray(subjects.images)
        self.crops: Crops = images[self.probes]
        self.originals = materials.judges.vectors(self.crops)  # (N, D)
        self.others = materials.judges.vectors(images[self.references])
        people, codes = np.unique(subjects.labels[self.references], return_inverse=True)
        self.known = codes.astype(np.int64)
        self.whose = np.searchsorted(people, subjects.labels[self.probes]).astype(np.int64)
        self.mated = self.whose[:, None] == self.known[None]  # (N, M)
        self.threshold: float | None = None  # cosine; None: too few pairs for such an FMR
        if can_show(int((~self.mated).sum()), FMR):
            scores = self.originals @ self.others.T
            self.threshold = Ranking(scores.ravel(), self.mated.ravel()).threshold_at_fmr(FMR)
        self.shown = self._read(self.crops)
        known = subjects.faces.vocabulary.values(subjects.faces.attributes[self.probes])
        # where it is known what photos show, it is not the reader's word against the reader's
        self.known_to_show = {
            name: np.where(known[name] != 0, known[name], self.shown[name])
            for name in subjects.faces.vocabulary.attributes
            if name in self.shown
        }

    def real(self) -> list[Measurement]:
        """What photos reach that were left alone."""
        found = self._identity(self.originals)
        cosines = (self.originals @ self.others.T)[self.mated]
        found.append(
            Measurement("cosine to another photo of the person", float(cosines.mean()), len(cosines))
        )
        return found + self._found(self.crops)

    def anonymized(self, editor: Editor) -> list[Measurement]:
        """Whether people are found again behind their new faces, and what these keep."""
        landmarks = [template(self.crops.shape[1])]
        new = np.stack([editor.anonymized(crop, landmarks, self.seed)[0] for crop in self.crops])
        vectors = self.materials.judges.vectors(new)
        found = self._identity(vectors)
        itself = (vectors @ self.originals.T).argmax(axis=1) == np.arange(len(vectors))
        found.append(
            Measurement(
                "rank-1 where the photo itself is searched",
                float(itself.mean()),
                len(itself),
                stats.share_interval(itself, self.whose, seed=self.seed),
            )
        )
        shown = self._read(new)
        for name in KEPT:
            if name in shown:
                metric = f"{name} kept, balanced accuracy"
                found.append(
                    showing.balanced_accuracy(shown[name], np.sign(self._before(name)), metric, self.whose)
                )
        if AGE in shown:
            metric = "age kept, mean difference, years"
            found.append(showing.age_error(shown[AGE], self.shown[AGE], metric, self.whose))
        return found + self._found(new)

    def edited(self, editor: Editor, name: str, method: str) -> list[Measurement]:
        """Whether faces show what is asked, and are still of the same people.

        Args:
            name: an attribute, turned around; or age, raised by YEARS.
        """
        before = self._before(name)
        asked = STEP * np.rint((before + YEARS) / STEP) if name == AGE else np.where(before > 0, -1.0, 1.0)
        new = np.empty_like(self.crops)
        for value in np.unique(asked):
            rows = np.flatnonzero(asked == value)
            for part in np.array_split(rows, -(-len(rows) // BATCH)):
                new[part] = editor.edited(self.crops[part], {name: float(value)}, method=method)
        vectors, after = self.materials.judges.vectors(new), self._read(new)[name]
        cosines = (vectors * self.originals).sum(axis=1)
        found = self._identity(vectors)
        found.append(showing.mean_of(cosines, "cosine to the original", self.whose))
        # what is said of the originals is where an edit that does nothing stands
        for what, seen in (("as asked", after), ("as asked, of the originals", self.shown[name])):
            if name == AGE:
                found.append(showing.age_error(seen, asked, f"{what}, mean error, years", self.whose))
            else:
                metric = f"{what}, balanced accuracy"
                found.append(showing.balanced_accuracy(seen, asked, metric, self.whose))
        return found + self._found(new)

    def _identity(self, vectors: NDArray[np.float32]) -> list[Measurement]:
        found = identity.recognised(vectors, self.whose, self.others, self.known, seed=self.seed)
        if self.threshold is None:
            return found
        rows, columns = np.nonzero(self.mated)
        matches = (vectors[rows] * self.others[columns]).sum(axis=1) >= self.threshold
        whose = self.whose[rows]
        interval = stats.share_interval(matches, whose, seed=self.seed)
        return [*found, Measurement(VERIFIED, float(matches.mean()), len(matches), interval)]

    def _found(self, faces: Crops) -> list[Measurement]:
        detector = self.materials.detector
        if detector is None:
            return []
        few = np.linspace(0, len(faces) - 1, min(SEARCHED, len(faces))).round().astype(int)
        return [identity.detected(list(faces[few]), self.whose[few], detector)]

    def _before(self, name: str) -> NDArray[np.float64]:
        """(N,) what the originals show: as it is known, else as it is read."""
        return self.known_to_show.get(name, self.shown[name])

    def _read(self, faces: Crops) -> Shown:
        reader = self.materials.judges.reader
        return reader.vocabulary.values(reader.read(faces))


def edit(
    editor: Editor,
    name: str,
    materials: Materials,
    seed: int,
    kept: Callable[[list[Row]], None],
    done: Collection[Done] = (),
    device: str = "auto",
) -> list[Row]:
    """Rows of photos left alone, anonymized, and edited in each way.

    Args:
        name: of the generator, for the arms.
        kept: takes the rows of each as soon as they are measured.
        done: plan, arm and generator (digest; None: none) of rows that are there already.
    Raises: ConfigError: the generator learned to please one of the judges.
    """
    judges = materials.judges
    require_judges_apart(name, editor.synthesizer.guides, judges)
    details: dict[str, Any] = {"judges": {kind: digest[:12] for kind, digest in judges.digests.items()}}
    source = results.origin(
        "edit",
        "every other photo of each person changed, the others left alone; crops at their own size",
        materials.subjects.name,
        {
            "seed": seed,
            "strengths": STRENGTHS,
            "judges": judges.digests,
            "faces": materials.subjects.faces.fingerprint,
            "detection": SEARCHED if materials.detector is not None else 0,
        },
        device,
    )
    changed = Changed(materials, seed)
    arms: dict[str, Callable[[], list[Measurement]]] = {
        REAL: changed.real,
        f"{name}, {ANONYMIZED}": partial(changed.anonymized, editor),
    }
    known = editor.synthesizer.vocabulary
    reads = changed.shown
    wanted = [name for name in SWITCHED if name in known.attributes and name in reads]
    for method in METHODS:
        for one in [*wanted, *([AGE] if known.ages and AGE in reads else [])]:
            arms[f"{name}, {one} {method}"] = partial(changed.edited, editor, one, method)
    found: list[Row] = []
    for arm, measure in arms.items():
        model = None if arm == REAL else editor.synthesizer.digest
        if (source.plan, arm, model) in done:
            continue
        started = time.perf_counter()
        measurements = measure()
        seconds = time.perf_counter() - started
        rows = source.rows(measurements, arm=arm, seed=seed, seconds=seconds, details=details, model=model)
        kept(rows)
        found += rows
    return found
