"""Who makes faces: bundled generators for everybody, or such as learned from the draw alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.augment.makers import (
    ClosedMakers,
    ClosedSettings,
    OpenMakers,
    by_kind,
    learned_alone,
    of_draw,
)
from benchmarks.augment.plan import Arm, Kind, Plan
from benchmarks.materials import material
from generative.augmenting import MAKERS, Synthesis
from generative.recombining import WAYS
from recog.embedding import Embedder
from recog.errors import ConfigError
from recog.training import CropSet

SMALL = Synthesis(photos=3, candidates=2)


def photos(crops: CropSet, people: int) -> CropSet:
    return crops.of_identities(crops.identities[:people])


def test_open_makers_are_the_same_for_every_draw(
    trained_gan: Path, embedder: Embedder, people: CropSet
) -> None:
    makers = OpenMakers({"gan": trained_gan}, embedder, "cpu")
    one, other = (makers("gan", photos(people, count), seed) for count, seed in ((2, 0), (3, 1)))
    assert one is other
    with pytest.raises(ConfigError, match="No generator of kind 'vae'"):
        makers("vae", people, 0)


def closed_plan(**changes: Any) -> Plan:
    train = {
        "backbone": "resnet10t",
        "backbone_options": {"channels": (8, 8, 8, 8)},
        "image_size": 16,
        "batch_size": 8,
        "total_kimg": 0.016,
    }
    arms = {"classic": Arm(), "made up": Arm(synthesis=SMALL)}
    return Plan(**{"people": 3, "photos": 4, "regime": "closed", "arms": arms, "train": train, **changes})


TINY = ClosedSettings(
    kimg=0.032,
    settings=(("generator_widths", (8, 8, 8)), ("discriminator_widths", (8, 8)), ("noise_size", 4)),
    pace=(("batch_size", 4), ("snapshot_kimg", 1)),
)


def test_closed_makers_know_the_draw_alone(people: CropSet, tmp_path: Path) -> None:
    makers = ClosedMakers(closed_plan(), tmp_path / "runs", TINY, "cpu")
    draw, other = photos(people, 5), photos(people, 6)
    maker = makers("gan", draw, 0)
    assert makers("gan", draw, 0) is maker
    made = maker(draw, SMALL, 0)
    assert made.identities == draw.identities
    alone = learned_alone(closed_plan(), draw, 0, "cpu").digest
    assert set(maker.networks.values()) == {maker.networks["generator"], alone}
    assert makers("gan", other, 0).networks["recogniser"] != alone
    assert len(list((tmp_path / "runs").glob("gan-*"))) == 2


def test_what_conditions_closed_makers_is_part_of_their_digest(tmp_path: Path) -> None:
    arms = {"classic": Arm(train={"augmentation": "flip"}), "made up": Arm(synthesis=SMALL)}
    plans = closed_plan(), closed_plan(), closed_plan(arms=arms)
    one, same, other = (ClosedMakers(plan, tmp_path, TINY).digests["gan"] for plan in plans)
    longer = ClosedMakers(closed_plan(), tmp_path, replace(TINY, kimg=0.064)).digests["gan"]
    assert one == same
    assert len({one, other, longer}) == 3
    with pytest.raises(ConfigError, match="px"):
        ClosedMakers(closed_plan(train={"image_size": 60}), tmp_path, TINY)


@pytest.mark.parametrize("maker", sorted(set(MAKERS) - set(WAYS)))
def test_every_generator_can_be_of_the_closed_regime(maker: str, tmp_path: Path) -> None:
    arms = {"classic": Arm(), "made up": Arm(synthesis=replace(SMALL, maker=maker))}
    plan = closed_plan(arms=arms, train={"image_size": 64})
    assert ClosedMakers(plan, tmp_path).digests.keys() == {maker}


def test_the_recogniser_of_a_draw_is_learned_once(people: CropSet, tmp_path: Path) -> None:
    makers = ClosedMakers(closed_plan(), tmp_path, TINY, "cpu")
    draw = photos(people, 5)
    learned = makers.recogniser(draw, 0)
    again = ClosedMakers(closed_plan(), tmp_path, TINY, "cpu").recogniser(draw, 0)
    assert learned.digest == again.digest == learned_alone(closed_plan(), draw, 0, "cpu").digest
    assert len(list(tmp_path.glob("recogniser-*"))) == 1
    assert makers.recogniser(draw, 1).digest != learned.digest


def test_nothing_but_who_is_on_them_is_known_of_a_draw(people: CropSet, embedder: Embedder) -> None:
    faces = of_draw(photos(people, 3), embedder)
    assert faces.attributes.shape == (12, 0)
    assert faces.model_digest == embedder.digest
    assert np.allclose(np.linalg.norm(faces.centres, axis=1), 1, atol=1e-5)


def test_recognisers_learn_from_the_draw_as_the_baseline_does(people: CropSet) -> None:
    draw = photos(people, 3)
    one, same, other = (learned_alone(closed_plan(), draw, seed, "cpu") for seed in (0, 0, 1))
    assert one.digest == same.digest != other.digest


@pytest.mark.parametrize("regime", ["closed", "open"])
def test_blends_need_no_network_and_no_folder(people: CropSet, tmp_path: Path, regime: str) -> None:
    blend = Synthesis(maker="blend", of="new", people=2, photos=3)
    plan = closed_plan(arms={"classic": Arm(), "blends": Arm(synthesis=blend)}, regime=regime)
    folder = tmp_path / "people"
    found = material(folder, (), plan, roles=None, user_role="", generators={}, device="cpu")
    draw = photos(people, 3)
    assert found.makers is not None
    maker = found.makers(Kind("blend", regime), draw, 0)
    assert maker.networks == {}
    made = maker(draw, blend, 0)
    assert len(made) == 6
    assert all("+" in name for name in made.identities)
    assert set(found.made_by) == {Kind("blend", regime)}
    with pytest.raises(ConfigError, match="by blend, splice, bend are new"):
        Synthesis(maker="blend", photos=3)
    with pytest.raises(ConfigError, match="--runs"):
        material(folder, (), closed_plan(), roles=None, user_role="", generators={}, device="cpu")


def test_blends_stand_beside_generators(people: CropSet, embedder: Embedder, trained_gan: Path) -> None:
    makers = by_kind({"open": OpenMakers({"gan": trained_gan}, embedder, "cpu")})
    draw = photos(people, 3)
    assert makers(Kind("blend", "open"), draw, 0).networks == {}
    assert "generator" in makers(Kind("gan", "open"), draw, 0).networks
