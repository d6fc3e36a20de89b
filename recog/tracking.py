"""Faces of consecutive frames -> tracks, by the overlap of their boxes; no picture is looked at.

Overlap is all there is: someone who takes another's place within the patience of a track, or whom a cut of
the film puts there, goes on with the other's track.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from recog.errors import ConfigError
from recog.types import Box
from recog.vectors import unit

TEMPLATE_SIGHTINGS = (
    10  # the best of a track; the rest are counted and forgotten, so that memory stays bounded
)
STALL = 5  # times the patience, and the gap between the two frames before: longer, and the video stood still
LEAST_WEIGHT = 1e-6  # of a sighting without any quality: a track of such still has a template


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """One face in one frame."""

    seconds: float  # of the frame
    box: Box  # x1, y1, x2, y2 in px
    confidence: float  # of the detection, 0..1
    quality: float  # 0..1, higher is better
    embedding: NDArray[np.float32]  # (D,) unit vector


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One face followed over frames."""

    start: float  # seconds of the first sighting
    end: float  # seconds of the latest sighting
    sightings: int  # how many there were
    box: Box  # of the latest sighting
    best: tuple[Sighting, ...]  # at most TEMPLATE_SIGHTINGS, highest quality first

    @classmethod
    def begin(cls, first: Sighting) -> Track:
        """A track of one sighting."""
        return cls(first.seconds, first.seconds, 1, first.box, (first,))

    def extend(self, latest: Sighting) -> Track:
        """The track with one more sighting; of equal quality the earlier counts as better."""
        best = sorted((*self.best, latest), key=lambda sighting: -sighting.quality)[:TEMPLATE_SIGHTINGS]
        return Track(self.start, latest.seconds, self.sightings + 1, latest.box, tuple(best))

    def template(self) -> NDArray[np.float32]:
        """(D,) unit vector: the mean of the best embeddings, weighted by quality."""
        weights = np.maximum([sighting.quality for sighting in self.best], LEAST_WEIGHT)
        total = weights @ np.stack([sighting.embedding for sighting in self.best]).astype(np.float64)
        return unit(total).astype(np.float32)


class Tracker:
    """Follows faces through the frames of one video. Not safe to share between threads."""

    def __init__(self, overlap: float = 0.3, patience: float = 1.0, frames: int = 0) -> None:
        """
        Args:
            overlap: intersection over union from which boxes of two frames are one face, above 0 to 1.
            patience: seconds without its face that a track survives; the first frame after them ends it.
            frames: frames without its face that a track survives however far apart they are.
        Raises: ConfigError: outside these ranges.
        """
        if not 0 < overlap <= 1:
            raise ConfigError(f"overlap is {overlap}; give a share above 0, to 1.")
        if not patience >= 0:
            raise ConfigError(f"patience is {patience}; give a number of seconds, at least 0.")
        self._overlap = overlap
        self._patience = patience
        self._frames = frames
        self._open: list[Track] = []
        self._missed: list[int] = []  # frames since the latest sighting of each
        self._latest = self._gap = math.inf  # seconds of the latest frame, and between the latest two

    def update(self, faces: Sequence[Sighting], seconds: float) -> list[Track]:
        """Take the faces of the frame at this time (none is news too).

        Returns: the tracks that this frame ended.
        """
        ended = self.close() if self._stalled(seconds) else []
        pairs = match([track.box for track in self._open], [face.box for face in faces], self._overlap)
        followed = [
            track.extend(faces[pairs[i]]) if i in pairs else track for i, track in enumerate(self._open)
        ]
        begun = [Track.begin(face) for j, face in enumerate(faces) if j not in pairs.values()]
        missed = [0 if i in pairs else count + 1 for i, count in enumerate(self._missed)]
        lost = [
            count > self._frames and seconds - track.end > self._patience
            for track, count in zip(followed, missed, strict=True)
        ]
        ended += itertools.compress(followed, lost)
        stays = [not one for one in lost]
        self._open = [*itertools.compress(followed, stays), *begun]
        self._missed = [*itertools.compress(missed, stays), *(0 for _ in begun)]
        return ended

    def close(self) -> list[Track]:
        """The video is over: the tracks that were still open, oldest first."""
        ended, self._open, self._missed = self._open, [], []
        return ended

    def _stalled(self, seconds: float) -> bool:
        """Whether the video stood still before this frame: whoever is there now may be somebody else."""
        gap, usual = seconds - self._latest, self._gap
        self._latest, self._gap = seconds, gap if gap > 0 else math.inf
        return gap > STALL * max(self._patience, usual)


def match(before: Sequence[Box], now: Sequence[Box], overlap: float) -> dict[int, int]:
    """Which box of `before` is which of `now`: one to one, with the largest sum of overlaps.

    Args:
        overlap: pairs whose intersection over union is below this are not made.
    Returns: index into `before` -> index into `now`.
    """
    shared = iou(before, now)
    shared[shared < overlap] = 0  # before the assignment, or it would trade a good pair for two bad ones
    rows, columns = linear_sum_assignment(shared, maximize=True)
    return {int(i): int(j) for i, j in zip(rows, columns, strict=True) if shared[i, j] > 0}


def iou(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of every two boxes.

    Args:
        first: (N, 4), second: (M, 4): x1, y1, x2, y2 in px.
    Returns: (N, M), 0..1; 0 for boxes without area.
    """
    a = np.asarray(first, np.float64).reshape(-1, 1, 4)
    b = np.asarray(second, np.float64).reshape(1, -1, 4)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])  # (N, M, 2)
    shared = sides.clip(min=0).prod(axis=-1)
    union = _area(a) + _area(b) - shared
    ratio: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return ratio


def _area(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    sides = (boxes[..., 2:] - boxes[..., :2]).clip(min=0)
    area: NDArray[np.float64] = sides[..., 0] * sides[..., 1]
    return area
