"""The scikit-learn estimator: all of scikit-learn's own checks (on vectors), and crops."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

from recog.errors import ConfigError
from recog.estimator import FaceClassifier
from tests.conftest import ColourEmbedder, paint


def checks() -> list[Any]:
    found = estimator_checks_generator(FaceClassifier(), mark=None)
    return [pytest.param(e, c, id=getattr(c, "func", c).__name__) for e, c in found]


@pytest.mark.parametrize(("estimator", "check"), checks())
def test_scikit_learn_checks(estimator: FaceClassifier, check: Callable[[Any], None]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks provoke warnings on purpose
        check(estimator)


@pytest.fixture
def classifier(embedder: ColourEmbedder) -> FaceClassifier:
    return FaceClassifier(embedder=embedder)


CROPS = np.stack([paint(d) for d in (0, 5, 10, 80, 85, 90)])
NAMES = np.array(["ada"] * 3 + ["bob"] * 3)


def test_crops_are_embedded_and_named(classifier: FaceClassifier) -> None:
    classifier.fit(CROPS, NAMES)
    assert classifier.classes_.tolist() == ["ada", "bob"]
    probes = np.stack([paint(20), paint(70)])
    assert classifier.predict(probes).tolist() == ["ada", "bob"]
    assert classifier.score(CROPS, NAMES) == 1
    np.testing.assert_allclose(classifier.predict_proba(probes).sum(axis=1), 1)
    angles = np.degrees(np.arctan2(*classifier.centres_.T[::-1]))
    np.testing.assert_allclose(angles, [5, 85], atol=0.5)


def test_vectors_give_the_same_as_their_crops(classifier: FaceClassifier, embedder: ColourEmbedder) -> None:
    by_vector = clone(classifier).fit(embedder.embed(CROPS), NAMES)
    np.testing.assert_allclose(by_vector.centres_, classifier.fit(CROPS, NAMES).centres_)


def test_strangers_are_unknown_under_the_threshold(classifier: FaceClassifier) -> None:
    classifier.set_params(threshold=0.95).fit(CROPS, NAMES)
    assert classifier.predict(np.stack([paint(5), paint(45)])).tolist() == ["ada", "unknown"]


def test_strangers_are_labelled_as_people_are(classifier: FaceClassifier) -> None:
    numbers = np.array([0, 0, 0, 1, 1, 1])
    with pytest.raises(ConfigError, match="for example -1"):
        clone(classifier).set_params(threshold=0.95).fit(CROPS, numbers)
    named = clone(classifier).set_params(threshold=0.95, unknown=-1).fit(CROPS, numbers)
    assert named.predict(np.stack([paint(5), paint(45)])).tolist() == [0, -1]
    clone(classifier).set_params(threshold=0.95, unknown=-1).fit(CROPS, numbers.astype(np.float64))


def test_it_drops_into_pipeline_and_grid_search(classifier: FaceClassifier) -> None:
    pipeline = make_pipeline(classifier)
    search = GridSearchCV(
        pipeline, {"faceclassifier__temperature": [0.01, 0.1]}, cv=3, scoring="neg_log_loss"
    )
    search.fit(CROPS, NAMES)
    assert search.best_params_ == {"faceclassifier__temperature": 0.01}


def test_wrong_use_is_refused(classifier: FaceClassifier) -> None:
    with pytest.raises(NotFittedError):
        classifier.predict(CROPS)
    with pytest.raises(ConfigError, match="temperature"):
        clone(classifier).set_params(temperature=0).fit(CROPS, NAMES)
    with pytest.raises(ValueError, match="uint8"):
        classifier.fit(CROPS.astype(np.float32), NAMES)
