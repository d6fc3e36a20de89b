"""Photos of a person -> templates in the gallery, and what is to be said of them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from recog import images
from recog.errors import FaceError, ImageError, PoorQuality
from recog.faces import FaceReader, Portrait, reason
from recog.gallery import GalleryLike
from recog.images import Source
from recog.quality import POOR
from recog.records import Model, Template, spelled
from recog.thresholds import Thresholds
from recog.types import Candidate, Enrollment

logger = logging.getLogger(__name__)
NEAREST = 3  # people looked at for likeness: oneself, and two others


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms photos are enrolled; see `recog.Recognizer.enroll`."""

    largest: bool = False
    min_quality: float = 0.0
    keep_crops: bool = False


class Enroller:
    """Enrolls people in one gallery with one model."""

    def __init__(self, gallery: GalleryLike, model: Model, faces: FaceReader, thresholds: Thresholds) -> None:
        self.gallery, self.model, self.faces, self._thresholds = gallery, model, faces, thresholds

    def enroll(self, name: str, photos: Iterable[Source], terms: Terms) -> Enrollment:
        """See `recog.Recognizer.enroll`."""
        templates: list[Template] = []
        failed: list[tuple[str, str]] = []
        known = 0
        for photo in photos:
            try:
                digest = images.digest(photo)
                if self.gallery.has(name, digest):
                    known += 1
                else:
                    self.warn_of_other_names(name, photo, self.gallery.names_with(digest))
                    portrait = self.faces.only_face(photo, terms.largest)
                    templates.append(self.template(portrait, photo, digest, terms))
            except (ImageError, FaceError) as error:
                failed.append((images.name_of(photo), reason(error, photo)))
        added = self.gallery.add(name, templates, self.model)
        (resembles,) = self.resembled([(spelled(name), templates)])
        skipped = known + len(templates) - added
        return told_of_likeness(Enrollment(spelled(name), added, skipped, tuple(failed), resembles))

    def template(self, portrait: Portrait, photo: Source, digest: str, terms: Terms) -> Template:
        """What the gallery keeps of a face.

        Raises: PoorQuality.
        """
        name, mark = images.name_of(photo), portrait.quality
        score, (part, value) = mark.score, mark.weakest
        if score < terms.min_quality:
            raise PoorQuality(
                f"{name}: quality {score:.2f} is under {terms.min_quality:g}, "
                f"weakest in {part} ({value:.2f}). "
                "Use a larger, sharper, frontal photo, or a lower --min-quality."
            )
        if score < POOR:
            logger.warning("%s: poor quality %.2f, weakest in %s (%.2f)", name, score, part, value)
        how = "repaired" if portrait.repaired else "photo"
        crop = images.png(portrait.crop) if terms.keep_crops else None
        return Template(portrait.embedding, digest, round(score, 4), how, crop=crop)

    def warn_of_other_names(self, name: str, photo: Source, names: Collection[str]) -> None:
        """Log under whose names a photo is enrolled, other than this one."""
        others = set(names) - {spelled(name)}
        if others:
            logger.warning("%s: also enrolled as %s", images.name_of(photo), ", ".join(sorted(others)))

    def resembled(self, added: Sequence[tuple[str, Sequence[Template]]]) -> list[tuple[Candidate, ...]]:
        """Whom else those who were just added look like, best first: one person under two names?

        Args:
            added: people, in the gallery's spelling, and their new templates.
        """
        templates = [template for _, new in added for template in new]
        stored = self._thresholds.known("query") if templates else None
        if stored is None:
            return [()] * len(added)
        self.gallery.check(self.model.digest, self.model.name)
        answers = iter(self.gallery.search(np.stack([t.embedding for t in templates]), NEAREST))
        found = [(name, [candidate for _ in new for candidate in next(answers)]) for name, new in added]
        return [
            best_of(c for c in near if c.similarity >= stored.threshold and c.identity != name)
            for name, near in found
        ]


def told_of_likeness(result: Enrollment) -> Enrollment:
    """The same, after logging whom they look like."""
    for candidate in result.resembles:
        logger.warning("%s looks like %s, %.2f", result.identity, candidate.identity, candidate.similarity)
    return result


def best_of(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Each candidate once, best first."""
    found: dict[str, float] = {}
    for candidate in sorted(candidates, key=lambda candidate: candidate.similarity, reverse=True):
        found.setdefault(candidate.identity, candidate.similarity)
    return tuple(Candidate(*item) for item in found.items())
