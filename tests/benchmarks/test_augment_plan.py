"""Plans: what they say, what they refuse, and what makes two of them the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.augment.plan import Arm, Plan, usual
from benchmarks.augment.reading import parsed, read
from generative.augmenting import Synthesis
from recog.errors import ConfigError

TEXT = """
name = "thin people"
people = 100
photos = 3
seeds = 10
first_seed = 100
confirms = true
baseline = "strong"

[train]
total_kimg = 20
batch_size = 64

[arms.strong]
train = {augmentation = "strong"}

[arms."new people first"]
train = {augmentation = "strong"}
synthesis = {of = "new", people = 500, photos = 10, first = 0.5, share = 0}
"""


def test_a_file_says_it_all(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(TEXT)
    (plan,) = read(file)
    assert (plan.people, plan.photos, plan.regime) == (100, 3, "open")
    assert list(plan.every_seed) == list(range(100, 110))
    made = plan.arms["new people first"].synthesis
    assert made == Synthesis(of="new", people=500, photos=10, first=0.5, share=0)
    assert plan.kinds == {("gan", "open")}
    config = plan.config("strong", 3)
    assert (config.augmentation, config.total_kimg, config.batch_size, config.seed) == ("strong", 20, 64, 3)
    whole = plan.config("strong", 3).steps
    first, rest = plan.phases("new people first", 3)
    assert first.config.steps + rest.config.steps == whole
    assert (first.real, first.made_up, rest.real, rest.made_up) == (False, True, True, False)
    assert read(file) == (plan,)


def test_the_digest_is_of_all_that_was_declared() -> None:
    plan = Plan()
    assert Plan().digest == plan.digest
    for changed in (
        Plan(seeds=7),
        Plan(margin=0.01),
        Plan(train={"learning_rate": 1e-3}),
        Plan(arms=usual(photos=8)),
        Plan(arms={"classic": Arm()}),
        Plan(arms={"classic": Arm(), "A/A": Arm(chance=1)}),
    ):
        assert changed.digest != plan.digest


def test_more_seeds_or_arms_continue_a_plan() -> None:
    decisions = Plan().decisions()
    assert Plan(seeds=9, arms={"classic": Arm()}, name="other").decisions() == decisions
    assert Plan(people=100).decisions() != decisions
    assert Plan(train={"learning_rate": 1e-3}).decisions() != decisions


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"poeple": 3}, "A plan has no 'poeple'"),
        ({"arms": {"a": {"trian": {}}}}, "Arm 'a' has no 'trian'"),
        ({"arms": {"a": {"synthesis": {"photo": 3}}}}, "The synthesis of arm 'a' has no 'photo'"),
        ({"arms": {"a": {"train": {"rate": 3}}}}, "training has no setting 'rate'"),
        ({"arms": {"a": {"train": {"augmentation": "magic"}}}}, "augmentation is 'magic'"),
        ({"arms": {"a": {"train": {"total_kimg": 9}}}}, "the same for all arms"),
        ({"arms": {"a": {"synthesis": {"maker": "magic"}}}}, "maker is 'magic'"),
        ({"arms": {"a": {"synthesis": {"of": "new"}}}}, "people is 0"),
        ({"arms": {"a": {"synthesis": {"share": 0}}}}, "share is 0"),
        ({"arms": {"a": {"synthesis": {"share": 0.001}}}}, "none, or all, of 128 crops"),
        ({"arms": {"a": {"synthesis": "gan"}}}, "synthesis = 'gan'; give a table"),
        ({"arms": {"a": {"synthesis": {"keep": "no"}}}}, "keep is 'no'"),
        ({"arms": {"a": {"restart": 0.5, "synthesis": {}}}}, "restart is 0.5"),
        ({"arms": {"a": 3}}, "Arm 'a' is 3; give a table"),
        ({"arms": {"a": {"trains": False}}, "baseline": "a"}, "name a start"),
        ({"arms": {"a": {"trains": False, "restart": 0.5}}}, "trains is False"),
        ({"arms": {"a": {"length": 0}}}, "length is 0"),
        ({"arms": {"a": {"length": 0.5, "restart": 0.5}}}, "length is 0.5"),
        ({"arms": {"a": {"trains": "no"}}}, "trains is 'no'"),
        ({"own": "no"}, "own is 'no'"),
        ({"arms": 3}, "arms = 3; give a table"),
        ({"train": 3}, "train = 3; give a table"),
        ({"train": {"seed": 3}}, "sets seed"),
        ({"arms": {"a": {}, "b": {}}}, "baseline is 'classic'; give the name of an arm: a, b"),
        ({"metric": "EER"}, "metric is 'EER'"),
        ({"confirms": 3}, "confirms is 3"),
        ({"regime": "closed", "photos": 1}, "photos is 1"),
        ({"arms": {}}, "arms is {}"),
        ({"people": 1}, "people is 1"),
        ({"regime": "ajar"}, "regime is 'ajar'"),
        ({"seeds": 6, "confirms": True}, "6 seeds cannot show"),
    ],
)
def test_what_plans_do_not_know_is_named(said: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parsed(said)


def test_files_that_are_no_plans_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path / "none.toml")
    file = tmp_path / "plan.toml"
    file.write_text("people = ")
    with pytest.raises(ConfigError, match="is no TOML"):
        read(file)
    file.write_text("people = 1")
    with pytest.raises(ConfigError, match=r"plan.toml: people is 1"):
        read(file)


def test_lists_of_people_and_photos_are_a_plan_for_each_combination(tmp_path: Path) -> None:
    file = tmp_path / "curves.toml"
    file.write_text(TEXT.replace("people = 100\nphotos = 3", "people = [100, 250]\nphotos = [2, 3]"))
    plans = read(file)
    assert [(plan.people, plan.photos) for plan in plans] == [(100, 2), (100, 3), (250, 2), (250, 3)]
    assert len({plan.digest for plan in plans}) == 4
    assert all(plan.arms == plans[0].arms and plan.train == plans[0].train for plan in plans)
    file.write_text(TEXT.replace("people = 100\nphotos = 3", "people = 100\nphotos = [3]"))
    assert len(read(file)) == 1


@pytest.mark.parametrize("counts", ["[]", "[100, 100]", '["many"]', "[100, 0]"])
def test_lists_that_name_no_sizes_are_refused(tmp_path: Path, counts: str) -> None:
    file = tmp_path / "curves.toml"
    file.write_text(TEXT.replace("people = 100", f"people = {counts}"))
    with pytest.raises(ConfigError, match=r"curves.toml: people is"):
        read(file)


def test_the_plans_of_this_repository_can_be_read() -> None:
    files = sorted((Path(__file__).parents[2] / "benchmarks" / "plans").glob("*.toml"))
    plans = [plan for file in files for plan in read(file)]
    assert plans
    assert len({(plan.name, plan.people, plan.photos) for plan in plans}) == len(plans)
