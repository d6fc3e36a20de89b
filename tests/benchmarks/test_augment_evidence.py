"""What the toolkit does by default is what the committed rows support."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import rows
from benchmarks.augment import own_folder
from benchmarks.augment.arms import declarations
from benchmarks.augment.effects import Effect, Verdict
from benchmarks.augment.plan import OPEN
from benchmarks.augment.reading import read
from benchmarks.augment.verdicts import effects_of
from generative import advice

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ARM = "new people by the GAN"


@pytest.fixture(scope="module")
def confirmed() -> dict[str, Effect]:
    """By exam: what the plan that the advice names found of its recipe."""
    (plan,) = read(BENCHMARKS / "plans" / "confirm-250x3.toml")
    measured = rows.read(BENCHMARKS / "results" / "augment.jsonl")
    of_plan = [row for row in measured if row.details.get("declaration", {}).get("digest") == plan.digest]
    found = {}
    for data in dict.fromkeys(row.data for row in of_plan):
        alike = [row for row in of_plan if row.data == data]
        (declared,) = declarations(alike)
        assert declared.confirms
        (found[data],) = (effect for effect in effects_of(alike, declared) if effect.arm == ARM)
    return found


def test_the_recipe_is_that_of_the_plan() -> None:
    (plan,) = read(BENCHMARKS / "plans" / "confirm-250x3.toml")
    assert plan.arms[ARM].synthesis == advice.RECIPE
    assert plan.kind(ARM) == ("gan", OPEN)
    assert (plan.people, plan.photos) == (advice.PEOPLE, advice.PHOTOS)


def test_the_recipe_was_confirmed_on_other_people_and_on_lfw(confirmed: dict[str, Effect]) -> None:
    assert len(confirmed) == 2
    for data, effect in confirmed.items():
        assert effect.verdict is Verdict.HELPS, data
        assert effect.seeds == 10, data


def test_a_folder_is_asked_about_the_same_recipe() -> None:
    assert [arm.synthesis for arm in own_folder.ARMS.values()] == [None, advice.RECIPE]
