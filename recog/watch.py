"""Video in, answers out: one answer a track, when the track ends."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from recog import video
from recog.errors import FaceError, ImageError
from recog.faces import FaceReader
from recog.tracking import Sighting, Track, Tracker
from recog.types import Candidate, TrackAnswer, depth_for, verdict
from recog.video import Frame, VideoSource

logger = logging.getLogger(__name__)

PATIENCE = 1.0  # seconds without its face that a track survives

Search = Callable[[NDArray[np.float32], int], list[list[Candidate]]]  # (B, D) unit vectors, k -> candidates


def answers(
    source: VideoSource, faces: FaceReader, search: Search, k: int, threshold: float, fps: float
) -> Iterator[TrackAnswer]:
    """One answer a track; or one of status "error" or "no_face".

    Args:
        search: asked once a track, with its template.
        k: candidates in each answer.
        threshold: cosine from which a candidate is a match.
        fps: frames a second that are looked at.
    """
    name, count = video.name_of(source), 0
    try:
        for track in tracks(source, faces, fps):
            count += 1
            yield _answer(name, track, search(track.template()[None], depth_for(k))[0], threshold, k)
    except ImageError as error:
        yield TrackAnswer(name, "error", threshold=threshold, error=error.cause)
        return
    if not count:
        yield TrackAnswer(name, "no_face", threshold=threshold)


def tracks(source: VideoSource, faces: FaceReader, fps: float) -> Iterator[Track]:
    """Every track, when it ends. Ctrl-C ends them all: they are given before KeyboardInterrupt goes on.

    That holds while a frame is awaited or looked at, which is nearly always; not between two frames.

    Raises: ImageError: nothing of the video can be read; ConfigError: fps.
    """
    tracker = Tracker(patience=PATIENCE, frames=1)  # one frame may be missed, however few there are
    try:
        with contextlib.closing(video.frames(source, fps)) as frames:
            for frame in frames:
                yield from tracker.update(_sightings(frame, faces), frame.seconds)
    except KeyboardInterrupt:
        yield from tracker.close()
        raise
    yield from tracker.close()


def _sightings(frame: Frame, faces: FaceReader) -> list[Sighting]:
    try:
        seen = faces.see(frame.image)
    except FaceError as error:  # one bad frame: the tracks are patient
        logger.info("frame %d: left out (%s)", frame.number, error)
        return []
    parts = zip(seen.faces, seen.qualities, seen.embeddings, strict=True)
    return [
        Sighting(frame.seconds, face.box, face.confidence, mark.score, vector) for face, mark, vector in parts
    ]


def _answer(name: str, track: Track, found: list[Candidate], threshold: float, k: int) -> TrackAnswer:
    best = track.best[0]
    return TrackAnswer(
        photo=name,
        box=best.box,
        confidence=best.confidence,
        quality=best.quality,
        start=track.start,
        end=track.end,
        best=best.seconds,
        sightings=track.sightings,
        **verdict(found, threshold, k),
    )
