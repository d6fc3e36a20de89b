from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generative import curation
from generative.curation import Learned, Scores, Window
from recog.embedding import Embedder
from recog.training.data import CropSet


def scores(angles: list[float], qualities: list[float], copied: list[float] | None = None) -> Scores:
    """Photos at so many degrees from their person's centre."""
    angle = np.radians(angles)
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    nearest = np.full(len(angles), np.nan) if copied is None else np.array(copied)
    return Scores(vectors, vectors[:, 0], np.array(qualities, np.float32), nearest.astype(np.float32))


def test_without_a_window_the_most_alike_are_kept_and_duplicates_last() -> None:
    found = scores([0, 1, 30, 80], [1, 1, 1, 1])
    assert curation.without_duplicates(found.vectors).tolist() == [0, 2, 3]
    assert curation.chosen(found, 3, Window()).tolist() == [0, 2, 3]
    assert curation.chosen(found, 4, Window()).tolist() == [0, 1, 2, 3]


def test_inside_the_window_the_clearest_are_kept() -> None:
    found = scores([0, 28, 40, 52, 85], [0.9, 0.2, 0.8, 0.5, 0.9])
    window = Window(low=0.6, high=0.9)  # 26 to 53 degrees from the centre
    assert curation.chosen(found, 2, window).tolist() == [2, 3]
    assert curation.chosen(found, 3, window).tolist() == [1, 2, 3]
    assert curation.chosen(found, 4, window).tolist() == [0, 1, 2, 3]  # 0.1 above, not 0.51 below


def test_the_hardest_inside_the_window_may_come_first() -> None:
    found = scores([0, 28, 40, 52, 85], [0.9, 0.2, 0.8, 0.5, 0.9])
    window = Window(low=0.6, high=0.9, hardest=True)
    assert curation.chosen(found, 1, window).tolist() == [3]
    assert curation.chosen(found, 2, window).tolist() == [2, 3]
    assert curation.chosen(found, 4, window).tolist() == [0, 1, 2, 3]


def test_copies_of_training_photos_are_taken_last() -> None:
    found = scores([30, 40, 85], [0.9, 0.5, 0.9], copied=[0.95, 0.3, 0.3])
    assert curation.chosen(found, 2, Window(0.6, 0.9)).tolist() == [1, 2]


def test_copies_are_taken_after_duplicates_even() -> None:
    found = scores([30, 31, 85], [0.9, 0.5, 0.9], copied=[0.3, 0.3, 0.95])
    assert curation.chosen(found, 2, Window(0.6, 0.9)).tolist() == [0, 1]
    assert curation.chosen(found, 3, Window(0.6, 0.9)).tolist() == [0, 1, 2]
    assert found.copies.tolist() == [False, False, True]
    assert not scores([30, 31], [1, 1]).copies.any()  # not compared


def test_it_is_said_why_photos_are_not_kept() -> None:
    found = scores([40, 41, 85, 28, 30, 53], [0.9, 0.5, 0.9, 0.2, 0.9, 0.9], [0.1, 0.1, 0.1, 0.1, 0.95, 0.1])
    window = Window(0.6, 0.9)
    kept = curation.chosen(found, 2, window)
    assert kept.tolist() == [0, 5]
    assert curation.reasons(found, kept, window) == {
        1: "duplicate",
        2: "outside_window",
        3: "less_clear",
        4: "copy",
    }


def test_what_was_learned_from_is_one_role(crops: CropSet, embedder: Embedder, tmp_path: Path) -> None:
    for file, image in zip(crops.files, crops.images, strict=True):
        (tmp_path / "crops" / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "crops" / file)
    (tmp_path / "roles.csv").write_text("identity,role\np1,fit\np3,fit\np2,user\n")
    learned = Learned.open(tmp_path / "crops", embedder, tmp_path / "roles.csv", "fit")
    assert learned.vectors.shape == (8, embedder.embedding_size)
    assert learned.centres.shape == (2, embedder.embedding_size)
    means = learned.vectors.reshape(2, 4, -1).mean(axis=1)
    assert learned.centres == pytest.approx(means / np.linalg.norm(means, axis=1, keepdims=True), abs=1e-5)
    everyone = Learned.open(tmp_path / "crops", embedder, None, None)
    assert len(everyone.vectors) == len(crops)
    assert everyone.fingerprint != learned.fingerprint


def test_scores_say_what_they_were_chosen_by() -> None:
    found = scores([0, 60], [0.9, 0.5], copied=[0.2, 0.4])
    assert found.described(1, Window(0.4, 0.6)) == {
        "identity_cosine": 0.5,
        "quality": 0.5,
        "in_window": True,
        "nearest_photo": 0.5,
        "nearest_training_photo": pytest.approx(0.4),
        "copy": False,
    }
    assert scores([0], [1], copied=[0.9]).described(0, Window())["copy"] is True
    assert "nearest_photo" not in scores([0], [1]).described(0, Window())


def test_photos_are_scored_by_the_embedder(embedder: Embedder) -> None:
    images = np.random.default_rng(0).integers(0, 255, (3, 16, 16, 3), np.uint8)
    vectors = embedder.embed(images)
    found = curation.scored(images, vectors[0], embedder, training=vectors[1:2])
    assert found.similarities == pytest.approx(vectors @ vectors[0], abs=1e-5)
    assert found.copied == pytest.approx(vectors @ vectors[1], abs=1e-5)
    assert ((found.qualities > 0) & (found.qualities <= 1)).all()
