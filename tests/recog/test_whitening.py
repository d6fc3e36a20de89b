"""Whitening of embeddings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from recog.embedding import Embedder
from recog.errors import DataError
from recog.models import create_network, fitted
from recog.training import CropSet, distill
from recog.training.whitening import SHRINKAGE, whitened, whitening
from recog.vectors import unit
from tests.recog.test_distillation import STUDENT, ColourTeacher
from tests.recog.test_embedding import CONFIG, embedder  # noqa: F401
from tests.recog.test_training import coloured_people


def people_and_light(people: int, photos: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Who it is shows in all of eight dimensions; how the photo was taken moves two of them a lot."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.normal(size=(people, 8)), photos, axis=0)
    light = rng.normal(size=centres.shape) * np.array([1.5, 1.5, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2])
    return unit((0.3 + centres + light).astype(np.float32)), np.repeat(np.arange(people), photos)


def separation(vectors: NDArray[np.floating], people: NDArray[np.int64]) -> float:
    """Share of pairs of one person that are more alike than 99 % of pairs of strangers."""
    similarity = vectors @ vectors.T
    left, right = np.triu_indices(len(people), k=1)
    scores, same = similarity[left, right], people[left] == people[right]
    return float(np.mean(scores[same] > np.quantile(scores[~same], 0.99)))


def test_the_shrunk_scatter_within_people_becomes_the_unit_matrix() -> None:
    vectors, people = people_and_light(60, 6, 0)
    learned = whitening(vectors, people)
    centre, matrix = learned.centre, learned.matrix
    assert centre == pytest.approx(vectors.mean(axis=0), abs=1e-6)
    means = np.stack([vectors[people == person].mean(axis=0) for person in range(60)])
    scatter = np.cov((vectors - means[people]).T, bias=True)
    shrunk = (1 - SHRINKAGE) * scatter + SHRINKAGE * np.trace(scatter) / 8 * np.eye(8)
    made = matrix.T @ shrunk @ matrix
    assert made / made[0, 0] == pytest.approx(np.eye(8), abs=1e-3)


def test_people_whom_it_did_not_see_are_told_apart_better() -> None:
    learned = whitening(*people_and_light(200, 5, 0))
    others, people = people_and_light(100, 5, 1)
    assert (
        separation(unit((others - learned.centre) @ learned.matrix), people)
        > separation(others, people) + 0.1
    )


def test_few_people_are_refused() -> None:
    vectors, people = people_and_light(8, 3, 0)
    with pytest.raises(DataError, match="more than 8 people"):
        whitening(vectors, people)
    vectors, people = people_and_light(30, 1, 0)
    with pytest.raises(DataError, match="30 photos of 30 people"):
        whitening(vectors, people)


def crops(people: int = 20, photos: int = 3) -> CropSet:
    rng = np.random.default_rng(0)
    names = tuple(f"p{k:02d}" for k in range(people))
    return CropSet(
        rng.integers(0, 256, (people * photos, 32, 32, 3), dtype=np.uint8),
        np.repeat(np.arange(people), photos),
        names,
        tuple(f"{name}/{k}.png" for name in names for k in range(photos)),
    )


def test_a_whitened_model_is_a_model(embedder: Embedder, tmp_path: Path) -> None:  # noqa: F811
    learned = crops()
    made = whitened(embedder, learned)
    plain = embedder.embed(learned.images, flip=False)
    found = whitening(plain, learned.labels)
    expected = unit((plain - found.centre) @ found.matrix)
    assert made.embed(learned.images, flip=False) == pytest.approx(expected, abs=1e-4)
    assert made.digest != embedder.digest
    made.save(tmp_path / "made.safetensors")
    again = Embedder.load(tmp_path / "made.safetensors", device="cpu")
    assert again.digest == made.digest
    assert again.embed(learned.images[:2]) == pytest.approx(made.embed(learned.images[:2]), abs=1e-5)
    assert whitened(made, learned).digest == made.digest  # learned again from the bare network
    nameless = CropSet(learned.images, np.full(60, -1), (), learned.files)
    with pytest.raises(DataError, match="who is on every crop"):
        whitened(embedder, nameless)


def test_a_student_of_whitened_answers_is_a_whitened_model(tmp_path: Path) -> None:
    crops = coloured_people(people=16, photos=4)
    config = replace(STUDENT, whiten=True, total_kimg=2.0, learning_rate=1e-2)
    student = distill(config, crops, [ColourTeacher()], run_dir=tmp_path / "run", device="cpu")
    answers = ColourTeacher().embed(crops.images)
    learned = whitening(answers, crops.labels)
    wanted = unit((answers - learned.centre) @ learned.matrix)
    found = student.embed(crops.images, flip=False)
    untaught = distill(replace(config, total_kimg=0.008), crops, [ColourTeacher()], device="cpu")
    before = untaught.embed(crops.images, flip=False)
    assert (found * wanted).sum(1).mean() > (before * wanted).sum(1).mean() + 0.2
    again = Embedder.load(tmp_path / "run", device="cpu")
    assert again.embed(crops.images, flip=False) == pytest.approx(found, abs=1e-5)
    further = replace(config, total_kimg=0.008, learning_rate=1e-9)
    started = distill(
        further, crops, [ColourTeacher()], start=tmp_path / "run" / "final.safetensors", device="cpu"
    )
    assert (started.embed(crops.images, flip=False) * found).sum(1).mean() > 0.9


def test_training_goes_on_without_the_whitening(embedder: Embedder) -> None:  # noqa: F811
    made = whitened(embedder, crops())
    network = create_network(CONFIG)
    network.load_state_dict(fitted(made.network.state_dict(), network))
    larger = create_network({**CONFIG, "image_size": 64})
    larger.load_state_dict(fitted(made.network.state_dict(), larger))
    before = embedder.network.state_dict()
    assert all((value == before[name]).all() for name, value in network.state_dict().items())
