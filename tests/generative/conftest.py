"""Fixtures of small things."""

from __future__ import annotations

import numpy as np
import pytest

from generative.conditions import AGE, ATTRIBUTES, Vocabulary
from generative.data import FaceData, leave_one_out
from recog.embedding import Embedder
from recog.training.data import CropSet
from tests.generative.stand_ins import PEOPLE, PHOTOS, SIZE, make_embedder


@pytest.fixture
def embedder() -> Embedder:
    return make_embedder()


@pytest.fixture
def crops() -> CropSet:
    rng = np.random.default_rng(0)
    looks = rng.integers(0, 200, (PEOPLE, 1, 4, 4, 3))
    faces = (looks + rng.integers(0, 50, (PEOPLE, PHOTOS, 4, 4, 3))).reshape(-1, 4, 4, 3).astype(np.uint8)
    images = faces.repeat(SIZE // 4, axis=1).repeat(SIZE // 4, axis=2)
    labels = np.repeat(np.arange(PEOPLE), PHOTOS)
    names = tuple(f"p{i}" for i in range(PEOPLE))
    return CropSet(images, labels, names, tuple(f"p{label}/{k}.png" for k, label in enumerate(labels)))


@pytest.fixture
def faces(crops: CropSet, embedder: Embedder) -> FaceData:
    centres, similarities = leave_one_out(embedder.embed(crops.images), crops.labels)
    rng = np.random.default_rng(1)
    vocabulary = Vocabulary(ATTRIBUTES, ages=True)
    known = {name: rng.choice([-1, 1], len(crops)) for name in ATTRIBUTES}
    attributes = vocabulary.encoded({**known, AGE: rng.integers(0, 80, len(crops))}, len(crops))
    return FaceData(crops, centres, similarities, attributes, vocabulary, embedder.digest)
