"""What a gallery file holds, as small frozen records."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.errors import ConfigError

LONGEST_NAME = 200  # characters


@dataclass(frozen=True, slots=True)
class Template:
    """One enrolled face."""

    embedding: NDArray[np.float32]  # (D,), unit length
    photo_digest: str  # SHA-256 of the photo's content
    quality: float | None = None  # 0..1
    how: str = "photo"  # "photo", "crop", "repaired", ...
    enrolled_at: str = ""  # ISO 8601, UTC; set by the gallery
    crop: bytes | None = None  # PNG of the aligned face, to be kept; templates that are read come without


@dataclass(frozen=True, slots=True)
class Person:
    """One enrolled identity, as `list` shows it."""

    identity: str
    templates: int
    enrolled_at: str  # ISO 8601, UTC

    def to_json(self) -> dict[str, Any]:
        """The object that `recog list --json` prints."""
        return {"identity": self.identity, "templates": self.templates, "enrolled_at": self.enrolled_at}


@dataclass(frozen=True, slots=True)
class Model:
    """The model whose vectors a gallery holds."""

    name: str
    digest: str
    embedding_size: int


def probability(odds: tuple[float, float], similarity: float) -> float:
    """Probability (0..1) of log odds that are a line (slope, intercept) over similarity."""
    return 1 / (1 + math.exp(-(odds[0] * similarity + odds[1])))


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold, the rate it stands for, and what it rests on."""

    threshold: float  # cosine
    rate: float  # FMR ("verify") or FPIR ("query") aimed at, as a fraction
    source: str  # "model card", or the folder that gave the scores
    low: float | None = None  # 95 % interval of the rate at this threshold
    high: float | None = None
    comparisons: int | None = None  # non-mated comparisons
    people: int | None = None  # enrolled then
    templates: int | None = None
    slope: float | None = None  # of the log odds of one person, per unit of cosine ("verify")
    intercept: float | None = None

    def probability(self, similarity: float) -> float | None:
        """Probability (0..1) that two faces this alike are one person, where both were as likely before.

        None: nothing was fitted. Prior odds other than even shift it: see `recog.calibration.fit_odds`.
        """
        if self.slope is None or self.intercept is None:
            return None
        return probability((self.slope, self.intercept), similarity)

    def to_json(self) -> dict[str, Any]:
        """The object that `recog calibrate --json` prints, less its purpose."""
        return {name: getattr(self, name) for name in self.__slots__}


def spelled(name: str) -> str:
    """A name in the gallery's one spelling (Unicode NFC, no outer spaces); folders may be in another."""
    return unicodedata.normalize("NFC", name).strip()


def clean_name(name: str) -> str:
    """A person's name in one spelling (Unicode NFC, no outer spaces).

    Raises: ConfigError: empty, longer than 200 characters, or with control characters.
    """
    clean = spelled(name)
    if not clean or len(clean) > LONGEST_NAME or any(map(_is_control, clean)):
        raise ConfigError(
            f"{name[:40]!r} is no name: give 1 to {LONGEST_NAME} characters, none of them a line break or "
            "control character."
        )
    return clean


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs")
