"""Tracks by overlap, on made-up boxes, and the template of a track."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recog.errors import ConfigError
from recog.tracking import LEAST_WEIGHT, TEMPLATE_SIGHTINGS, Sighting, Track, Tracker, iou, match
from recog.types import Box


def square(x: float, y: float = 0, side: float = 10) -> Box:
    return (x, y, x + side, y + side)


def seen(seconds: float, box: Box, quality: float = 0.5, vector: tuple[float, float] = (1, 0)) -> Sighting:
    return Sighting(seconds, box, 0.99, quality, np.array(vector, np.float32))


def run(tracker: Tracker, frames: list[list[Box]]) -> list[Track]:
    """All tracks of frames one second apart, by start."""
    ended = [
        track for i, boxes in enumerate(frames) for track in tracker.update([seen(i, b) for b in boxes], i)
    ]
    return sorted(ended + tracker.close(), key=lambda track: (track.start, track.box))


def test_iou_counts_shared_pixels() -> None:
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 12, (8, 2, 2))
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1) + 1], axis=1)

    def painted(box: NDArray[np.int64]) -> NDArray[np.bool_]:
        grid = np.zeros((16, 16), bool)
        grid[box[1] : box[3], box[0] : box[2]] = True
        return grid

    grids = [painted(box) for box in boxes]
    wanted = [[(a & b).sum() / (a | b).sum() for b in grids] for a in grids]
    np.testing.assert_allclose(iou(boxes, boxes), wanted)


def test_iou_of_touching_empty_and_no_boxes() -> None:
    assert iou([square(0)], [square(10)]).tolist() == [[0]]
    assert iou([square(0, side=0)], [square(0, side=0)]).tolist() == [[0]]
    assert iou([(5, 5, 0, 0)], [square(0)]).tolist() == [[0]]
    assert iou([], [square(0)]).shape == (0, 1)


def test_a_good_pair_is_not_traded_for_two_bad_ones() -> None:
    before, now = [square(0), square(6.8)], [square(2.5), square(-4.3)]
    np.testing.assert_allclose(iou(before, now), [[0.6, 0.4], [0.4, 0]], atol=0.01)
    assert match(before, now, 0.5) == {0: 0}
    assert match(before, now, 0.7) == {}


def test_two_people_who_cross_at_a_distance_keep_their_tracks() -> None:
    frames = [[square(4 * i, y=0), square(40 - 4 * i, y=30)] for i in range(11)]
    frames = [boxes[:: (-1) ** i] for i, boxes in enumerate(frames)]  # the detector's order is no hint
    tracks = run(Tracker(), frames)
    assert [(track.box, track.sightings) for track in tracks] == [(square(0, 30), 11), (square(40, 0), 11)]


@pytest.mark.parametrize("patience", [0, 1, 4])
def test_a_gap_within_the_patience_keeps_the_track(patience: int) -> None:
    here: list[list[Box]] = [[square(0)]]
    (kept,) = run(Tracker(patience=patience), here + [[]] * patience + here)
    assert (kept.start, kept.end, kept.sightings) == (0, patience + 1, 2)
    first, second = run(Tracker(patience=patience), here + [[]] * (patience + 1) + here)
    assert (first.end, second.start) == (0, patience + 2)


@pytest.mark.parametrize("fps", [1, 5, 30])
def test_patience_is_a_time_however_many_frames_it_takes(fps: int) -> None:
    tracker = Tracker(patience=1.5)
    tracker.update([seen(0, square(0))], 0)
    ended = [frame / fps for frame in range(1, 3 * fps + 1) if tracker.update([], frame / fps)]
    assert ended == [(math.floor(1.5 * fps) + 1) / fps]


def test_frames_may_be_missed_however_far_apart_they_are() -> None:
    tracker = Tracker(patience=1, frames=1)
    shown = [[seen(0, square(0))], [], [seen(20, square(0))], [], []]
    ended = [track for place, faces in enumerate(shown) for track in tracker.update(faces, 10.0 * place)]
    assert [(track.start, track.end, track.sightings) for track in ended] == [(0, 20, 2)]


def test_who_comes_after_a_standstill_is_another() -> None:
    tracker = Tracker(patience=1, frames=1)
    for second in (0, 1, 2):
        assert not tracker.update([seen(second, square(0))], second)
    assert not tracker.update([seen(6, square(0))], 6)  # a hiccup
    (ended,) = tracker.update([seen(3600, square(0))], 3600)
    assert (ended.start, ended.end) == (0, 6)
    (other,) = tracker.close()
    assert (other.start, other.sightings) == (3600, 1)


def test_gaps_do_not_add_up() -> None:
    (track,) = run(Tracker(patience=1), [[square(0)], []] * 5)
    assert track.sightings == 5


def test_a_track_ends_with_the_frame_that_exhausts_its_patience() -> None:
    tracker = Tracker(patience=1)
    assert tracker.update([seen(0, square(0))], 0) == []
    assert tracker.update([], 1) == []
    (ended,) = tracker.update([seen(2, square(50))], 2)
    assert (ended.start, ended.end) == (0, 0)
    assert [track.start for track in tracker.close()] == [2]
    assert tracker.close() == []


def test_two_faces_of_a_frame_never_share_a_track() -> None:
    frames: list[list[Box]] = [[square(0)], [square(0), square(1)], [square(0), square(1)]]
    tracks = run(Tracker(), frames)
    assert [(track.start, track.sightings) for track in tracks] == [(0, 3), (1, 2)]


def test_a_face_that_jumps_is_another_track() -> None:
    assert len(run(Tracker(overlap=0.3), [[square(0)], [square(5)]])) == 1  # 50 / 150
    assert len(run(Tracker(overlap=0.35), [[square(0)], [square(5)]])) == 2


@pytest.mark.parametrize(
    "settings",
    [{"overlap": 0}, {"overlap": 1.1}, {"overlap": math.nan}, {"patience": -1}, {"patience": math.nan}],
)
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Tracker(**settings)


def follow(sightings: list[Sighting]) -> Track:
    track = Track.begin(sightings[0])
    for sighting in sightings[1:]:
        track = track.extend(sighting)
    return track


def test_the_template_is_the_quality_weighted_mean_of_the_best() -> None:
    rng = np.random.default_rng(0)
    angles, qualities = rng.uniform(0, 1.5, 25), rng.uniform(0, 1, 25)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    track = follow(
        [seen(i, square(0), q, (v[0], v[1])) for i, (q, v) in enumerate(zip(qualities, vectors, strict=True))]
    )
    order = np.argsort(-qualities)[:TEMPLATE_SIGHTINGS]
    mean = sum(qualities[i] * vectors[i] for i in order) / sum(qualities[order])
    np.testing.assert_allclose(track.template(), mean / math.hypot(*mean), atol=1e-6)
    assert [s.seconds for s in track.best] == order.tolist()
    assert (track.start, track.end, track.sightings) == (0, 24, 25)


def test_faces_without_quality_have_a_template_too() -> None:
    track = follow([seen(0, square(0), 0, (1, 0)), seen(1, square(0), 0, (0, 1))])
    np.testing.assert_allclose(track.template(), [0.5**0.5] * 2, rtol=1e-6)
    assert track.best[0].seconds == 0
    clear = track.extend(seen(2, square(0), 1, (0, 1)))
    np.testing.assert_allclose(clear.template(), [0, 1], atol=3 * LEAST_WEIGHT)
    opposite = follow([seen(0, square(0), 1, (1, 0)), seen(1, square(0), 1, (-1, 0))])
    assert np.isfinite(opposite.template()).all()
