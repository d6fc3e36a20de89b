"""Made-up vectors: they vary as photos of such a person do, around where the person is."""

from __future__ import annotations

import numpy as np
import pytest

from generative.features import FeatureGenerator, FeatureSettings
from recog.errors import ConfigError, DataError
from recog.vectors import unit

SIZE, PHOTOS = 12, 6
QUICK = FeatureSettings(steps=500, batch_size=128, width=64, noise_size=4, learning_rate=3e-3)


def of_two_kinds(people: int, seed: int, photos: int = PHOTOS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Photos of people of one kind vary along one axis, those of the other along another."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(people, SIZE))
    centres[:, 1:3] = 0
    kind = np.arange(people) % 2
    centres[:, 0] = np.where(kind, 3, -3)
    labels = np.repeat(np.arange(people), photos)
    vectors = centres[labels] + 0.05 * rng.normal(size=(len(labels), SIZE))
    vectors[np.arange(len(labels)), 1 + kind[labels]] += 1.2 * rng.normal(size=len(labels))
    return unit(vectors.astype(np.float32)), labels.astype(np.int64), kind


@pytest.fixture(scope="module")
def generator() -> FeatureGenerator:
    vectors, labels, _ = of_two_kinds(200, 0)
    return FeatureGenerator.learn(vectors, labels, QUICK)


def test_made_up_vectors_vary_as_those_of_such_people(generator: FeatureGenerator) -> None:
    vectors, labels, kind = of_two_kinds(20, 1, photos=40)
    for person in range(20):
        real = vectors[labels == person]
        made = generator.draw(real[:5], 400, seed=person)
        assert made.shape == (400, SIZE)
        assert made.dtype == np.float32
        assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
        along, across = made.std(axis=0)[[1 + kind[person], 2 - kind[person]]]
        assert along > 2 * across
        assert 0.6 < along / real.std(axis=0)[1 + kind[person]] < 1.6


def test_the_mean_of_many_is_nearer_to_the_person_than_one_photo(generator: FeatureGenerator) -> None:
    vectors, labels, _ = of_two_kinds(40, 2, photos=40)
    gains = []
    for person in range(40):
        real = vectors[labels == person]
        centre = unit(real.mean(axis=0))
        made = unit(generator.draw(real[:1], 200).mean(axis=0))
        gains.append(made @ centre - real[0] @ centre)
    assert np.mean(gains) > 0.03


def test_the_same_seed_draws_the_same(generator: FeatureGenerator) -> None:
    vectors, labels, _ = of_two_kinds(30, 3)
    one, again, other = (generator.draw(vectors[:3], 4, seed=seed) for seed in (5, 5, 6))
    assert np.array_equal(one, again)
    assert not np.allclose(one, other)
    few = FeatureSettings(steps=5, width=8)
    first, second = (FeatureGenerator.learn(vectors, labels, few).draw(vectors[:1], 2) for _ in range(2))
    assert np.array_equal(first, second)
    assert generator.draw(vectors[:1], 0).shape == (0, SIZE)


def test_what_cannot_be_learned_or_drawn_is_refused(generator: FeatureGenerator) -> None:
    vectors, labels, _ = of_two_kinds(4, 4)
    with pytest.raises(DataError, match="1 people have two photos"):
        FeatureGenerator.learn(vectors[: PHOTOS + 1], labels[: PHOTOS + 1])
    with pytest.raises(DataError, match=r"give \(M, 12\)"):
        generator.draw(vectors[:0], 3)
    with pytest.raises(DataError, match=r"\(1, 5\)"):
        generator.draw(vectors[:1, :5], 3)
    with pytest.raises(ConfigError, match="count is -1"):
        generator.draw(vectors[:1], -1)
    with pytest.raises(ConfigError, match="steps is 0"):
        FeatureSettings(steps=0)
