"""Small stand-ins for judges, generators and people; what is measured of them must see what is wrong."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.choices import chosen
from benchmarks.generation import identity, leaks, showing
from benchmarks.generation.bench import REAL, Materials, Measured, Plan, generate
from benchmarks.generation.subjects import LEAST, Subjects, counterparts
from benchmarks.generation.techniques import ARMS, Arm, techniques
from benchmarks.judging.halves import JUDGES, MAKERS, half_of, write_half, write_halves
from benchmarks.judging.judges import Judges
from benchmarks.rows import Row
from generative.data import FaceData
from generative.reading import AttributeReader
from generative.synthesis import Synthesizer
from recog.embedding import Embedder
from recog.errors import ConfigError, DataError, ModelNotFound
from tests.benchmarks.conftest import folder_of
from tests.generative.stand_ins import SIZE


def test_rows_of_a_generator_stand_beside_those_of_real_faces(
    judges: Judges, subjects: Subjects, faces: FaceData, synthesizer: Synthesizer
) -> None:
    materials = Materials(judges, subjects, training=faces, ages=faces)
    kept: list[list[Row]] = []
    plan = Plan(photos=2, candidates=2, shown=20, leak=20)
    rows = generate({"gan": synthesizer}, materials, plan, kept.append, "cpu")
    assert [row for part in kept for row in part] == rows
    assert {row.model for row in rows} == {None, synthesizer.digest}
    by_arm = {arm: {row.metric: row for row in rows if row.arm == arm} for arm in (REAL, "gan")}
    for arm, found in by_arm.items():
        for kind in ("recogniser B", "autoencoder"):
            for name in ("KID", "FID", "precision", "recall", "density", "coverage"):
                assert f"{name}, {kind}" in found, arm
        assert 0 <= found["identity AUC"].value <= 1
        assert found["identity AUC"].ci95 is not None
        assert "classification accuracy score" in found
        assert "Eyeglasses as asked, balanced accuracy" in found
        assert "age as asked, mean error, years" in found
    made = by_arm["gan"]
    assert made["KID, recogniser B"].value > by_arm[REAL]["KID, recogniser B"].value
    assert made["within-identity diversity, of real"].n == 12
    assert made["membership attack, autoencoder, AUC"].n == 40
    assert 0 <= made["nearest training face, recogniser B, KS p"].value <= 1
    assert made["KID, recogniser B"].model == synthesizer.digest


def test_parts_of_people_do_not_overlap(subjects: Subjects) -> None:
    asked, compared = subjects.parts(LEAST)
    assert not set(asked) & set(compared)
    assert len(asked) == len(compared) == 24
    assert (subjects.labels[asked] == subjects.labels[compared]).all()


def test_people_of_few_photos_cannot_be_judged(tmp_path: Path, embedder: Embedder) -> None:
    place = folder_of(tmp_path / "few", 4, 3, seed=3)
    with pytest.raises(DataError, match="0 people have 4 photos"):
        Subjects.open(place, embedder, size=SIZE, name="few")


def test_plans_that_say_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="photos is 1; give 2 or more"):
        Plan(photos=1)


def clusters(people: int, photos: int, spread: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around one direction a person; the directions do not depend on the seed."""
    centres = np.random.default_rng(99).normal(size=(people, 16))
    whose = np.repeat(np.arange(people), photos)
    vectors = centres[whose] + spread * np.random.default_rng(seed).normal(size=(len(whose), 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), whose


def test_identity_scores_see_the_right_and_the_wrong_person() -> None:
    references, known = clusters(20, 3, 0.4, 0)
    right, whose = clusters(20, 2, 0.4, 1)
    found = {m.metric: m for m in identity.recognised(right, whose, references, known)}
    assert found["identity AUC"].value > 0.97
    assert found["rank-1"].value > 0.9
    low, high = found["identity AUC"].ci95 or (0, 0)
    assert low <= found["identity AUC"].value <= high
    wrong = {m.metric: m.value for m in identity.recognised(right, whose[::-1].copy(), references, known)}
    assert wrong["identity AUC"] < 0.6
    assert identity.accuracy_score(right, whose, references, known, "x").value > 0.9
    assert identity.accuracy_score(right, whose[::-1].copy(), references, known, "x").value < 0.2


def test_diversity_is_the_mean_distance_between_photos_of_a_person() -> None:
    vectors = np.array([[1, 0], [0, 1], [1, 0], [1, 0], [0, 1]], np.float32)
    found = identity.diversity(vectors, np.array([0, 0, 1, 1, 2]))
    assert found[:2] == pytest.approx([1.0, 0.0])
    assert np.isnan(found[2])
    ratio = identity.diversity_ratio(np.array([0.2, 0.4, np.nan]), np.array([0.4, 0.8, 0.1]))
    assert ratio.value == pytest.approx(0.5)


def test_balanced_accuracy_weighs_both_sides_alike() -> None:
    wanted = np.array([1.0] * 10 + [-1.0] * 90 + [0.0] * 50)
    always = showing.balanced_accuracy(np.full(150, -1.0), wanted, "x")
    assert always.value == 0.5
    assert always.n == 100
    shown = wanted.copy()
    shown[:5] = -1  # half of those who have it are missed
    assert showing.balanced_accuracy(shown, wanted, "x").value == pytest.approx(0.75)
    assert showing.age_error(np.array([20.0, 30.0]), np.array([25.0, 27.0]), "x").value == 4.0


def test_copies_of_training_faces_are_noticed() -> None:
    rng = np.random.default_rng(0)
    training, held_out, fresh = rng.normal(size=(3, 400, 8)).astype(np.float32)
    copied = training[:200] + 0.1 * rng.normal(size=(200, 8)).astype(np.float32)
    usual = leaks.nearest(held_out, training)
    assert leaks.too_near(leaks.nearest(copied, training), usual, "x").value < 1e-6
    assert leaks.too_near(leaks.nearest(fresh, training), usual, "x").value > 0.01
    far = leaks.too_near(leaks.nearest(fresh + 20, training), usual, "x")
    assert far.value > 0.99  # one-sided: farther is no leak


def test_faces_that_are_only_more_typical_repeat_nobody() -> None:
    rng = np.random.default_rng(1)
    training, held_out, others, made = rng.normal(size=(4, 400, 8)).astype(np.float32)
    made *= 0.5  # nearer to the middle of all faces, and so to every one
    people = (np.arange(400) // 4,) * 2
    near = leaks.nearest(made, training)
    assert leaks.too_near(near, leaks.nearest(held_out, training), "x").value < 1e-6
    share, p = leaks.nearer(made, training, others, people, "x")
    assert share.ci95 is not None
    assert share.ci95[0] < 0.5 < share.ci95[1]
    assert p.value > 0.01
    copied = np.where(rng.random((400, 1)) < 0.3, training, made).astype(np.float32)
    share_copied, p = leaks.nearer(copied, training, others, people, "x")
    assert share_copied.value > share.value + 0.1
    assert p.value < 0.01


def test_chance_explains_nearness_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    people = (np.arange(200) // 4,) * 2
    found = []
    for _ in range(60):
        training, others, made = rng.normal(size=(3, 200, 4)).astype(np.float32)
        found.append(leaks.nearer(made * 0.5, training, others, people, "x")[1].value)
    assert 0 <= np.mean(np.array(found) < 0.1) < 0.2
    assert 0.35 < np.mean(np.array(found) < 0.5) < 0.65


class GivesBack:
    """A generator that gives back the training photo whose centre is nearest to what it is asked."""

    def __init__(self, synthesizer: Synthesizer, training: FaceData, share: float) -> None:
        self.people, self.vocabulary = synthesizer.people, synthesizer.vocabulary
        self.training, self.share = training, share
        self.noise = np.random.default_rng(0)

    def faces(self, centres: torch.Tensor, attributes: torch.Tensor, rng: torch.Generator) -> np.ndarray:
        found = (centres.numpy() @ self.training.centres.T).argmax(axis=1)
        copies = self.training.crops.images[found]
        others = self.noise.integers(0, 256, copies.shape, np.uint8)
        kept = self.noise.random(len(found)) < self.share
        return np.where(kept[:, None, None, None], copies, others)


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0.25, 0.75), (0.5, 0.85, 1.0)])
def test_a_generator_that_gives_photos_back_is_attacked_with_success(
    share: float,
    low: float,
    high: float,
    judges: Judges,
    subjects: Subjects,
    faces: FaceData,
    strangers: FaceData,
    synthesizer: Synthesizer,
) -> None:
    materials = Materials(judges, subjects, training=faces, strangers=strangers)
    measured = Measured(materials, Plan(leak=20))
    found = {m.metric: m for m in measured._leaks(GivesBack(synthesizer, faces, share))}  # type: ignore[arg-type]
    attack = found["membership attack, recogniser B, AUC"]
    assert low <= attack.value <= high
    assert attack.ci95 is not None
    near = found["nearest training face, recogniser B, nearer than a stranger's"]
    assert near.n == 20
    assert 0 < found["nearest training face, recogniser B, nearer than a stranger's, p"].value <= 1


def test_what_is_compared_with_has_no_part_in_what_is_asked(
    subjects: Subjects, synthesizer: Synthesizer
) -> None:
    asked, compared = subjects.parts(3)
    made = counterparts(synthesizer, subjects, asked, 0)
    vectors = subjects.vectors.copy()
    vectors[compared] = -vectors[compared]
    again = counterparts(synthesizer, replace(subjects, vectors=vectors), asked, 0)
    np.testing.assert_array_equal(made, again)
    vectors[asked] = -vectors[asked]
    other = counterparts(synthesizer, replace(subjects, vectors=vectors), asked, 0)
    assert not np.array_equal(made, other)


def test_nobody_is_both_learned_from_and_judged_by(judges: Judges, subjects: Subjects) -> None:
    with pytest.raises(DataError, match="12 people are both learned from and judged by"):
        Materials(judges, subjects, training=subjects.faces)
    with pytest.raises(DataError, match="12 people are both learned from and judged by"):
        Materials(judges, subjects, strangers=subjects.faces)


def test_intervals_are_of_people() -> None:
    whose = np.repeat(np.arange(10), 30)  # all photos of a person alike
    shown = np.where(whose % 2 == 0, 1.0, -1.0)
    wanted = np.ones(300)
    alone = showing.balanced_accuracy(shown, wanted, "x").ci95
    together = showing.balanced_accuracy(shown, wanted, "x", whose).ci95
    assert alone is not None
    assert together is not None
    assert together[1] - together[0] > 3 * (alone[1] - alone[0])


def test_nearest_is_the_smallest_distance() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 30, 5)).astype(np.float32)
    wanted = np.linalg.norm(a[:, None] - b[None], axis=2).min(axis=1)
    assert leaks.nearest(a, b, block=7) == pytest.approx(wanted, abs=1e-4)


def test_halves_are_about_equal_and_share_nobody(tmp_path: Path) -> None:
    names = [str(n) for n in range(2000)]
    (tmp_path / "roles.csv").write_text("identity,role\n" + "".join(f"{n},fit\n" for n in names) + "x,user\n")
    lines = write_halves(tmp_path / "roles.csv", "fit", tmp_path / "halves.csv").read_text().splitlines()[1:]
    halves = dict(line.split(",") for line in lines)
    assert set(halves) == set(names)
    assert 900 < sum(half == JUDGES for half in halves.values()) < 1100
    (tmp_path / "table.csv").write_text("file,identity,Male\n" + "".join(f"{n}/1.png,{n},1\n" for n in names))
    roles = {"roles": tmp_path / "roles.csv", "role": "fit"}
    kept = [
        {
            line.split(",")[1]
            for line in write_half(tmp_path / "table.csv", half, tmp_path / half, **roles)
            .read_text()
            .splitlines()[1:]
        }
        for half in (JUDGES, MAKERS)
    ]
    by_folder = write_half(_without_identity(tmp_path), JUDGES, tmp_path / "by-folder", **roles)
    files = {line.split(",")[0] for line in by_folder.read_text().splitlines()[1:]}
    assert files == {f"celeba/{name}/1.png" for name in kept[0]}
    assert not kept[0] & kept[1]
    assert kept[0] == {n for n in names if half_of(n) == JUDGES}


def _without_identity(place: Path) -> Path:
    """The same table as `recog generate label` writes it: the folder says who it is."""
    lines = [line.split(",") for line in (place / "table.csv").read_text().splitlines()[1:]]
    text = "file,Male\n" + "".join(f"celeba/{file},{male}\n" for file, _, male in lines)
    (place / "labels.csv").write_text(text)
    return place / "labels.csv"


def test_the_file_decides_where_nobody_is_named(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("file,age\n" + "".join(f"a/{n:02d}/x.png,30\n" for n in range(40)))
    lines = write_half(tmp_path / "table.csv", MAKERS, tmp_path / "out.csv").read_text().splitlines()[1:]
    wanted = [f"a/{n:02d}/x.png,30" for n in range(40) if half_of(f"{n:02d}/x.png") == MAKERS]
    assert lines == wanted


def test_missing_judges_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="recog bench judges"):
        Judges.load(tmp_path)


def test_nobody_judges_what_was_made_to_please_them(
    judges: Judges, subjects: Subjects, synthesizer: Synthesizer
) -> None:
    judge = judges.digests["reader"]
    flattered = copy.copy(synthesizer)
    flattered.guides = synthesizer.guides | {judge}
    with pytest.raises(ConfigError, match="flattered learns from the judges' reader"):
        generate({"flattered": flattered}, Materials(judges, subjects), Plan(), kept=lambda rows: None)


def test_an_arm_whose_guide_judges_is_refused_before_it_is_trained(
    judges: Judges, subjects: Subjects, faces: FaceData, embedder: Embedder, tmp_path: Path
) -> None:
    partial = replace(judges, reader=AttributeReader.load())  # as the arm's guide
    with pytest.raises(ConfigError, match="guided learns from the judges' reader"):
        techniques(
            {"guided": Arm("gan", {"reader_weight": 0.5})},
            faces,
            embedder,
            Measured(Materials(partial, subjects), Plan()),
            tmp_path / "runs",
            pace={"total_kimg": 0.1, "image_size": 16},
            kept=lambda rows: None,
        )
    assert not (tmp_path / "runs").exists()


def test_techniques_are_trained_measured_and_not_measured_twice(
    judges: Judges, subjects: Subjects, faces: FaceData, embedder: Embedder, tmp_path: Path
) -> None:
    small = {
        "noise_size": 4,
        "generator_widths": (8, 8, 4),
        "discriminator_widths": (4, 8),
        "reader_weight": 0.0,
    }
    arms = {
        "base": Arm("gan", {**small, "identity_weight": 0.0}),
        "broken": Arm("gan", {**small, "identity_weight": 0.0}, {"learning_rate": 1e12}),
    }
    measured = Measured(Materials(judges, subjects), Plan())
    pace = {"total_kimg": 0.032, "batch_size": 8, "image_size": SIZE, "snapshot_kimg": 1.0, "log_kimg": 1.0}
    rows = []
    techniques(arms, faces, embedder, measured, tmp_path / "runs", pace=pace, kept=rows.extend, device="cpu")
    by_arm = {arm: {row.metric: row for row in rows if row.arm == arm} for arm in arms}
    assert {"KID, recogniser B", "identity AUC", "stopped"} <= set(by_arm["base"])
    assert by_arm["base"]["stopped"].value == 0
    assert by_arm["base"]["parameters of the discriminator, millions"].value > 0
    assert {row.metric for row in rows if row.arm == REAL} >= {"KID, recogniser B"}
    assert by_arm["broken"]["stopped"].value == 1
    assert "not finite" in by_arm["broken"]["stopped"].details["why"]
    again: list[object] = []
    done = frozenset(row.plan for row in rows)
    techniques(
        arms,
        faces,
        embedder,
        measured,
        tmp_path / "runs",
        pace=pace,
        kept=again.extend,
        done=done,
        device="cpu",
    )
    assert not again


def test_arms_are_settings_that_exist_and_differ() -> None:
    from generative import presets

    settings = [repr(presets.settings(a.kind, **a.settings)) + repr(a.pace) for a in ARMS.values()]
    assert len(set(settings)) == len(ARMS)
    with pytest.raises(ConfigError, match="No technique is called 'magic'"):
        chosen(ARMS, ("magic",), "technique")
