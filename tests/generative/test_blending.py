"""New people of two: who they are, and what is on their photos."""

from __future__ import annotations

import numpy as np
import pytest

from generative.blending import UNEVEN, blended
from recog.errors import DataError
from recog.training.data import CropSet


@pytest.fixture
def levels() -> CropSet:
    """Three people with two photos each; a photo is of one level all over."""
    values = np.array([0, 10, 100, 110, 200, 210], np.uint8)
    images = np.broadcast_to(values[:, None, None, None], (6, 8, 8, 3)).copy()
    labels = np.repeat(np.arange(3), 2).astype(np.int64)
    return CropSet(images, labels, ("a", "b", "c"), tuple(f"{k}.png" for k in range(6)))


def test_each_new_person_is_another_pair_half_and_half(levels: CropSet) -> None:
    made = blended(levels, people=3, photos=4, seed=1)
    assert sorted(made.identities) == ["a+b", "a+c", "b+c"]
    assert made.images.shape == (12, 8, 8, 3)
    assert np.bincount(made.labels).tolist() == [4, 4, 4]
    assert len(set(made.files)) == 12
    centres = {"a": 5.0, "b": 105.0, "c": 205.0}
    for code, name in enumerate(made.identities):
        one, other = (centres[part] for part in name.split("+"))
        found = made.images[made.labels == code].astype(float)
        assert found.std(axis=(1, 2)).max() == 0
        reach = UNEVEN * abs(one - other) + 6
        assert np.abs(found[:, 0, 0, 0] - (one + other) / 2).max() <= reach


def test_every_photo_meets_every_other_before_two_meet_again(
    levels: CropSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generative.blending.UNEVEN", 0.0)
    made = blended(levels, people=1, photos=4)
    assert len({int(image[0, 0, 0]) for image in made.images}) >= 3  # 0+10, 0+11 and 10+10 are two of a kind
    again = blended(levels, people=1, photos=8)
    times = np.unique(again.images[:, 0, 0, 0], return_counts=True)[1]
    assert times.sum() == 8
    assert (times % 2 == 0).all()


def test_the_seed_decides(levels: CropSet) -> None:
    one, same, other = (blended(levels, 2, 3, seed).images for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_so_many_pairs_are_not_there(levels: CropSet) -> None:
    with pytest.raises(DataError, match="3 people make 3 pairs; 4"):
        blended(levels, people=4, photos=1)
