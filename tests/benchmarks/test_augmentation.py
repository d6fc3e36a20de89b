"""The plan, the pairing and the resuming; training itself is faked."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import rows
from benchmarks.augmentation import ARMS, AugmentPlan, Material, draw, run
from benchmarks.costs import cost_table
from benchmarks.exams import of_crops
from recog.errors import ConfigError, DataError
from recog.training import CropSet, TrainConfig
from tests.benchmarks.fakes import ColourEmbedder, people_of_colours


class Training:
    """Remembers what it was asked to train."""

    def __init__(self) -> None:
        self.calls: list[tuple[TrainConfig, CropSet, CropSet | None]] = []

    def __call__(
        self, config: TrainConfig, crops: CropSet, *, synthetic: CropSet | None = None, device: str = "auto"
    ) -> ColourEmbedder:
        self.calls.append((config, crops, synthetic))
        return ColourEmbedder()


def made_up(real: CropSet, photos: int, seed: int) -> CropSet:
    labels = np.repeat(np.arange(len(real.identities)), photos)
    images = real.images[[int(np.flatnonzero(real.labels == k)[0]) for k in labels]]
    return CropSet(images, labels, real.identities, tuple(f"made/{seed}/{k}.png" for k in range(len(labels))))


def plan(**changes: Any) -> AugmentPlan:
    fields = {
        "people": 4,
        "photos": 2,
        "synthetic_photos": 3,
        "seeds": 2,
        "total_kimg": 1.0,
        "image_size": 16,
    }
    return AugmentPlan(**{**fields, **changes})


@pytest.fixture
def material() -> Material:
    user = people_of_colours(people=10, photos=3)
    exam = of_crops(people_of_colours(people=6, photos=4, seed=9), "report")
    return Material(
        name="colours",
        user=user,
        native=user,
        exams=(exam,),
        synthesise=made_up,
        generator="g" * 8,
        regime="open",
    )


def test_arms_share_draw_seed_and_steps(material: Material, tmp_path: Path) -> None:
    training = Training()
    list(run(plan(), material, tmp_path, device="cpu", training=training))
    assert len(training.calls) == 8
    for at in (0, 4):
        (none, classic, mixed, only) = training.calls[at : at + 4]
        assert none[1].files == classic[1].files == mixed[1].files  # the same photos of the same people
        assert set(only[1].identities) == set(none[1].identities)
        assert only[1].files[0].startswith("made/")
        assert mixed[2] is not None
        assert none[2] is classic[2] is only[2] is None
        assert [call[0].augmentation for call in (none, classic, mixed, only)] == ["none"] + ["classic"] * 3
        assert [call[0].synthetic_share for call in (none, classic, mixed, only)] == [0, 0, 0.5, 0]
        assert (
            len({(call[0].seed, call[0].steps, call[0].batch_size) for call in (none, classic, mixed, only)})
            == 1
        )
        assert (mixed[2].images == only[1].images).all()
    assert training.calls[0][1].files != training.calls[4][1].files  # another seed, another draw


def test_rows_name_regime_seed_and_plan(material: Material, tmp_path: Path) -> None:
    found = list(run(plan(), material, tmp_path, device="cpu", training=Training()))
    assert rows.read(tmp_path / "augment.jsonl") == found
    assert {(row.arm, row.seed) for row in found} == {(arm, seed) for arm in ARMS for seed in (0, 1)}
    assert {row.metric for row in found} == {"TAR@FMR=1e-2", "accuracy", "AUC"}
    assert {row.regime for row in found if "synthetic" in row.arm} == {"open"}
    assert {row.regime for row in found if "synthetic" not in row.arm} == {None}
    assert len({row.plan for row in found}) == 1
    only = next(row for row in found if row.arm == "synthetic")
    assert only.details["real_crops"] == 0
    assert only.details["synthetic_crops"] == 12


def test_an_interrupted_run_goes_on_where_it_stopped(material: Material, tmp_path: Path) -> None:
    class Interrupted(Training):
        def __call__(self, *arguments: Any, **named: Any) -> ColourEmbedder:
            if len(self.calls) == 3:
                raise KeyboardInterrupt
            return super().__call__(*arguments, **named)

    with pytest.raises(KeyboardInterrupt):
        list(run(plan(), material, tmp_path, device="cpu", training=Interrupted()))
    second = Training()
    list(run(plan(), material, tmp_path, device="cpu", training=second))
    assert len(second.calls) == 5
    third = Training()
    assert list(run(plan(), material, tmp_path, device="cpu", training=third)) == []
    assert third.calls == []
    more = Training()
    list(run(plan(seeds=3), material, tmp_path, device="cpu", training=more))
    assert len(more.calls) == 4  # the new seed only
    keys = [(row.arm, row.seed, row.metric) for row in rows.read(tmp_path / "augment.jsonl")]
    assert len(keys) == len(set(keys)) == 3 * 4 * 3


def test_another_plan_does_not_reuse_rows(material: Material, tmp_path: Path) -> None:
    list(run(plan(), material, tmp_path, device="cpu", training=Training()))
    changed = Training()
    list(run(plan(learning_rate=1e-3), material, tmp_path, device="cpu", training=changed))
    assert len(changed.calls) == 8


def test_the_draw_is_a_pure_function(material: Material) -> None:
    first, again = draw(material.user, 4, 2, 5), draw(material.user, 4, 2, 5)
    assert first.tolist() == again.tolist()
    assert (
        np.bincount(material.user.labels[first])[np.unique(material.user.labels[first])].tolist() == [2] * 4
    )
    assert draw(material.user, 4, 2, 6).tolist() != first.tolist()
    with pytest.raises(DataError, match="10 people have 3 photos"):
        draw(material.user, 11, 3, 0)


def test_people_lost_by_curation_are_refused(material: Material, tmp_path: Path) -> None:
    def loses_one(real: CropSet, photos: int, seed: int) -> CropSet:
        return made_up(real.of_identities(real.identities[1:]), photos, seed)

    broken = Material(
        name="c", user=material.user, native=material.user, exams=material.exams, synthesise=loses_one
    )
    with pytest.raises(DataError, match="classes"):
        list(run(plan(arms=("synthetic",)), broken, tmp_path, device="cpu", training=Training()))


def test_synthetic_arms_need_a_generator(material: Material, tmp_path: Path) -> None:
    bare = Material(name="c", user=material.user, native=material.user, exams=material.exams)
    with pytest.raises(ConfigError, match="--generator"):
        list(run(plan(), bare, tmp_path, device="cpu", training=Training()))
    assert list(run(plan(arms=("none",)), bare, tmp_path, device="cpu", training=Training()))


def test_exams_that_rows_could_not_tell_apart_are_refused(material: Material, tmp_path: Path) -> None:
    twice = replace(material, exams=material.exams * 2)
    with pytest.raises(ConfigError, match="Two exams are called report"):
        list(run(plan(), twice, tmp_path, device="cpu", training=Training()))


def test_plans_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="arms"):
        plan(arms=("none", "mystery"))
    with pytest.raises(ConfigError, match="people"):
        plan(people=1)


def test_the_cost_table_scales_a_few_steps(material: Material) -> None:
    training = Training()
    table = list(cost_table(plan(), material, device="cpu", training=training))
    assert [row.arm for row in table] == list(ARMS)
    assert {row.metric for row in table} == {"seconds a run"}
    assert [call[0].steps for call in training.calls[:2]] == [2, 8]
    assert table[0].details["steps"] == plan().config("none", 0).steps
    assert table[0].details["seconds_of_synthesis"] == 0


def test_a_real_run_of_two_steps(material: Material, tmp_path: Path) -> None:
    """Through recog.training itself, so that the two stay in step."""
    tiny = plan(arms=("classic+synthetic",), seeds=1, total_kimg=0.016, batch_size=8, backbone="resnet10t",
                backbone_options={"channels": (8, 8, 8, 8)}, image_size=32)  # fmt: skip
    found = list(run(tiny, material, tmp_path, device="cpu"))
    assert {row.metric for row in found} == {"TAR@FMR=1e-2", "accuracy", "AUC"}
    assert len(found[0].model or "") == 64


def test_half_a_run_is_run_again(material: Material, tmp_path: Path) -> None:
    list(run(plan(), material, tmp_path, training=Training()))
    path = tmp_path / "augment.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))  # as if the process had died while the last rows were written
    again = Training()
    found = list(run(plan(), material, tmp_path, training=again))
    assert len(again.calls) == 1
    assert {row.metric for row in found} == {row.metric for row in rows.read(path)}
