"""What the recogniser hands out: small frozen records, numpy at most."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args

from recog.errors import ConfigError

if TYPE_CHECKING:  # `recog --help` reads this module: numpy would be a third of its time
    import numpy as np
    from numpy.typing import NDArray

Box = tuple[float, float, float, float]
FMR = 1e-3  # of `verify`: one stranger in a thousand pairs is taken for the same person
FPIR = 1e-2  # of `query`: one stranger in a hundred is taken for someone enrolled
Purpose = Literal["verify", "query"]  # of a threshold: one pair compared, or a whole gallery searched
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
Status = Literal["match", "unknown", "no_face", "error"]


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One detected face, in pixels of the image it was found in."""

    box: Box  # x1, y1, x2, y2
    landmarks: NDArray[np.float32]  # (5, 2): left eye, right eye, nose, left mouth, right mouth (as seen)
    confidence: float  # 0..1

    @property
    def area(self) -> float:
        """Area of the box, in square pixels."""
        x1, y1, x2, y2 = self.box
        return max(0.0, x2 - x1) * max(0.0, y2 - y1)


@dataclass(frozen=True, slots=True)
class GalleryPlace:
    """Where a gallery is, and what opens it; `recog.gallery.open_gallery` takes it."""

    where: str  # a path, or the URI of a gallery elsewhere
    key: str | None = None  # see `recog.keys`
    keystore: str | None = None  # a path

    def __str__(self) -> str:
        return re.sub(r"//[^/@]*@", "//", self.where)  # without the user and password of a URI

    @property
    def options(self) -> dict[str, str]:
        """What only gallery files take, as far as it is given."""
        given = {"key": self.key, "keystore": self.keystore}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def file(self) -> str:
        """The path. Raises: ConfigError: it is elsewhere."""
        if "://" in self.where or self.where.startswith("milvus+"):
            raise ConfigError(f"{self}: only gallery files do this. Milvus has settings of its own.")
        return self.where


@dataclass(frozen=True, slots=True)
class Candidate:
    """One enrolled identity, compared with a probe face."""

    identity: str
    similarity: float  # -1..1, higher is more alike: see `recog.gallery.matching`


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gallery says of one face, or of one photo without any."""

    photo: str | None
    status: Status
    box: Box | None = None
    confidence: float | None = None  # of the detection, 0..1
    quality: float | None = None  # 0..1, higher is better
    quality_parts: Mapping[str, float] | None = field(default=None, hash=False)  # see `recog.quality`
    identity: str | None = None  # set when status is "match"
    similarity: float | None = None  # of the best candidate
    margin: float | None = None  # by how much it is more alike than the runner-up; None without one
    threshold: float | None = None  # cosine from which a candidate is a match
    candidates: tuple[Candidate, ...] = ()  # best first
    error: str | None = None  # set when status is "error"
    repaired: bool | None = None  # whether a repair changed the face before it was compared; None: not asked

    def to_json(self) -> dict[str, Any]:
        """The object that `recog query --json` prints."""
        return {
            "photo": self.photo,
            "box": None if self.box is None else [round(v, 1) for v in self.box],
            "confidence": self.confidence,
            "quality": self.quality,
            "status": self.status,
            "identity": self.identity,
            "similarity": self.similarity,
            "threshold": self.threshold,
            "candidates": [{"identity": c.identity, "similarity": c.similarity} for c in self.candidates],
            "error": self.error,
            "margin": self.margin,
            "repaired": self.repaired,
        }


@dataclass(frozen=True, slots=True)
class TrackAnswer(Answer):
    """What the gallery says of one face followed through a video, or of a video without any.

    `photo` is the video's name; box, confidence and quality are of the track's best sighting.
    """

    start: float | None = None  # seconds of the first sighting
    end: float | None = None  # seconds of the last
    best: float | None = None  # seconds of the one with the highest quality
    sightings: int = 0  # in how many of the frames that were looked at

    def to_json(self) -> dict[str, Any]:
        """The object that `recog query --video --json` prints."""
        times = {"start": self.start, "end": self.end, "best": self.best}
        answer = Answer.to_json(self)  # not super(): slots make a second class
        del answer["repaired"]  # of one face, not of a track
        return {
            "video": answer.pop("photo"),
            **{name: None if time is None else round(time, 3) for name, time in times.items()},
            "sightings": self.sightings,
            **answer,
        }


class Verdict(TypedDict):
    """The part of an answer that follows from the candidates and the threshold."""

    status: Status
    identity: str | None
    similarity: float | None
    margin: float | None
    threshold: float
    candidates: tuple[Candidate, ...]


def depth_for(k: int) -> int:
    """How many candidates to ask for where k are wanted: the margin needs a second."""
    return 2 if k == 1 else k


def verdict(found: Sequence[Candidate], threshold: float, k: int) -> Verdict:
    """Match or unknown.

    Args:
        found: best first; may be empty. At least two where there are two, for the margin.
        threshold: similarity from which the best is a match.
        k: candidates to keep.
    """
    best, second = (found[i] if len(found) > i else None for i in (0, 1))
    matched = best is not None and best.similarity >= threshold
    return {
        "status": "match" if matched else "unknown",
        "identity": best.identity if best and matched else None,
        "similarity": best.similarity if best else None,
        "margin": best.similarity - second.similarity if best and second else None,
        "threshold": threshold,
        "candidates": tuple(found[:k]),
    }


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether two photos show one person."""

    same: bool
    similarity: float  # cosine, -1..1
    threshold: float  # cosine
    probability: float | None = None  # that they are one person, 0..1, at even prior odds; None: unknown

    def to_json(self) -> dict[str, Any]:
        """The object that `recog verify --json` prints."""
        return {
            "same": self.same,
            "similarity": self.similarity,
            "threshold": self.threshold,
            "probability": self.probability,
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """A photo that could not be enrolled."""

    photo: str
    identity: str  # whose photo it should have been
    cause: str  # in few words, to count by: see `recog.bulk.CAUSES`
    message: str  # what is wrong with this photo, and what to do

    def to_json(self) -> dict[str, Any]:
        """The object of a line that `recog enroll --failures` writes."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Enrollment:
    """What one call of enroll did."""

    identity: str
    added: int  # new templates
    skipped: int  # photos whose template is already in the gallery
    failed: tuple[tuple[str, str], ...] = ()  # (photo, reason)
    resembles: tuple[
        Candidate, ...
    ] = ()  # others whom the new templates look like, from the threshold of query

    def to_json(self) -> dict[str, Any]:
        """The object that `recog enroll --json` prints."""
        return {
            "identity": self.identity,
            "added": self.added,
            "skipped": self.skipped,
            "failed": [{"photo": photo, "error": reason} for photo, reason in self.failed],
            "resembles": [{"identity": c.identity, "similarity": c.similarity} for c in self.resembles],
        }
