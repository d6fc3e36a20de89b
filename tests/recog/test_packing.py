"""Weights to ship."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from recog.cards import Card
from recog.embedding import Embedder
from recog.errors import RecogError
from recog.training import CropSet
from recog.training.packing import measured_card, pack
from tests.recog.test_embedding import embedder  # noqa: F401


def people_on_a_sphere(people: int, photos: int, size: int = 16) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(people, 1, size))
    vectors = (centres + 0.3 * rng.normal(size=(people, photos, size))).reshape(-1, size)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), np.repeat(np.arange(people), photos)


def test_thresholds_keep_their_rates() -> None:
    vectors, people = people_on_a_sphere(150, 3)
    card = measured_card(vectors, np.full(len(people), 0.9), people)
    thresholds = card.to_config()["thresholds"]
    assert {"fmr_0.1", "fmr_0.001", "fmr_0.0001", "fpir_0.01_10", "fpir_0.03_30"} <= set(thresholds)
    assert not {"fpir_0.003_1", "fpir_0.03_300"} & set(thresholds)  # 149 strangers, and none, cannot show it
    scores = (vectors @ vectors.T)[people[:, None] != people[None]]
    assert np.mean(scores >= thresholds["fmr_0.001"]) == pytest.approx(1e-3, rel=0.1)
    assert thresholds["fpir_0.03_10"] < thresholds["fpir_0.03_30"]  # more people, more chances
    for entry in card.entries:
        assert entry.interval is not None
        assert entry.interval[0] <= entry.rate * 1.1
        assert entry.interval[1] >= entry.rate * 0.9


def test_a_card_survives_its_file() -> None:
    vectors, people = people_on_a_sphere(40, 3)
    card = measured_card(vectors, np.linspace(0.5, 0.9, len(people)), people)
    again = Card.of_config(json.loads(json.dumps(card.to_config())))
    assert again.to_config() == card.to_config()
    assert again.odds == pytest.approx(card.odds, abs=1e-3)
    assert again.mirror == pytest.approx((0.504, 0.7), abs=1e-3)
    assert [e.size for e in again.entries] == [e.size for e in card.entries]


def test_too_few_strangers_are_refused() -> None:
    vectors, people = people_on_a_sphere(4, 2)
    with pytest.raises(RecogError):
        measured_card(vectors, np.ones(len(people)), people)


def test_packed_model_is_half_precision_and_says_so(embedder: Embedder, tmp_path: Path) -> None:  # noqa: F811
    embedder.save(tmp_path / "final.safetensors")
    rng = np.random.default_rng(0)
    crops = CropSet(
        rng.integers(0, 256, (80, 32, 32, 3), dtype=np.uint8),
        np.repeat(np.arange(40), 2),
        tuple(f"p{k}" for k in range(40)),
        tuple(f"{k}.png" for k in range(80)),
    )
    packed = pack(tmp_path, tmp_path / "out.safetensors", "mine", crops)
    assert packed.name == "mine"
    assert packed.digest != embedder.digest
    assert {(entry.kind, entry.size) for entry in packed.card.entries} >= {("fmr", 0), ("fpir", 30)}
    assert (tmp_path / "out.safetensors").stat().st_size < 0.7 * (
        tmp_path / "final.safetensors"
    ).stat().st_size
    assert packed.embed(crops.images[:2]) == pytest.approx(embedder.embed(crops.images[:2]), abs=0.02)


def test_more_strangers_narrow_the_interval() -> None:
    def width(people: int) -> float:
        vectors, owners = people_on_a_sphere(people, 3)
        card = measured_card(vectors, np.ones(len(owners)), owners)
        entry = next(e for e in card.entries if (e.kind, e.rate, e.size) == ("fpir", 0.1, 10))
        assert entry.interval is not None
        return entry.interval[1] - entry.interval[0]

    assert width(150) < 0.7 * width(30)
