"""Photos in, answers out: detection, alignment, embedding and the gallery joined."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from recog.bulk import Bulk
from recog.enrollment import Enroller, Terms
from recog.errors import FaceError, ImageError
from recog.faces import Crops, DetectorLike, EmbedderLike, Embeddings, FaceReader, reason, several
from recog.gallery import GalleryLike, open_gallery
from recog.images import Source
from recog.quality import Quality
from recog.records import Calibration, Model, Person
from recog.thresholds import Thresholds
from recog.types import (
    FMR,
    FPIR,
    Answer,
    Candidate,
    Enrollment,
    Face,
    Failure,
    GalleryPlace,
    Purpose,
    TrackAnswer,
    Verification,
    depth_for,
    verdict,
)

if TYPE_CHECKING:
    from recog.video import VideoSource

logger = logging.getLogger(__name__)

# named here because Recognizer.list hides the built-in inside the class
People = list[Person]
Answers = list[Answer]
Found = list[list[Candidate]]


class Recognizer:
    """Enrolls people and says who is on a photo. Safe to share between threads."""

    def __init__(
        self,
        gallery: GalleryLike,
        embedder: EmbedderLike,
        detector: DetectorLike,
        *,
        repair: Callable[[Crops], Crops] | None = None,
        model_name: str | None = None,
    ) -> None:
        """
        Args:
            repair: applied to aligned crops before they are embedded; same shape out.
            model_name: how the gallery remembers the model; default the embedder's name.
        Raises: ModelMismatch: the gallery holds another model's vectors.
        """
        self.gallery = gallery
        self.embedder = embedder
        self.faces = FaceReader(detector, embedder, repair)
        made_by = Model(model_name or embedder.name, embedder.digest, embedder.embedding_size)
        self._thresholds = Thresholds(gallery, embedder, self.faces)
        self._enroller = Enroller(gallery, made_by, self.faces, self._thresholds)
        gallery.check(made_by.digest, made_by.name)

    @classmethod
    def open(
        cls,
        gallery: Path | str | GalleryPlace | None = None,
        model: str | Path | None = None,
        device: str = "auto",
        *,
        embedder: EmbedderLike | None = None,
        detector: DetectorLike | None = None,
        repair: Callable[[Crops], Crops] | None = None,
        create: bool = True,
        key: str | Path | None = None,
        keystore: str | Path | None = None,
        precision: str | None = None,
    ) -> Recognizer:
        """Open a gallery together with the models it needs.

        Args:
            gallery: a file, or the URI of a Milvus gallery (see `recog.gallery.open_gallery`); None keeps
                people in memory only.
            model: name or path of an embedder; default the gallery's own, "bundled" for a new gallery.
            device: "auto", "cpu", "cuda" or "mps".
            embedder, detector: used instead of loading those.
            create: make the gallery when it is missing.
            key, keystore, precision: of gallery files; see `recog.gallery.Gallery`.
        Raises: GalleryError (NoGallery where there is none to open); ModelNotFound; ModelMismatch;
            DeviceUnavailable.
        """
        opened = open_gallery(gallery, create=create, key=key, keystore=keystore, precision=precision)
        try:
            label = None
            if embedder is None:
                from recog.embedders import embedder_for

                embedder, label = embedder_for(model, opened.model(), device)
            if detector is None:
                from recog.detection import Detector

                detector = Detector(device)
            return cls(opened, embedder, detector, repair=repair, model_name=label)
        except BaseException:
            opened.close()
            raise

    def __enter__(self) -> Recognizer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the gallery."""
        self.gallery.close()

    # ---------------------------------------------------------------- people

    def enroll(
        self,
        name: str,
        photos: Source | Iterable[Source],
        *,
        largest: bool = False,
        min_quality: float = 0.0,
        keep_crops: bool = False,
    ) -> Enrollment:
        """Add photos of a person; all that can be used, or an account of why not.

        Poor photos (`recog.quality.POOR`) are taken with a warning.

        Args:
            photos: paths, bytes or arrays, each showing one face.
            largest: of several faces take the largest instead of failing the photo.
            min_quality: photos whose face scores less (0..1, see `recog.quality`) fail.
            keep_crops: keep the aligned faces in the gallery, so that it can change its model
                (`recog.migration`); about 25 kB each.
        Returns: how many templates were added, how many photos were there already, and which failed and why
            (look at `failed`: unusable photos do not raise).
        Raises: ConfigError: not a name; ModelMismatch; GalleryError.
        """
        return self._enroller.enroll(name, several(photos), Terms(largest, min_quality, keep_crops))

    def enroll_all(
        self,
        photos: Iterable[tuple[str, Source]],
        *,
        largest: bool = False,
        min_quality: float = 0.0,
        keep_crops: bool = False,
        on_failure: Callable[[Failure], None] | None = None,
    ) -> Generator[Enrollment, None, None]:
        """Add photos of many people, on all cores and in little memory, however many there are.

        The work is done while the results are taken. Photos are stored by the batch (`recog.bulk.BATCH`); a
        kill, an error or closing the generator costs what is not stored yet, and the same call goes on from
        there: photos that are stored are skipped before they are decoded.

        Args:
            photos: (name, photo), a person's photos in a row: `recog.photos.in_folders` gives those of a
                folder tree. Taken a few at a time.
            largest, min_quality, keep_crops: as in `enroll`.
            on_failure: called with each photo that cannot be used; where the name is no name, with all of
                its photos.
        Yields: as `enroll` returns, a person each, when their last photo is stored.
        Raises: ModelMismatch; GalleryError.
        """
        terms = Terms(largest, min_quality, keep_crops)
        return Bulk(self._enroller, terms, on_failure or (lambda failure: None)).run(photos)

    def remove(self, name: str) -> int:
        """Erase a person; returns how many templates they had. Raises: UnknownIdentity."""
        return self.gallery.remove(name)

    def rename(self, old: str, new: str) -> None:
        """Give a person another name. Raises: UnknownIdentity; GalleryError: the new name is taken."""
        self.gallery.rename(old, new)

    def list(self) -> People:
        """Everyone enrolled, by name."""
        return self.gallery.people()

    # ---------------------------------------------------------------- questions

    def query(self, photo: Source, k: int = 5, *, threshold: float | None = None) -> Answers:
        """Who is on this photo? One answer a face, largest first.

        A photo that cannot be read or shows no face gives one answer of status "error" or "no_face".

        Args:
            k: candidates in each answer.
            threshold: cosine from which a candidate is a match; default the gallery's.
        Raises: GalleryError: neither calibrated nor a threshold on the model's card; ConfigError: k < 1.
        """
        threshold = self._in_force("query", threshold)
        name = None if isinstance(photo, bytes | np.ndarray) else os.fspath(photo)
        try:
            seen = self.faces.see(photo)
        except (ImageError, FaceError) as error:
            return [Answer(name, "error", threshold=threshold, error=reason(error, photo))]
        if not seen.faces:
            return [Answer(name, "no_face", threshold=threshold)]
        found = self._search(seen.embeddings, depth_for(k))
        repaired = seen.repaired if self.faces.repairs else [None] * len(found)
        parts = zip(seen.faces, seen.qualities, repaired, found, strict=True)
        return [_answer(name, *part, threshold=threshold, k=k) for part in parts]

    def query_video(
        self, source: VideoSource, k: int = 5, *, threshold: float | None = None, fps: float = 5.0
    ) -> Iterator[TrackAnswer]:
        """Who is on this video? One answer a track (a face followed by overlap), when the track ends.

        A video that cannot be read or shows no face gives one answer of status "error" or "no_face".

        Args:
            source: a video file, or the number of a camera.
            k, threshold: as in `query`; a track is compared by the mean of its best faces, while the
                gallery's threshold was measured on single photos.
            fps: frames a second that are looked at.
        Raises: GalleryError: as in `query`; ConfigError, with the first answer: k < 1, or fps is not above 0.
        """
        from recog import watch  # with scipy: what photos do not need

        threshold = self._in_force("query", threshold)
        return watch.answers(source, self.faces, self._search, k, threshold, fps)

    def verify(
        self, first: Source, second: Source, *, threshold: float | None = None, largest: bool = False
    ) -> Verification:
        """Do two photos show one person?

        Raises: ImageError; NoFaceFound; SeveralFaces: more than one face on a photo, and not `largest`.
        """
        threshold = self._in_force("verify", threshold)
        a, b = (self.faces.only_face(photo, largest).embedding for photo in (first, second))
        similarity = float(a @ b)
        return Verification(similarity >= threshold, similarity, threshold, self.probability(similarity))

    def probability(self, similarity: float) -> float | None:
        """Probability (0..1) that two faces this alike are one person, at even prior odds.

        None: neither the gallery's calibration nor the model's card says.
        """
        return self._thresholds.probability(similarity)

    def embed(
        self, photos: Source | Iterable[Source], *, largest: bool = False, flip: bool = True
    ) -> Embeddings:
        """The vectors of all faces on these photos.

        Args:
            largest: only the largest face of each photo.
            flip: average with the mirror image, as galleries and thresholds do.
        """
        return self.faces.embed(photos, largest=largest, flip=flip)

    # ---------------------------------------------------------------- thresholds

    def threshold(self, purpose: Purpose) -> Calibration:
        """The threshold in force for "verify" or "query": the gallery's own, else the model card's.

        Raises: GalleryError: there is neither; ConfigError: another purpose.
        """
        return self._thresholds.of(purpose)

    def calibrate(
        self,
        folder: Path | str | None = None,
        *,
        fmr: float = FMR,
        fpir: float = FPIR,
        seed: int = 0,
        on_failure: Callable[[str, str], None] | None = None,
    ) -> dict[Purpose, Calibration]:
        """Set both thresholds and store them in the gallery.

        Args:
            folder: photos of people who are strangers to the gallery, one sub-folder a person; people and
                photos that are enrolled are left out. Default: the model card's thresholds.
            fmr: wanted rate of `verify`; fpir: wanted rate of `query` at the gallery's present size.
            on_failure: called with each photo that cannot be used, and why; default they are logged.
        Returns: "verify", and "query" unless nobody is enrolled and a folder is given.
        Raises: DataError: no usable photos; TooFewPairs: too few for these rates; GalleryError: no such card.
        """
        place = Path(folder) if folder is not None else None
        return self._thresholds.set(place, fmr, fpir, seed, on_failure or _log_failure)

    # ---------------------------------------------------------------- inside

    def _search(self, probes: ArrayLike, k: int) -> Found:
        """As the gallery's. Raises: ModelMismatch: it has been given another model since it was opened."""
        found = self.gallery.search(probes, k)
        self.gallery.check(self.embedder.digest, self.embedder.name)
        return found

    def _in_force(self, purpose: Purpose, given: float | None) -> float:
        return self.threshold(purpose).threshold if given is None else given


def _log_failure(photo: str, why: str) -> None:
    logger.warning("%s: left out (%s)", photo, why)


def _answer(
    name: str | None,
    face: Face,
    mark: Quality,
    repaired: bool | None,
    found: list[Candidate],
    *,
    threshold: float,
    k: int,
) -> Answer:
    return Answer(
        photo=name,
        box=face.box,
        confidence=face.confidence,
        quality=mark.score,
        quality_parts=mark.parts(),
        repaired=repaired,
        **verdict(found, threshold, k),
    )
