"""Everything that `recog bench generate` measures of one generator, as rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import rows as results
from benchmarks.generation import fidelity, identity, ranking, showing
from benchmarks.generation.apart import require_apart, require_judges_apart
from benchmarks.generation.fidelity import Scale
from benchmarks.generation.leak_check import LeakCheck
from benchmarks.generation.subjects import ASKED, LEAST, Crops, Subjects, counterparts, portraits
from benchmarks.judging.judges import Judges
from benchmarks.rows import FIGURES, Measurement, Row
from generative.data import FaceData
from generative.synthesis import Synthesizer
from recog.checkpoints import write_atomically
from recog.detection import Detector
from recog.errors import ConfigError, DataError

REAL = "real photos"  # the arm of what real faces reach, beside which the others are read
Features = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is decided before measuring.

    Raises: ConfigError: a number is too small to say anything.
    """

    photos: int = 4  # made-up photos a person
    candidates: int = 4  # made for each that is kept
    shown: int = 1000  # made-up people asked for attributes, and for ages
    leak: int = 1000  # faces a side
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"photos": 2, "candidates": 1, "shown": 20, "leak": 20}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise ConfigError(f"{name} is {getattr(self, name)}; give {low} or more.")


@dataclass(frozen=True, eq=False)
class Materials:
    """Who judges, and by which faces."""

    judges: Judges
    subjects: Subjects  # people the generator has not learned from
    training: FaceData | None = None  # faces it learned from, with their centres: for the leak check
    strangers: FaceData | None = None  # faces of yet other people, whom nobody learned from: for that, too
    ages: FaceData | None = None  # faces of known age that the reader has not learned from
    detector: Detector | None = None  # for the share of faces that are found

    def __post_init__(self) -> None:
        sides = [side for side in (self.training, self.strangers, self.subjects.faces) if side is not None]
        for one, other in combinations(sides, 2):
            require_apart(one, other)


class Measured:
    """What real faces reach, computed once, and what generators reach beside them."""

    def __init__(self, materials: Materials, plan: Plan) -> None:
        self.materials, self.plan = materials, plan
        subjects, judges = materials.subjects, materials.judges
        self.asked, self.compared = subjects.parts(ASKED)
        self.several, self.references = subjects.parts(LEAST)
        self.vectors = judges.vectors(np.asarray(subjects.images))  # (N, D)
        features = judges.features(np.asarray(subjects.images))
        self.scales = {kind: Scale.of(found[self.compared]) for kind, found in features.items()}
        self.features = {kind: self.scales[kind](found) for kind, found in features.items()}
        names, codes = np.unique(subjects.labels[self.references], return_inverse=True)
        self.people = {int(name): code for code, name in enumerate(names)}
        self.known = codes.astype(np.int64)

    def real(self) -> list[Measurement]:
        """What one part of the real photos reaches against the other."""
        whose = self._codes(self.materials.subjects.labels[self.several])
        found = self._distances({kind: f[self.asked] for kind, f in self.features.items()})
        found += self._identity(self.vectors[self.several], whose)
        found.append(self._accuracy_score(self.vectors[self.several], whose))
        if self.materials.detector is not None:
            shown = [self.materials.subjects.images[row] for row in self.compared]
            whose = self.materials.subjects.labels[self.compared]
            found.append(identity.detected(shown, whose, self.materials.detector))
        return found + self._real_showing()

    def likeness(self, synthesizer: Synthesizer) -> list[Measurement]:
        """How near faces are to real ones, and how well they show whom and what they should, uncurated."""
        subjects = self.materials.subjects
        faces, found = self._compared_faces(synthesizer)
        known = np.isin(self.asked, self.several)
        whose = self._codes(subjects.labels[self.several])
        vectors = self.materials.judges.vectors(faces[known])
        found += identity.recognised(
            vectors, whose, self.vectors[self.references], self.known, seed=self.plan.seed
        )
        return found + self._showing(synthesizer)

    def made(self, synthesizer: Synthesizer) -> list[Measurement]:
        """What a generator reaches."""
        subjects, judges, plan = self.materials.subjects, self.materials.judges, self.plan
        _, found = self._compared_faces(synthesizer)
        people = portraits(synthesizer, subjects, plan.photos, plan.candidates, plan.seed)
        images = np.concatenate([person.images for person in people])
        whose = np.repeat(np.arange(len(people)), plan.photos)
        vectors = judges.vectors(images)
        found += self._identity(vectors, whose)
        found.append(self._accuracy_score(vectors, whose))
        real = self.vectors[np.concatenate([self.several, self.references])]
        real_whose = np.concatenate([self._codes(subjects.labels[self.several]), self.known])
        ratio = identity.diversity_ratio(
            identity.diversity(vectors, whose), identity.diversity(real, real_whose)
        )
        found.append(ratio)
        if self.materials.detector is not None:
            found.append(identity.detected(list(images), whose, self.materials.detector))
        found += self._showing(synthesizer)
        found += showing.of_single_attributes(synthesizer, judges.reader, plan.shown, plan.seed)
        return found + self._leaks(synthesizer)

    def _showing(self, synthesizer: Synthesizer) -> list[Measurement]:
        reader, plan = self.materials.judges.reader, self.plan
        return [
            *showing.of_attributes(synthesizer, reader, plan.shown, plan.seed),
            *showing.of_ages(synthesizer, reader, plan.shown, plan.seed),
        ]

    def _compared_faces(self, synthesizer: Synthesizer) -> tuple[Crops, list[Measurement]]:
        """A face for each photo asked by, and how near these are to the photos compared with."""
        faces = counterparts(synthesizer, self.materials.subjects, self.asked, self.plan.seed)
        return faces, self._distances(self._scaled(faces))

    def ranked(self, synthesizer: Synthesizer) -> bytes:
        """A PNG of the best, of any, and of the worst faces of people who do not exist."""
        faces = ranking.faces_of_nobody(synthesizer, ranking.DRAWN, self.plan.seed)
        kind = next(iter(self.features))
        real = self.features[kind][self.compared]
        return ranking.best_any_worst(faces, self._scaled(faces)[kind], real)

    def _distances(self, features: Mapping[str, Features]) -> list[Measurement]:
        """Fidelity of faces whose features are scaled, to the photos that are compared with.

        Intervals are of people, KID's of disjoint parts; FID, whose bias depends on the number of different
        faces, has none: a resample has fewer.
        """
        labels = self.materials.subjects.labels
        found = []
        for kind, made in features.items():
            real = self.features[kind][self.compared]
            value, error = fidelity.kernel_distance(real, made), fidelity.kernel_distance_error(real, made)
            reach = fidelity.T_QUANTILE * error
            interval = (value - reach, value + reach)
            found.append(Measurement(f"KID, {kind}", value, len(made), interval))
            found.append(Measurement(f"FID, {kind}", fidelity.frechet_distance(real, made), len(made)))
            for name, share in fidelity.among(real, made).items():
                whose = labels[self.compared if share.of_real else self.asked]
                found.append(showing.mean_of(share.values, f"{name}, {kind}", whose))
        return found

    def _identity(self, vectors: Features, whose: NDArray[np.int64]) -> list[Measurement]:
        references = self.vectors[self.references]
        return identity.recognised(vectors, whose, references, self.known, seed=self.plan.seed)

    def _accuracy_score(self, vectors: Features, whose: NDArray[np.int64]) -> Measurement:
        """Of real and of made-up photos alike as many a person as the fewest real ones asked by."""
        photos = min(
            int(np.bincount(self._codes(self.materials.subjects.labels[self.several])).min()),
            self.plan.photos,
        )
        rows = np.concatenate([np.flatnonzero(whose == person)[:photos] for person in np.unique(whose)])
        return identity.accuracy_score(
            vectors[rows],
            whose[rows],
            self.vectors[self.references],
            self.known,
            "classification accuracy score",
        )

    def _real_showing(self) -> list[Measurement]:
        """How rightly the reader reads real faces."""
        reader, subjects = self.materials.judges.reader, self.materials.subjects
        shown = reader.vocabulary.values(reader.read(np.asarray(subjects.images)))
        known = subjects.faces.vocabulary.values(subjects.faces.attributes)
        found = [
            showing.balanced_accuracy(
                shown[name], known[name], f"{name} as asked, balanced accuracy", subjects.labels
            )
            for name in showing.HALVED
            if name in known and name in shown and known[name].any()
        ]
        found += [
            showing.balanced_accuracy(shown[name], known[name], showing.alone(name), subjects.labels)
            for name in subjects.faces.vocabulary.attributes
            if name in shown and known[name].any()
        ]
        ages = self.materials.ages
        if ages is not None and reader.vocabulary.ages:
            truth = ages.vocabulary.ages_of(ages.attributes)
            kept = np.flatnonzero((truth >= showing.AGES[0]) & (truth <= showing.AGES[1]))
            read = reader.vocabulary.ages_of(reader.read(np.asarray(ages.crops.images[kept])))
            found.append(showing.age_error(read, truth[kept], "age as asked, mean error, years"))
        return found

    def _leaks(self, synthesizer: Synthesizer) -> list[Measurement]:
        return [] if self._leak_check is None else self._leak_check.measured(synthesizer)

    @cached_property
    def _leak_check(self) -> LeakCheck | None:
        """One for every generator: what real faces need is computed once."""
        materials, plan = self.materials, self.plan
        if materials.training is None:
            return None
        return LeakCheck(
            materials.training,
            materials.subjects,
            materials.strangers,
            self._scaled,
            self.features,
            count=plan.leak,
            seed=plan.seed,
        )

    def _scaled(self, faces: Crops) -> dict[str, Features]:
        return {kind: self.scales[kind](f) for kind, f in self.materials.judges.features(faces).items()}

    def _codes(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.array([self.people[int(label)] for label in labels], np.int64)


def generate(
    generators: Mapping[str, Synthesizer],
    materials: Materials,
    plan: Plan,
    kept: Callable[[list[Row]], None],
    device: str = "auto",
    out: Path | None = None,
) -> list[Row]:
    """Rows of what real faces reach, and of each generator by name.

    Args:
        kept: takes the rows of each as soon as they are measured.
        out: folder of results, for pictures of people who do not exist; None: no pictures.
    Raises: DataError: the generators make faces of several sizes; ConfigError: a judge had a part in training
    one of them.
    """
    if len({synthesizer.image_size for synthesizer in generators.values()}) > 1:
        raise DataError("These generators make faces of several sizes. Measure each size on its own.")
    for name, made in generators.items():
        require_judges_apart(name, made.guides, materials.judges)
    measured = Measured(materials, plan)
    details: dict[str, Any] = {"judges": {k: d[:12] for k, d in materials.judges.digests.items()}}
    protocol = (
        "people not learned from, asked for by every other photo of each, beside the rest of the same "
        "people's; KID to coverage: a face a photo as it comes, features of deviation 1 on real photos; all "
        f"else: {plan.photos} photos a person, each the best of {plan.candidates}"
    )
    source = results.origin(
        "generate",
        protocol,
        materials.subjects.name,
        {
            "plan": asdict(plan),
            "judges": materials.judges.digests,
            "subjects": materials.subjects.faces.fingerprint,
            "training": materials.training and materials.training.fingerprint,
            "strangers": materials.strangers and materials.strangers.fingerprint,
            "ages": materials.ages and materials.ages.fingerprint,
            "detection": materials.detector is not None,
        },
        device,
    )
    found: list[Row] = []
    for arm, synthesizer in {REAL: None, **generators}.items():
        started = time.perf_counter()
        measurements = measured.real() if synthesizer is None else measured.made(synthesizer)
        more = dict(details)
        if synthesizer is not None and out is not None:
            more["pictures"] = _pictured(measured, synthesizer, arm, out)
        rows = source.rows(
            measurements,
            arm=arm,
            seed=plan.seed,
            seconds=time.perf_counter() - started,
            details=more,
            model=None if synthesizer is None else synthesizer.digest,
        )
        kept(rows)
        found += rows
    return found


def _pictured(measured: Measured, synthesizer: Synthesizer, arm: str, out: Path) -> dict[str, str]:
    """Write the best, any, and the worst faces of nobody; captions by file."""
    caption = (
        f"{arm}: faces of people who do not exist. Of {ranking.DRAWN}, above those whose features are "
        "nearest to real photos', in the middle the first as they come, below those that are farthest."
    )
    file = f"{FIGURES}/faces-{results.slug(arm)}.png"
    write_atomically(out / file, measured.ranked(synthesizer))
    return {file: caption}
