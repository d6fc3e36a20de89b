"""New people of those who exist: who they are, and what is on their photos."""

from __future__ import annotations

import numpy as np
import pytest

from generative.recombining import UNEVEN, WAYS, recombined
from recog.errors import ConfigError, DataError
from recog.training.data import CropSet


@pytest.fixture
def levels() -> CropSet:
    """Three people with two photos each; a photo is of one level all over."""
    values = np.array([0, 10, 100, 110, 200, 210], np.uint8)
    images = np.broadcast_to(values[:, None, None, None], (6, 8, 8, 3)).copy()
    labels = np.repeat(np.arange(3), 2).astype(np.int64)
    return CropSet(images, labels, ("a", "b", "c"), tuple(f"{k}.png" for k in range(6)))


def test_each_new_person_is_another_pair_half_and_half(levels: CropSet) -> None:
    made = recombined(levels, "blend", people=3, photos=4, seed=1)
    assert sorted(name.partition("~")[0] for name in made.identities) == ["a+b", "a+c", "b+c"]
    assert made.images.shape == (12, 8, 8, 3)
    assert np.bincount(made.labels).tolist() == [4, 4, 4]
    assert len(set(made.files)) == 12
    centres = {"a": 5.0, "b": 105.0, "c": 205.0}
    for code, name in enumerate(made.identities):
        one, other = (centres[part] for part in name.partition("~")[0].split("+"))
        found = made.images[made.labels == code].astype(float)
        assert found.std(axis=(1, 2)).max() == 0
        reach = UNEVEN * abs(one - other) + 6
        assert np.abs(found[:, 0, 0, 0] - (one + other) / 2).max() <= reach


def test_every_photo_meets_every_other_before_two_meet_again(
    levels: CropSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generative.recombining.UNEVEN", 0.0)
    made = recombined(levels, "blend", people=1, photos=4)
    assert len({int(image[0, 0, 0]) for image in made.images}) >= 3  # 0+10, 0+11 and 10+10 are two of a kind
    again = recombined(levels, "blend", people=1, photos=8)
    times = np.unique(again.images[:, 0, 0, 0], return_counts=True)[1]
    assert times.sum() == 8
    assert (times % 2 == 0).all()


@pytest.mark.parametrize("way", WAYS)
def test_the_seed_decides(levels: CropSet, way: str) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 30, levels.images.shape)
    levels = CropSet((levels.images + noise).astype(np.uint8), levels.labels, levels.identities, levels.files)
    one, same, other = (recombined(levels, way, 2, 3, seed).images for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_splice_shows_one_of_two_on_either_side(levels: CropSet) -> None:
    wide = levels.images.repeat(4, axis=1).repeat(4, axis=2)
    wide[:, ::2] += 20  # colours have a spread
    crops = CropSet(wide, levels.labels, levels.identities, levels.files)
    made = recombined(crops, "splice", people=3, photos=2)
    assert made.images.shape == (6, 32, 32, 3)
    for code, name in enumerate(made.identities):
        one = name.partition("+")[0]
        level = {"a": 5, "b": 105, "c": 205}[one] + 10
        shown = made.images[made.labels == code].astype(float)
        assert abs(shown.mean() - level) < 15  # the other side has the colours of this one


def test_all_photos_of_a_bent_person_are_bent_alike() -> None:
    ramp = np.broadcast_to(np.linspace(40, 200, 32)[None, :, None], (32, 32, 3))
    images = np.stack([ramp, ramp + 20]).astype(np.uint8)  # one person, twice
    crops = CropSet(images, np.zeros(2, np.int64), ("a",), ("0.png", "1.png"))
    made = recombined(crops, "bend", people=3, photos=2)
    assert len(set(made.identities)) == 3
    apart = np.diff(made.images.reshape(3, 2, 32, 32, 3).astype(int), axis=1)
    assert np.abs(np.abs(apart) - 20).max() <= 2  # the same field for both photos
    first, second, third = made.images.reshape(3, 2, 32, 32, 3).astype(int).min(axis=1)
    for one, other in ((first, second), (second, third)):
        assert np.abs(one - other).max() > 3  # another field for another person
    middle = (slice(None), slice(8, 24), slice(8, 24))
    assert abs(made.images[middle].mean() - images[middle].mean()) < 6  # on the whole, nothing moves


def test_every_person_is_bent_as_often_as_any_other(levels: CropSet) -> None:
    made = recombined(levels, "bend", people=7, photos=1)
    parents = [name.partition("~")[0] for name in made.identities]
    assert sorted(parents.count(name) for name in levels.identities) == [2, 2, 3]


def test_a_way_that_does_not_exist(levels: CropSet) -> None:
    with pytest.raises(ConfigError, match="way is 'mirror'; give one of blend, splice, bend"):
        recombined(levels, "mirror", people=2, photos=1)


def test_so_many_pairs_are_not_there(levels: CropSet) -> None:
    with pytest.raises(DataError, match="3 people make 3 pairs; 4"):
        recombined(levels, "blend", people=4, photos=1)
