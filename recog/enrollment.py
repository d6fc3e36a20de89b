"""Photos of a person -> templates in the gallery, and what is to be said of them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import numpy as np

from recog import images
from recog.errors import FaceError, ImageError, PoorQuality
from recog.faces import FaceReader, reason
from recog.gallery import GalleryLike
from recog.images import Source
from recog.quality import POOR
from recog.records import Model, Template, spelled
from recog.thresholds import Thresholds
from recog.types import Candidate, Enrollment

logger = logging.getLogger(__name__)


class Enroller:
    """Enrolls people in one gallery with one model."""

    def __init__(self, gallery: GalleryLike, model: Model, faces: FaceReader, thresholds: Thresholds) -> None:
        self._gallery, self._model, self._faces, self._thresholds = gallery, model, faces, thresholds

    def enroll(self, name: str, photos: Iterable[Source], largest: bool, min_quality: float) -> Enrollment:
        """See `recog.Recognizer.enroll`."""
        templates: list[Template] = []
        failed: list[tuple[str, str]] = []
        known = 0
        for photo in photos:
            try:
                digest = images.digest(photo)
                if self._gallery.has(name, digest):
                    known += 1
                else:
                    self._warn_of_other_names(name, photo, digest)
                    templates.append(self._template(photo, digest, largest, min_quality))
            except (ImageError, FaceError) as error:
                failed.append((images.name_of(photo), reason(error, photo)))
        resembles = self._resembled(name, templates)
        added = self._gallery.add(name, templates, self._model)
        return Enrollment(spelled(name), added, known + len(templates) - added, tuple(failed), resembles)

    def _warn_of_other_names(self, name: str, photo: Source, digest: str) -> None:
        others = self._gallery.names_with(digest) - {spelled(name)}
        if others:
            logger.warning("%s: also enrolled as %s", images.name_of(photo), ", ".join(sorted(others)))

    def _resembled(self, name: str, templates: Sequence[Template]) -> tuple[Candidate, ...]:
        """Others whom templates match, best first: one person under two names?"""
        stored = self._thresholds.known("query") if templates else None
        if stored is None:
            return ()
        answers = self._gallery.search(np.stack([template.embedding for template in templates]), 2)
        found: dict[str, float] = {}
        for candidate in sorted((c for top in answers for c in top), key=lambda c: c.similarity):
            found[candidate.identity] = candidate.similarity
        alike = [
            Candidate(who, s) for who, s in found.items() if s >= stored.threshold and who != spelled(name)
        ]
        for candidate in reversed(alike):
            logger.warning("%s looks like %s, %.2f", spelled(name), candidate.identity, candidate.similarity)
        return tuple(reversed(alike))

    def _template(self, photo: Source, digest: str, largest: bool, min_quality: float) -> Template:
        mark, embedding = self._faces.only_face(photo, largest)
        name, score = images.name_of(photo), mark.score
        part, value = mark.weakest
        if score < min_quality:
            raise PoorQuality(
                f"{name}: quality {score:.2f} is under {min_quality:g}, weakest in {part} ({value:.2f}). "
                "Use a larger, sharper, frontal photo, or a lower --min-quality."
            )
        if score < POOR:
            logger.warning("%s: poor quality %.2f, weakest in %s (%.2f)", name, score, part, value)
        return Template(embedding, digest, round(score, 4), "repaired" if self._faces.repairs else "photo")
