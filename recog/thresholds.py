"""The thresholds of an open gallery: which are in force, and how to set them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recog import calibration, images, photos
from recog.errors import ConfigError, DataError, FaceError, GalleryError, ImageError
from recog.faces import EmbedderLike, FaceReader, reason
from recog.gallery import GalleryLike
from recog.progress import progress
from recog.records import Calibration, probability, spelled
from recog.types import PURPOSES, Purpose

logger = logging.getLogger(__name__)
OnFailure = Callable[[str, str], None]  # told of each photo that cannot be used, and why


class Thresholds:
    """Reads, measures and stores the thresholds of one gallery under one model."""

    def __init__(self, gallery: GalleryLike, embedder: EmbedderLike, faces: FaceReader) -> None:
        self._gallery, self._embedder, self._faces = gallery, embedder, faces
        self._warned_of_growth = False

    def of(self, purpose: Purpose) -> Calibration:
        """The threshold in force for "verify" or "query": the gallery's own, else the model card's.

        Raises: GalleryError: there is neither; ConfigError: another purpose.
        """
        if purpose not in PURPOSES:
            raise ConfigError(f"{purpose!r} has no threshold; give one of {', '.join(PURPOSES)}.")
        size = self.size()
        stored = self._gallery.calibration(purpose, self._embedder.digest)
        if stored is None or stored.source == calibration.CARD:  # the card is read at the present size
            rate = stored.rate if stored else calibration.RATES[purpose]
            stored = calibration.from_card(self._embedder.card, purpose, rate, size)
        if stored.templates and size[1] > calibration.FAR * stored.templates:
            self._warn_of_growth(stored, size[1])
        return stored

    def known(self, purpose: Purpose) -> Calibration | None:
        """As `of`; None where there is no threshold at all."""
        try:
            return self.of(purpose)
        except GalleryError:
            return None

    def probability(self, similarity: float) -> float | None:
        """See `Recognizer.probability`."""
        stored = self.known("verify")
        found = stored.probability(similarity) if stored else None
        odds = self._embedder.card.odds
        if (
            found is None and odds is not None
        ):  # calibrated on people with one photo each: only the card knows
            return probability(odds, similarity)
        return found

    def set(
        self, folder: Path | None, fmr: float, fpir: float, seed: int, on_failure: OnFailure
    ) -> dict[Purpose, Calibration]:
        """Measure thresholds on a folder of strangers, or take the card's, and store them.

        Raises: as `Recognizer.calibrate`.
        """
        if folder is None:
            size, card = self.size(), self._embedder.card
            found: dict[Purpose, Calibration] = {
                "verify": calibration.from_card(card, "verify", fmr, size),
                "query": calibration.from_card(card, "query", fpir, size),
            }
        else:
            found = self._measure(folder, fmr, fpir, seed, on_failure)
        for purpose, result in found.items():
            self._gallery.calibrate(purpose, result, self._embedder.digest)
        return found

    def size(self) -> tuple[int, int]:
        """(people, templates) enrolled."""
        return self._gallery.size()

    def _measure(
        self, folder: Path, fmr: float, fpir: float, seed: int, on_failure: OnFailure
    ) -> dict[Purpose, Calibration]:
        embeddings, people = self._strangers(folder, seed, on_failure)
        found: dict[Purpose, Calibration] = {
            "verify": calibration.for_verify(embeddings, people, fmr, str(folder), seed)
        }
        size = self.size()
        if size[1]:
            best = np.array([top[0].similarity for top in self._gallery.search(embeddings, 1)])
            found["query"] = calibration.for_query(best, people, fpir, str(folder), size)
        return found

    def _strangers(
        self, folder: Path, seed: int, on_failure: OnFailure
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """(N, D) vectors of the largest face of each photo of people who are not enrolled, and (N,) who."""
        known = self._gallery.photo_digests()
        who: list[int] = []
        vectors: list[NDArray[np.float32]] = []
        chosen = self._photos(folder, seed)
        for code, path in progress(chosen, total=len(chosen), desc="calibrate"):
            try:
                if images.digest(path) not in known:
                    vectors.append(self._faces.only_face(path, largest=True).embedding)
                    who.append(code)
            except (ImageError, FaceError) as error:
                on_failure(str(path), reason(error, path))
        if not who:
            raise DataError(f"{folder}: no usable photo of a stranger. Expected FOLDER/<person>/<photo>.")
        return np.stack(vectors), np.array(who, np.int64)

    def _photos(self, folder: Path, seed: int) -> list[tuple[int, Path]]:
        """(who, photo) of everyone in the folder who is not enrolled; of very many photos some are drawn."""
        people = photos.of_people(folder)
        enrolled = {person.identity for person in self._gallery.people()}
        strangers = {name for name in people if spelled(name) not in enrolled}
        if len(strangers) < len(people):
            logger.warning(
                "%s: %d of %d people are left out, because people of their names are enrolled",
                folder,
                len(people) - len(strangers),
                len(people),
            )
        found = [
            (code, path) for code, name in enumerate(people) if name in strangers for path in people[name]
        ]
        if len(found) <= calibration.MOST_PHOTOS:
            return found
        logger.info("%s: %d of %d photos are used", folder, calibration.MOST_PHOTOS, len(found))
        kept = np.random.default_rng(seed).choice(len(found), calibration.MOST_PHOTOS, replace=False)
        return [found[i] for i in sorted(kept)]

    def _warn_of_growth(self, stored: Calibration, templates: int) -> None:
        """Once: the threshold is asked for with each photo."""
        if self._warned_of_growth:
            return
        self._warned_of_growth = True
        extrapolated = stored.source == calibration.CARD
        logger.warning(
            "%s: the threshold of query was measured at %s%d templates, and there are %d: %s. Run recog "
            "calibrate on a folder of photos.",
            self._gallery,
            "up to " if extrapolated else "",
            stored.templates,
            templates,
            "it is extrapolated" if extrapolated else "strangers match more often than asked",
        )
