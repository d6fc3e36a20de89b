"""Who makes faces: bundled generators for everybody, or such as learned from the draw alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.augment.makers import (
    ClosedMakers,
    ClosedSettings,
    GeneratorMaker,
    OpenMakers,
    learned_alone,
    of_draw,
)
from benchmarks.augment.plan import Arm, Plan, Synthesis
from generative.curation import Window
from generative.synthesis import Synthesizer
from recog.embedding import Embedder
from recog.errors import DataError
from recog.training import CropSet
from tests.generative.stand_ins import make_embedder

SMALL = Synthesis(photos=3, candidates=2)


def photos(crops: CropSet, people: int) -> CropSet:
    return crops.of_identities(crops.identities[:people])


def test_made_up_photos_are_of_the_people_asked_for(
    synthesizer: Synthesizer, embedder: Embedder, people: CropSet
) -> None:
    maker = GeneratorMaker(synthesizer, embedder)
    draw = photos(people, 4)
    made = maker(draw, SMALL, 7)
    assert made.identities == draw.identities
    assert np.bincount(made.labels).tolist() == [3] * 4
    again, other = maker(draw, SMALL, 7), maker(draw, SMALL, 8)
    assert np.array_equal(made.images, again.images)
    assert not np.array_equal(made.images, other.images)
    assert maker.networks["generator"] == synthesizer.digest
    assert maker.networks["recogniser"] == embedder.digest


def test_new_people_have_names_of_their_own(
    synthesizer: Synthesizer, embedder: Embedder, people: CropSet
) -> None:
    synthesizer.people.basis *= 20  # so few dimensions hold hardly any strangers otherwise
    made = GeneratorMaker(synthesizer, embedder)(
        photos(people, 4), Synthesis(of="new", people=2, photos=3, candidates=1), 7
    )
    assert len(made.identities) == 2
    assert not set(made.identities) & set(people.identities)


def test_the_window_is_the_generators_or_none(
    synthesizer: Synthesizer, embedder: Embedder, people: CropSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Window | None] = []
    usual = synthesizer.person

    def person(*arguments: object, window: Window | None = None, **named: object) -> object:
        asked.append(window)
        return usual(*arguments, window=window, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(synthesizer, "person", person)
    for wanted in (True, False):
        GeneratorMaker(synthesizer, embedder)(photos(people, 1), Synthesis(photos=1, window=wanted), 7)
    assert asked == [None, Window()]


def test_open_makers_are_the_same_for_every_draw(
    trained_gan: Path, embedder: Embedder, people: CropSet
) -> None:
    makers = OpenMakers({"gan": trained_gan}, embedder, "cpu")
    one, other = (makers("gan", photos(people, count), seed) for count, seed in ((2, 0), (3, 1)))
    assert one is other
    with pytest.raises(DataError, match="No generator of kind 'vae'"):
        makers("vae", people, 0)


def test_closed_makers_know_the_draw_alone(people: CropSet, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def recogniser(draw: CropSet, seed: int) -> Embedder:
        seen.append((len(draw), seed))
        return make_embedder()

    tiny = ClosedSettings(
        kimg=0.032,
        settings=(("generator_widths", (8, 8, 8)), ("discriminator_widths", (8, 8, 8)), ("noise_size", 4)),
        pace=(("batch_size", 4), ("snapshot_kimg", 1)),
    )
    makers = ClosedMakers(recogniser, tmp_path / "runs", tiny, "cpu")
    draw, other = photos(people, 5), photos(people, 6)
    maker = makers("gan", draw, 0)
    assert makers("gan", draw, 0) is maker
    assert seen == [(20, 0)]
    made = maker(draw, SMALL, 0)
    assert made.identities == draw.identities
    makers("gan", other, 0)
    assert seen == [(20, 0), (24, 0)]
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_nothing_but_who_is_on_them_is_known_of_a_draw(people: CropSet, embedder: Embedder) -> None:
    faces = of_draw(photos(people, 3), embedder)
    assert faces.attributes.shape == (12, 0)
    assert faces.model_digest == embedder.digest
    assert np.allclose(np.linalg.norm(faces.centres, axis=1), 1, atol=1e-5)


def test_recognisers_learn_from_the_draw_as_the_baseline_does(people: CropSet) -> None:
    train = {
        "backbone": "resnet10t",
        "backbone_options": {"channels": (8, 8, 8, 8)},
        "image_size": 32,
        "batch_size": 8,
        "total_kimg": 0.016,
    }
    plan = Plan(people=3, photos=4, arms={"classic": Arm()}, train=train)
    one, same, other = (learned_alone(plan, "cpu")(photos(people, 3), seed) for seed in (0, 0, 1))
    assert one.digest == same.digest != other.digest
