from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from generative import presets
from generative.cli.train import KINDS as TRAINED
from generative.conditions import AGE, ATTRIBUTES, LASTING, Vocabulary
from generative.data import FaceData
from generative.errors import SynthesisExhausted
from generative.models import GENERATORS
from generative.people import PeopleModel
from generative.synthesis import Synthesizer
from generative.training import train
from recog import checkpoints
from recog.cli import main
from recog.embedding import Embedder
from recog.errors import CheckpointError, ConfigError, DataError, ModelMismatch, ModelNotFound
from recog.vectors import unit
from tests.generative.stand_ins import config, make_embedder, objective


@pytest.fixture(params=["gan", "vae", "vae-gan", "dcgan"])
def weights(request: pytest.FixtureRequest, faces: FaceData, embedder: Embedder, tmp_path: Path) -> Path:
    kind = request.param
    return train(
        config(kind, total_kimg=0.008), faces, objective(kind, faces, embedder), tmp_path / kind, "cpu"
    )


@pytest.fixture
def synthesizer(weights: Path, embedder: Embedder) -> Synthesizer:
    return Synthesizer.load(weights, embedder, "cpu")


def test_photos_of_a_person_repeat_with_the_seed(synthesizer: Synthesizer, faces: FaceData) -> None:
    photos = synthesizer.photos_of(faces.centres[:1], 3, seed=4)
    assert photos.shape == (3, 16, 16, 3)
    assert photos.dtype == np.uint8
    assert np.array_equal(photos, synthesizer.photos_of(faces.centres[0], 3, seed=4))
    assert not np.array_equal(photos, synthesizer.photos_of(faces.centres[0], 3, seed=5))


def test_another_embedder_is_refused(weights: Path) -> None:
    with pytest.raises(ModelMismatch, match="recog generate train"):
        Synthesizer.load(weights, make_embedder(1), "cpu")


def test_new_people_need_no_data_and_differ(synthesizer: Synthesizer) -> None:
    people = synthesizer.new_people(3, 2, seed=1, max_similarity=0.8)
    centres = np.stack([person.centre for person in people])
    cosines = centres @ centres.T - np.eye(3)
    assert cosines.max() <= 0.8
    assert {person.source for person in people} == {"sampled"}
    assert len({person.identity for person in people}) == 3


def test_mixed_people_stay_away_from_the_real_ones(synthesizer: Synthesizer, faces: FaceData) -> None:
    real = faces.centres[::4]
    people = synthesizer.new_people(2, 1, max_similarity=0.97, training_centres=real)
    assert {person.source for person in people} == {"mixed"}
    assert max(float((real @ person.centre).max()) for person in people) <= 0.97


def test_too_many_people_are_an_error_not_a_shorter_list(synthesizer: Synthesizer) -> None:
    with pytest.raises(SynthesisExhausted, match="of 40"):
        synthesizer.new_people(40, 1, max_similarity=-0.5)


def test_of_several_candidates_those_nearest_to_the_window_are_kept(
    synthesizer: Synthesizer, faces: FaceData
) -> None:
    plain = synthesizer.person("a", faces.centres[0], 4, seed=3)
    chosen = synthesizer.person("a", faces.centres[0], 4, seed=3, candidates=8)
    assert len(chosen.images) == len(chosen.attributes) == len(chosen.scores.similarities) == 4
    outside = [synthesizer.window.distance(p.scores.similarities).mean() for p in (plain, chosen)]
    assert outside[1] <= outside[0]


def test_photos_show_what_is_asked_for(synthesizer: Synthesizer, faces: FaceData) -> None:
    asked = {"Smiling": -1.0, "Blond_Hair": 1.0, AGE: 61.0}
    person = synthesizer.person("a", faces.centres[0], 5, conditions=asked)
    for row in person.attributes:
        said = synthesizer.vocabulary.described(row)
        assert {name: said[name] for name in asked} == asked
        assert said["Black_Hair"] == said["Gray_Hair"] == -1
    with pytest.raises(ConfigError, match="knows no 'Mood'"):
        synthesizer.photos_of(faces.centres[0], 1, conditions={"Mood": 1})


def test_new_people_are_as_asked(synthesizer: Synthesizer) -> None:
    people = synthesizer.new_people(3, 1, max_similarity=0.99, conditions={"Male": 1.0})
    column = ATTRIBUTES.index("Male")
    assert all((person.attributes[:, column] == 1).all() for person in people)


def test_people_drawn_for_an_attribute_have_it_in_their_vectors() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(400, 6)).astype(np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    vocabulary = Vocabulary(("Male",), ages=True)
    known = {"Male": np.sign(centres[:, 0]), AGE: 40 + 30 * centres[:, 1]}
    attributes = vocabulary.encoded(known, 400)
    crops = type("Crops", (), {"labels": np.arange(400)})()
    people = PeopleModel.fit(FaceData(crops, centres, centres[:, 0], attributes, vocabulary, "x"))
    rng = torch.Generator().manual_seed(0)
    men = people.draw(200, rng, {"Male": 1.0})
    assert float((men[:, 0] > 0).float().mean()) > 0.95
    old = people.draw(200, rng, {AGE: 55.0})
    assert 40 + 30 * float(old[:, 1].mean()) == pytest.approx(55, abs=3)


def test_what_goes_together_on_photos_is_drawn_together() -> None:
    rng = np.random.default_rng(0)
    centres = unit(rng.normal(size=(2000, 6)).astype(np.float32))
    vocabulary = Vocabulary(("No_Beard", "Smiling", "Mouth_Slightly_Open", "Wearing_Hat"), ages=True)
    smiling = rng.choice([-1, 1], 2000)
    mouth = np.where(rng.random(2000) < 0.9, smiling, -smiling)  # of whom one smiles, nine have it open
    old = rng.random(2000) < 0.5
    known = {
        "No_Beard": np.where(rng.random(2000) < 0.95, 1 - 2 * old, 2 * old - 1),  # the old wear beards
        "Smiling": smiling,
        "Mouth_Slightly_Open": mouth,
        "Wearing_Hat": rng.choice([-1, 1], 2000),
        AGE: np.where(old, 60.0, 30.0),
    }
    attributes = vocabulary.encoded(known, 2000)
    crops = type("Crops", (), {"labels": np.arange(2000)})()
    people = PeopleModel.fit(FaceData(crops, centres, centres[:, 0], attributes, vocabulary, "x"))
    some = torch.from_numpy(centres[:500])
    rng_drawn = torch.Generator().manual_seed(0)
    free = people.draw_attributes(some, 2, rng_drawn)
    assert float((free[..., 1] == free[..., 2]).float().mean()) == pytest.approx(0.9, abs=0.04)
    assert float((free[..., 1] == free[..., 3]).float().mean()) == pytest.approx(0.5, abs=0.06)
    assert (free[:, :1, 0] == free[:, 1:, 0]).all()  # of a person, not of a photo
    serious = people.draw_attributes(some, 2, rng_drawn, {"Smiling": -1.0})
    assert float(serious[..., 2].mean()) == pytest.approx(-0.8, abs=0.08)
    aged = people.draw_attributes(some, 2, rng_drawn, {AGE: 60.0})
    assert float((aged[..., 0] < 0).float().mean()) > 0.95
    again = PeopleModel({k: v.half() for k, v in people.tensors().items()}, vocabulary)
    assert float((again.draw_attributes(some, 2, rng_drawn)[..., 1] > 0).float().mean()) == pytest.approx(
        0.5, abs=0.06
    )


def test_there_is_a_candidate_for_each_photo(synthesizer: Synthesizer, faces: FaceData) -> None:
    with pytest.raises(ConfigError, match="candidates is 0; give 1 or more"):
        synthesizer.person("a", faces.centres[0], 4, candidates=0)


@pytest.mark.parametrize(
    "bad", [np.zeros((1, 5)), np.zeros((0, 8)), np.zeros((1, 8)), np.full((1, 8), np.nan)]
)
def test_vectors_that_name_nobody_are_refused(synthesizer: Synthesizer, bad: np.ndarray) -> None:
    with pytest.raises(DataError, match="embeddings"):
        synthesizer.photos_of(bad.astype(np.float32), 1)


def test_unknown_weights_are_not_found(embedder: Embedder) -> None:
    with pytest.raises(ModelNotFound, match="bundled-gan"):
        Synthesizer.load("nothing-here", embedder)


def test_weights_of_something_else_are_refused(embedder: Embedder, tmp_path: Path) -> None:
    checkpoints.save(
        tmp_path / "other.safetensors", kind="repairer", config={}, tensors={"x": torch.zeros(1)}
    )
    with pytest.raises(
        CheckpointError, match=r"holds a 'repairer' model, but a 'gan' or .*'vae-gan' is needed"
    ):
        Synthesizer.load(tmp_path / "other.safetensors", embedder, "cpu")


def test_people_model_has_the_spread_of_the_centres() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(400, 6)) * [1, 0.5, 0.5, 0.1, 0.1, 0.1] + [0, 4, 0, 0, 0, 0]
    centres = (centres / np.linalg.norm(centres, axis=1, keepdims=True)).astype(np.float32)
    crops = type("Crops", (), {"labels": np.arange(400)})()
    male = np.sign(centres[:, :1]) * np.ones((1, len(ATTRIBUTES)), np.float32)
    people = PeopleModel.fit(FaceData(crops, centres, centres[:, 0], male, Vocabulary(ATTRIBUTES), "x"))
    drawn = people.draw(4000, torch.Generator().manual_seed(0))
    assert drawn.norm(dim=1) == pytest.approx(np.ones(4000), abs=1e-5)
    assert drawn.mean(dim=0).numpy() == pytest.approx(centres.mean(axis=0), abs=0.05)
    assert drawn.std(dim=0).numpy() == pytest.approx(centres.std(axis=0), abs=0.05)
    attributes = people.draw_attributes(torch.from_numpy(centres[:50]), 4, torch.Generator().manual_seed(1))
    column = ATTRIBUTES.index(LASTING[0])
    clear = np.abs(centres[:50, 0]) > 0.15
    assert np.array_equal(attributes[clear, 0, column].numpy(), male[:50, column][clear])
    assert (attributes[:, :, column] == attributes[:, :1, column]).all()


def test_kinds_are_what_the_presets_know() -> None:
    assert set(presets.KINDS) == set(TRAINED)
    assert set(presets.KINDS) - set(GENERATORS) == {"repairer", "reader"}


@pytest.mark.parametrize("kind", ["gan", "vae"])
def test_spread_makes_faces_more_varied(trained: Path, embedder: Embedder, kind: str) -> None:
    def variety(spread: float | None) -> float:
        synthesizer = Synthesizer.load(trained / kind, embedder, "cpu", spread=spread)
        centres = torch.from_numpy(np.eye(embedder.embedding_size, dtype=np.float32)[:1]).repeat(24, 1)
        attributes = torch.zeros(24, len(synthesizer.vocabulary))
        faces = synthesizer.faces(centres, attributes, torch.Generator().manual_seed(0))
        return float(faces.astype(float).std(axis=0).mean())

    assert variety(0.5) < variety(1.0) == variety(None) < variety(2.0)


def test_weights_carry_their_spread(trained: Path, embedder: Embedder, tmp_path: Path) -> None:
    line = ["generate", "pack", str(trained / "gan"), "--out", str(tmp_path / "wide.safetensors")]
    assert CliRunner().invoke(main, [*line, "--spread", "1.5"]).exit_code == 0
    usual = Synthesizer.load(trained / "gan", embedder, "cpu")
    wide = Synthesizer.load(tmp_path / "wide.safetensors", embedder, "cpu")
    assert (usual.spread, wide.spread) == (1.0, 1.5)
    assert wide.digest != usual.digest
    assert Synthesizer.load(tmp_path / "wide.safetensors", embedder, "cpu", spread=0.7).spread == 0.7
    assert CliRunner().invoke(main, line).exit_code == 0
    assert Synthesizer.load(tmp_path / "wide.safetensors", embedder, "cpu").spread == 1.0
    assert CliRunner().invoke(main, [*line, "--spread", "0"]).exit_code == 2
