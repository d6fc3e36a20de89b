"""The runs, their pairing and resuming; training itself is faked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import rows
from benchmarks.augment.arms import declarations
from benchmarks.augment.bench import Bench
from benchmarks.augment.costs import cost_table
from benchmarks.augment.drawing import draw
from benchmarks.augment.making import Material
from benchmarks.augment.plan import Arm, Kind, Plan, usual
from benchmarks.augment.summary import recipes
from benchmarks.exams import of_crops
from benchmarks.rows import Row
from generative.augmenting import Synthesis
from recog.errors import ConfigError, DataError
from recog.training import CropSet, TrainConfig
from recog.vectors import unit
from tests.benchmarks.fakes import ColourEmbedder, people_of_colours

ARMS = ("none", "classic", "classic+synthetic", "synthetic")
TINY = {"total_kimg": 1.0, "image_size": 16}


class Trained(ColourEmbedder):
    def save(self, path: Path) -> None:
        path.write_text("weights")


class Training:
    """Remembers what it was asked to train."""

    def __init__(self) -> None:
        self.calls: list[tuple[TrainConfig, CropSet, CropSet | None]] = []
        self.starts: list[Path | None] = []

    def __call__(
        self,
        config: TrainConfig,
        crops: CropSet,
        *,
        synthetic: CropSet | None = None,
        device: str = "auto",
        start: Path | None = None,
    ) -> Trained:
        assert start is None or start.read_text() == "weights"
        self.calls.append((config, crops, synthetic))
        self.starts.append(start)
        return Trained()


class Copies:
    """Makes faces of everybody by copying one, and new people by taking other names."""

    networks: Mapping[str, str] = {"generator": "g" * 8}

    def __init__(self) -> None:
        self.asked: list[tuple[Synthesis, int]] = []

    def __call__(self, draw: CropSet, synthesis: Synthesis, seed: int) -> CropSet:
        self.asked.append((synthesis, seed))
        names = (
            draw.identities if synthesis.of == "same" else tuple(f"new{k}" for k in range(synthesis.people))
        )
        labels = np.repeat(np.arange(len(names)), synthesis.photos)
        images = draw.images[[int(np.flatnonzero(draw.labels == 0)[0])] * len(labels)]
        return CropSet(images, labels, names, tuple(f"made/{seed}/{k}.png" for k in range(len(labels))))


def plan(**changes: Any) -> Plan:
    fields = {"people": 4, "photos": 2, "arms": usual(photos=3), "seeds": 2, "train": TINY, "resamples": 5}
    return Plan(**{**fields, **changes})


@pytest.fixture
def copies() -> Copies:
    return Copies()


GAN = Kind("gan", "open")


@pytest.fixture
def material(copies: Copies) -> Material:
    user = people_of_colours(people=10, photos=3)
    exam = of_crops(people_of_colours(people=6, photos=4, seed=9), "report")
    return Material(
        name="colours",
        user=user,
        native=user,
        exams=(exam,),
        makers=lambda kind, draw, seed: copies,
        made_by={GAN: "made"},
    )


def run(chosen: Plan, material: Material, out: Path, training: Training | None = None) -> list[Row]:
    return list(Bench(chosen, material, device="cpu", training=training or Training()).run(out))


def test_arms_share_draw_seed_and_steps(material: Material, copies: Copies, tmp_path: Path) -> None:
    training = Training()
    run(plan(), material, tmp_path, training)
    assert len(training.calls) == 8
    for at in (0, 4):
        calls = training.calls[at : at + 4]
        (none, classic, mixed, only) = calls
        assert none[1].files == classic[1].files == mixed[1].files  # the same photos of the same people
        assert set(only[1].identities) == set(none[1].identities)
        assert only[1].files[0].startswith("made/")
        assert mixed[2] is not None
        assert none[2] is classic[2] is only[2] is None
        assert [call[0].augmentation for call in calls] == ["none"] + ["classic"] * 3
        assert [call[0].synthetic_share for call in calls] == [0, 0, 0.5, 0]
        assert len({(call[0].seed, call[0].steps, call[0].batch_size) for call in calls}) == 1
        assert (mixed[2].images == only[1].images).all()
    assert training.calls[0][1].files != training.calls[4][1].files  # another seed, another draw
    assert [seed for _, seed in copies.asked] == [0, 1]  # both synthetic arms get the same faces


def test_what_is_learned_first_takes_its_share_of_the_steps(material: Material, tmp_path: Path) -> None:
    training = Training()
    first = Synthesis(of="new", people=5, photos=2, first=0.25, share=0.0)
    then = replace(first, share=0.5)
    arms = {"first": Arm(synthesis=first), "first, then both": Arm(synthesis=then), "classic": Arm()}
    found = run(plan(arms=arms, seeds=1, train={**TINY, "batch_size": 10}), material, tmp_path, training)
    shares = [(call[0].steps, call[0].synthetic_share) for call in training.calls]
    assert shares == [(25, 0.0), (75, 0.0), (25, 0.0), (75, 0.5), (100, 0.0)]
    made = [call[1].identities[0].startswith("new") for call in training.calls]
    assert made == [True, False, True, False, False]
    assert [start is not None for start in training.starts] == [False, True, False, True, False]
    assert training.calls[1][2] is None
    assert training.calls[3][2] is not None
    assert {row.details["steps"] for row in found} == {100}


def test_rows_name_regime_seed_plan_and_networks(material: Material, tmp_path: Path) -> None:
    found = run(plan(), material, tmp_path)
    assert rows.read(tmp_path / "augment.jsonl") == found
    assert {(row.arm, row.seed) for row in found} == {(arm, seed) for arm in ARMS for seed in (0, 1)}
    assert {row.metric for row in found} == {"TAR@FMR=1e-2", "accuracy", "AUC"}
    for row in found:
        made = "synthetic" in row.arm
        assert row.regime == ("open" if made else None)
        assert row.details["networks"] == ({"generator": "g" * 8} if made else {})
        assert row.details["declaration"]["digest"] == plan().digest
        assert row.details["declaration"]["seeds"] == [0, 2]
        assert row.details["recipe"] == row.details["declaration"]["arms"][row.arm]
        assert ("resampled" in row.details) is (row.metric == "TAR@FMR=1e-2")
    assert len({row.plan for row in found}) == 1
    only = next(row for row in found if row.arm == "synthetic")
    assert only.details["real_crops"] == 0
    assert only.details["synthetic_crops"] == 12


class Guesses(Trained):
    """Is hardly better than chance, always in the same way."""

    def embed(self, crops: np.ndarray, flip: bool = True) -> np.ndarray:
        rng = np.random.default_rng(0)
        return unit(super().embed(crops, flip) + rng.normal(size=(len(crops), 3)).astype(np.float32))


def test_the_same_people_are_resampled_for_every_run(material: Material, tmp_path: Path) -> None:
    def training(*arguments: Any, **named: Any) -> Guesses:
        return Guesses()

    bench = Bench(plan(resamples=20), material, device="cpu", training=training)  # type: ignore[arg-type]
    lists = [row.details["resampled"] for row in bench.run(tmp_path) if "resampled" in row.details]
    assert all(one == lists[0] for one in lists)  # of one and the same embedder
    assert len(lists[0]) == 20
    assert len(set(lists[0])) > 3
    assert all(-1 <= value <= 10_000 for value in lists[0])


def test_faces_of_another_size_are_brought_to_that_of_the_plan(material: Material, tmp_path: Path) -> None:
    class Large(Copies):
        def __call__(self, draw: CropSet, synthesis: Synthesis, seed: int) -> CropSet:
            made = super().__call__(draw, synthesis, seed)
            return replace(made, images=made.images.repeat(2, axis=1).repeat(2, axis=2))

    training = Training()
    run(plan(), replace(material, makers=lambda kind, draw, seed: Large()), tmp_path, training)
    assert {call[1].images.shape[1] for call in training.calls} == {16}
    assert {call[2].images.shape[1] for call in training.calls if call[2] is not None} == {16}


def test_an_arm_may_be_of_another_regime_than_its_plan(material: Material, tmp_path: Path) -> None:
    taken = {}

    class Takes(Copies):
        def __init__(self, kind: Kind) -> None:
            super().__init__()
            self.kind = kind

        def __call__(self, draw: CropSet, synthesis: Synthesis, seed: int) -> CropSet:
            taken[self.kind] = draw.images.shape[1]
            return super().__call__(draw, synthesis, seed)

    native = replace(material.user, images=material.user.images.repeat(2, axis=1).repeat(2, axis=2))
    kinds = GAN, Kind("gan", "closed")
    both = replace(
        material,
        native=native,
        makers=lambda kind, draw, seed: Takes(kind),
        made_by={kind: kind.regime for kind in kinds},
    )
    made = Synthesis(photos=3)
    arms = {"real": Arm(), "open": Arm(synthesis=made), "closed": Arm(synthesis=made, regime="closed")}
    found = run(plan(arms=arms, baseline="real", seeds=1), both, tmp_path)
    assert {row.arm: row.regime for row in found} == {"real": None, "open": "open", "closed": "closed"}
    assert taken == {kinds[0]: 32, kinds[1]: 16}
    with pytest.raises(ConfigError, match="photos is 1"):
        plan(arms=arms, baseline="real", photos=1)


def test_new_people_do_not_take_the_names_of_real_ones(material: Material, tmp_path: Path) -> None:
    class Takes(Copies):
        def __call__(self, draw: CropSet, synthesis: Synthesis, seed: int) -> CropSet:
            return replace(super().__call__(draw, synthesis, seed), identities=draw.identities)

    arms = {"new": Arm(synthesis=Synthesis(of="new", people=4, photos=2))}
    with pytest.raises(DataError, match="the name of a new one"):
        run(plan(arms=arms, baseline="new"), replace(material, makers=lambda *_: Takes()), tmp_path)


def test_sheets_show_nobody_who_exists(material: Material, tmp_path: Path) -> None:
    new = Synthesis(of="new", people=4, photos=2, share=0.5)
    kinds = GAN, Kind("gan", "closed"), Kind("blend", "open")
    known = replace(material, made_by=dict.fromkeys(kinds, "made"))
    arms = {
        "real": Arm(),
        "new people": Arm(synthesis=new),
        "more of them": Arm(synthesis=replace(new, share=0.25)),
        "of the users": Arm(synthesis=Synthesis(photos=3)),
        "learned from the users": Arm(synthesis=new, regime="closed"),
        "blends of the users": Arm(synthesis=replace(new, maker="blend")),
    }
    found = run(plan(arms=arms, baseline="real", seeds=1), known, tmp_path)
    shown = {row.arm: set(row.details["pictures"]) for row in found}
    (file,) = shown["new people"]
    assert shown == {arm: {file} if arm in ("new people", "more of them") else set() for arm in arms}
    assert [path.relative_to(tmp_path).as_posix() for path in (tmp_path / "figures").iterdir()] == [file]


def test_the_report_says_what_was_compared(material: Material, tmp_path: Path) -> None:
    arms = {
        "real": Arm(),
        "shorter": Arm(length=0.5),
        "made up": Arm(synthesis=Synthesis(photos=3, share=0.7)),
    }
    found = run(plan(arms=arms, baseline="real", seeds=1), material, tmp_path)
    (declared,) = declarations([row for row in found if row.data == "report"])
    (table,) = recipes(found, declared, "Arms")
    assert table.caption.startswith("Arms; all: ")
    assert f"total_kimg {TINY['total_kimg']}" in table.caption
    cells = {line[0]: line[1:] for line in table.body}
    assert cells["real"] == ["as all", "8", "0"]
    assert cells["shorter"] == ["length 0.5", "4", "0"]
    assert cells["made up"][0].startswith("synthesis (maker gan, of same, photos 3, share 0.7")
    assert cells["made up"][2] == "12"


def test_who_learns_too_long_may_stop_earlier(material: Material, tmp_path: Path) -> None:
    training = Training()
    arms = {"strong": Arm(), "half as long": Arm(length=0.5)}
    found = run(plan(arms=arms, baseline="strong", seeds=1), material, tmp_path, training)
    steps = {row.arm: row.details["steps"] for row in found}
    assert steps["half as long"] == [call[0].steps for call in training.calls][1] == steps["strong"] // 2


def test_a_restart_and_another_chance_take_the_same_steps(material: Material, tmp_path: Path) -> None:
    training = Training()
    arms = {"classic": Arm(), "again": Arm(restart=0.5), "A/A": Arm(chance=1)}
    run(plan(arms=arms, seeds=1, train={**TINY, "batch_size": 10}), material, tmp_path, training)
    assert [(call[0].steps, call[0].seed) for call in training.calls] == [
        (100, 0),
        (50, 0),
        (50, 0),
        (100, 1_000_003),
    ]
    assert len({call[1].files for call in training.calls}) == 1  # one draw
    assert [start is not None for start in training.starts] == [False, False, True, False]


def test_an_interrupted_run_goes_on_where_it_stopped(material: Material, tmp_path: Path) -> None:
    class Interrupted(Training):
        def __call__(self, *arguments: Any, **named: Any) -> Trained:
            if len(self.calls) == 3:
                raise KeyboardInterrupt
            return super().__call__(*arguments, **named)

    with pytest.raises(KeyboardInterrupt):
        run(plan(), material, tmp_path, Interrupted())
    second, third, more = Training(), Training(), Training()
    run(plan(), material, tmp_path, second)
    assert len(second.calls) == 5
    assert run(plan(), material, tmp_path, third) == []
    assert third.calls == []
    run(plan(seeds=3), material, tmp_path, more)
    assert len(more.calls) == 4  # the new seed only
    keys = [(row.arm, row.seed, row.metric) for row in rows.read(tmp_path / "augment.jsonl")]
    assert len(keys) == len(set(keys)) == 3 * 4 * 3


def test_calls_at_the_same_time_share_the_runs(material: Material, tmp_path: Path) -> None:
    beside = Training()

    class Joined(Training):
        """While its second run goes on, the same call is made again."""

        def __call__(self, *arguments: Any, **named: Any) -> Trained:
            if len(self.calls) == 1:
                run(plan(), material, tmp_path, beside)
            return super().__call__(*arguments, **named)

    first = Joined()
    run(plan(), material, tmp_path, first)
    assert len(beside.calls) == 6  # all but what was there and what the first call was at
    assert len(first.calls) == 2
    keys = [(row.arm, row.seed, row.metric) for row in rows.read(tmp_path / "augment.jsonl")]
    assert len(keys) == len(set(keys)) == 2 * 4 * 3
    assert list((tmp_path / ".claims").iterdir()) == []


def test_an_arm_that_changed_is_run_again_and_no_other(material: Material, tmp_path: Path) -> None:
    run(plan(), material, tmp_path)
    changed = Training()
    arms = {**usual(photos=3), "synthetic": Arm(synthesis=Synthesis(photos=4, share=1.0))}
    found = run(plan(arms=arms), material, tmp_path, changed)
    assert {row.arm for row in found} == {"synthetic"}
    other = replace(material, made_by={GAN: "another generator"})
    again = run(plan(), other, tmp_path)
    assert {row.arm for row in again} == {"synthetic", "classic+synthetic"}
    more = replace(material, made_by={GAN: "made", Kind("vae", "open"): "too"})
    vae = {**usual(photos=3), "VAE": Arm(synthesis=Synthesis(maker="vae"))}
    assert {row.arm for row in run(plan(arms=vae), more, tmp_path)} == {"VAE"}


def test_photos_that_were_cut_anew_are_other_photos(material: Material, tmp_path: Path) -> None:
    run(plan(), material, tmp_path)
    brighter = replace(material.user, images=material.user.images + 1)
    assert len(run(plan(), replace(material, user=brighter), tmp_path)) == 2 * 4 * 3


def test_another_plan_does_not_reuse_rows(material: Material, tmp_path: Path) -> None:
    run(plan(), material, tmp_path)
    changed = Training()
    run(plan(train={**TINY, "learning_rate": 1e-3}), material, tmp_path, changed)
    assert len(changed.calls) == 8


def test_the_draw_is_a_pure_function(material: Material) -> None:
    first, again = draw(material.user, 4, 2, 5), draw(material.user, 4, 2, 5)
    assert first.tolist() == again.tolist()
    counts = np.bincount(material.user.labels[first])
    assert counts[counts > 0].tolist() == [2] * 4
    assert draw(material.user, 4, 2, 6).tolist() != first.tolist()
    with pytest.raises(DataError, match="10 people have 3 photos"):
        draw(material.user, 11, 3, 0)


def test_people_lost_by_curation_are_refused(material: Material, tmp_path: Path) -> None:
    class Loses(Copies):
        def __call__(self, draw: CropSet, synthesis: Synthesis, seed: int) -> CropSet:
            return super().__call__(draw.of_identities(draw.identities[1:]), synthesis, seed)

    broken = replace(material, makers=lambda kind, draw, seed: Loses())
    with pytest.raises(DataError, match="classes"):
        run(plan(), broken, tmp_path)


def test_synthetic_arms_need_a_generator(material: Material, tmp_path: Path) -> None:
    bare = replace(material, makers=None)
    with pytest.raises(ConfigError, match="--generator"):
        run(plan(), bare, tmp_path)
    assert run(plan(arms={"none": usual()["none"]}, baseline="none"), bare, tmp_path)


def test_exams_that_rows_could_not_tell_apart_are_refused(material: Material, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Two exams are called report"):
        run(plan(), replace(material, exams=material.exams * 2), tmp_path)
    with pytest.raises(ConfigError, match="No exam"):
        run(plan(), replace(material, exams=()), tmp_path)


def test_the_cost_table_scales_a_few_steps(material: Material) -> None:
    training = Training()
    bench = Bench(plan(), material, device="cpu", training=training)
    table = list(cost_table(bench))
    assert [row.arm for row in table] == list(ARMS)
    assert {row.metric for row in table} == {"seconds a run"}
    assert [call[0].steps for call in training.calls[:2]] == [2, 8]
    assert table[0].details["steps"] == plan().config("none", 0).steps
    assert table[0].details["seconds_of_synthesis"] == 0


def test_a_real_run_of_a_few_steps(material: Material, tmp_path: Path) -> None:
    """Through recog.training itself, so that the two stay in step."""
    small = {"batch_size": 8, "backbone": "resnet10t", "backbone_options": {"channels": (8, 8, 8, 8)}}
    train = {**small, "total_kimg": 0.032, "image_size": 32}
    arms = {"first": Arm(synthesis=Synthesis(photos=3, first=0.5))}
    tiny = plan(arms=arms, baseline="first", seeds=1, train=train)
    found = list(Bench(tiny, material, device="cpu").run(tmp_path))
    assert {row.metric for row in found} == {"TAR@FMR=1e-2", "accuracy", "AUC"}
    assert len(found[0].model or "") == 64


def test_half_a_run_is_run_again(material: Material, tmp_path: Path) -> None:
    run(plan(), material, tmp_path)
    path = tmp_path / "augment.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))  # as if the process had died while the last rows were written
    again = Training()
    found = run(plan(), material, tmp_path, again)
    assert len(again.calls) == 1
    assert {row.metric for row in found} == {row.metric for row in rows.read(path)}


def test_all_arms_learn_from_the_weights_of_the_start(material: Material, tmp_path: Path) -> None:
    training, start = Training(), Trained()
    arms = {"classic": Arm(), "as it is": Arm(trains=False)}
    begun = replace(material, start=start)  # type: ignore[arg-type]
    found = run(plan(arms=arms, seeds=2, start="bundled"), begun, tmp_path, training)
    assert [one is not None for one in training.starts] == [True, True]
    assert {(row.arm, row.details["steps"]) for row in found} == {("classic", 8), ("as it is", 0)}
    assert {row.model for row in found if row.arm == "as it is"} == {start.digest}
    assert "resnet18 from bundled" in found[0].protocol
    changed = Trained()
    changed.digest = "e" * 40
    other = replace(material, start=changed)  # type: ignore[arg-type]
    plans = {Bench(plan(arms=arms, start="bundled"), one).origin.plan for one in (begun, other)}
    assert len(plans) == 2
    with pytest.raises(ConfigError, match="starts from 'bundled'"):
        Bench(plan(arms=arms, start="bundled"), material)
    with pytest.raises(ConfigError, match="starts from 'random weights'"):
        Bench(plan(), begun)


def test_those_who_were_learned_from_are_searched_for_by_other_photos(copies: Copies, tmp_path: Path) -> None:
    user = people_of_colours(people=150, photos=4)
    alone = Material(name="colours", user=user, native=user, exams=())
    chosen = plan(people=20, arms={"classic": Arm(), "none": Arm()}, own=True, metric="rank-1", seeds=2)
    training = Training()
    found = run(chosen, alone, tmp_path, training)
    assert {row.metric for row in found} == {"rank-1", "found at FPIR 1 %"}
    assert {row.data for row in found} == {"colours"}
    assert {row.n for row in found} == {40}  # two other photos of each
    assert all(len(row.details["resampled"]) == 5 for row in found)
    assert all("found by other photos" in row.protocol for row in found)
    assert run(chosen, alone, tmp_path, training) == []
    with pytest.raises(DataError, match="0 people have 5 photos"):
        Bench(plan(people=20, photos=4, arms={"classic": Arm()}, own=True), alone)
    with pytest.raises(DataError, match="left to be strangers"):
        Bench(plan(people=150, arms={"classic": Arm()}, own=True), alone)
    with pytest.raises(ConfigError, match="metric is 'rank-1'"):
        plan(metric="rank-1")
