"""Galleries whose templates are enriched: who is drawn, what is added, and what that does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.augment.drawing import draw, search
from benchmarks.augment.enriching import EnrichPlan, enrich, whole
from benchmarks.augment.enrolling import (
    Enrolled,
    Gallery,
    Variation,
    Way,
    classic,
    generated,
    made_up,
    measured,
)
from benchmarks.report import build
from benchmarks.rows import Row
from generative.features import FeatureGenerator, FeatureSettings
from recog.cli import main
from recog.embedding import Embedder
from recog.errors import ConfigError, DataError
from recog.training import CropSet
from recog.vectors import unit
from tests.benchmarks.conftest import folder_of
from tests.benchmarks.fakes import ColourEmbedder, people_of_colours

SIZE, PHOTOS, DIMENSIONS = 120, 6, 24


def spread_out(seed: int, people: int = SIZE) -> tuple[CropSet, np.ndarray]:
    """People around centres of their own; photos vary three times as much along the first dimensions."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), PHOTOS)
    wide = np.where(np.arange(DIMENSIONS) < 6, 0.9, 0.25)
    vectors = rng.normal(size=(people, DIMENSIONS))[labels] + wide * rng.normal(
        size=(len(labels), DIMENSIONS)
    )
    images = rng.integers(0, 256, (len(labels), 8, 8, 3)).astype(np.uint8)
    names = tuple(f"p{k:03d}" for k in range(people))
    files = tuple(f"{names[k]}/{n}.png" for n, k in enumerate(labels))
    return CropSet(images, labels.astype(np.int64), names, files), unit(vectors.astype(np.float32))


def gallery(
    crops: CropSet, vectors: np.ndarray, people: int, photos: int, seed: int, probes: int = 5
) -> Gallery:
    whose = search(crops, draw(crops, people, photos, seed, spare=1), seed, probes)
    return Gallery.of(crops, whose, lambda rows: vectors[rows])


def test_a_draw_enrolls_some_and_asks_for_the_rest() -> None:
    crops, vectors = spread_out(0)
    drawn = gallery(crops, vectors, 30, 2, 7, probes=3)
    assert drawn.enrolled.crops.labels.tolist() == np.repeat(np.arange(30), 2).tolist()
    assert drawn.whose.truth.tolist() == np.repeat(np.arange(30), 3).tolist()
    assert len(drawn.strangers) == SIZE - 30
    known = {tuple(row) for row in drawn.enrolled.vectors}
    assert not known & {tuple(row) for row in drawn.probes}
    again, other = gallery(crops, vectors, 30, 2, 7, probes=3), gallery(crops, vectors, 30, 2, 8, probes=3)
    assert again.enrolled.crops.files == drawn.enrolled.crops.files != other.enrolled.crops.files
    with pytest.raises(DataError, match="0 people have 7 photos"):
        gallery(crops, vectors, 30, 6, 0)
    with pytest.raises(DataError, match="left to be strangers"):
        gallery(crops, vectors, SIZE, 1, 0)


def test_more_photos_find_more_people() -> None:
    crops, vectors = spread_out(1, 400)
    rates = []
    for photos in (1, 3):
        found = measured(gallery(crops, vectors, 100, photos, 0), Way(), 0, 0.01)
        rates.append([one.value for one in found])
    assert rates[0][0] < rates[1][0]
    assert rates[0][1] < rates[1][1]
    assert all(found <= first for first, found in rates)


def test_templates_of_the_truth_help_and_of_others_hurt() -> None:
    crops, vectors = spread_out(2, 400)
    drawn = gallery(crops, vectors, 100, 1, 0)

    def honest(enrolled: Enrolled, seed: int) -> tuple[np.ndarray, np.ndarray]:
        return drawn.probes, drawn.whose.truth

    def lying(enrolled: Enrolled, seed: int) -> tuple[np.ndarray, np.ndarray]:
        return drawn.probes, np.roll(drawn.whose.truth, 5)

    plain, better, worse = (measured(drawn, Way(enrich), 0, 0.01) for enrich in (None, honest, lying))
    assert better[0].value > plain[0].value > worse[0].value
    assert better[1].value > plain[1].value > worse[1].value
    assert [one.metric for one in plain] == ["rank-1", "found at FPIR 1 %"]


def test_users_who_count_more_often_change_what_is_found() -> None:
    crops, vectors = spread_out(7, 400)
    drawn = gallery(crops, vectors, 100, 1, 0)
    everybody = np.ones(400, np.int64)
    nobody_known, no_strangers, known_once = everybody.copy(), everybody.copy(), 2 * everybody
    nobody_known[drawn.whose.people] = 0
    no_strangers[drawn.whose.unknown] = 0
    known_once[drawn.whose.people] = 1
    times = [everybody, nobody_known, no_strangers, known_once]
    first, found = measured(drawn, Way(), 0, 0.01, times)
    assert first.details["resampled"][0] == round(10_000 * first.value)
    assert found.details["resampled"][0] == round(10_000 * found.value)
    assert first.details["resampled"][1] == found.details["resampled"][2] == -1
    assert first.details["resampled"][3] == round(10_000 * first.value)
    drawn_again = np.bincount(np.random.default_rng(0).integers(0, 400, 400), minlength=400)
    (other, _) = measured(drawn, Way(), 0, 0.01, [drawn_again])
    assert other.details["resampled"][0] != first.details["resampled"][0]


def test_a_variation_that_was_learned_is_that_of_the_people() -> None:
    crops, vectors = spread_out(3, 400)
    learned = Variation.learn(vectors, crops.labels)
    deviations = np.sqrt(np.diag(learned.factors.T @ learned.factors))
    assert deviations[:6].min() > 1.5 * deviations[6:].max()
    drawn = gallery(*spread_out(4, 300), 100, 1, 0)
    added, whose = learned.drawn(5)(drawn.enrolled, 0)
    assert len(added) == len(whose) == 500
    assert np.allclose(np.linalg.norm(added, axis=1), 1, atol=1e-5)
    own = (added * drawn.enrolled.vectors[whose]).sum(axis=1)
    other = (added * np.roll(drawn.enrolled.vectors, 1, axis=0)[whose]).sum(axis=1)
    assert own.mean() > other.mean() + 0.3
    with pytest.raises(DataError, match="two photos"):
        Variation.learn(vectors[:3], np.arange(3))


def test_what_varies_anyway_counts_less_once_it_is_normalised() -> None:
    crops, vectors = spread_out(5, 400)
    others, theirs = spread_out(6, 400)
    learned = Variation.learn(theirs, others.labels)
    drawn = gallery(crops, vectors, 100, 1, 0)
    plain, normalised = (measured(drawn, way, 0, 0.01) for way in (Way(), Way(variation=learned)))
    assert normalised[0].value > plain[0].value


def test_photos_are_augmented_or_made_up_for_the_people_they_are_of() -> None:
    crops = people_of_colours(people=4, photos=2)
    embedder = ColourEmbedder()
    enrolled = Enrolled(crops, embedder.embed(crops.images))
    added, whose = classic(embedder, 3, "flip")(enrolled, 0)
    assert whose.tolist() == crops.labels.tolist() * 3
    assert np.allclose(added, np.tile(enrolled.vectors, (3, 1)), atol=1e-3)  # colours do not flip

    def last_two(real: CropSet, seed: int) -> CropSet:
        return real.of_identities(real.identities[2:])

    added, whose = made_up(embedder, last_two)(enrolled, 0)
    assert whose.tolist() == [2, 2, 3, 3]
    assert np.array_equal(added, enrolled.vectors[crops.labels >= 2])


def test_rows_are_paired_by_seed_and_not_measured_twice(people: CropSet, embedder: Embedder) -> None:
    ways = {"photos alone": Way(), "copies": Way(classic(embedder, 2, "flip"), recipe="flip x2")}
    plan = EnrichPlan(people=8, photos=(1, 2), seeds=3, fpir=0.2)
    kept: list[Row] = []
    rows = enrich(people, embedder, ways, "people", plan, kept=kept.extend, device="cpu")
    assert rows == kept
    assert len(rows) == 2 * 3 * 2 * 2
    assert {row.metric for row in rows} == {"rank-1", "found at FPIR 20 %"}
    assert len({row.plan for row in rows}) == 2  # one and two photos
    assert {row.details["declaration"]["baseline"] for row in rows} == {"photos alone"}
    assert all(len(row.details["resampled"]) == plan.resamples for row in rows)
    done = whole(rows)
    assert len(done) == 2 * 3 * 2
    assert len(whole(rows[:-1])) == len(done) - 1  # half of a draw's rows are none
    assert enrich(people, embedder, ways, "people", plan, kept=kept.extend, done=done, device="cpu") == []
    more = {**ways, "copies": Way(classic(embedder, 3, "flip"), recipe="flip x3")}
    again = enrich(people, embedder, more, "people", plan, kept=kept.extend, done=done, device="cpu")
    assert {row.arm for row in again} == {"copies"}
    (section, _) = build(rows).sections
    assert "copies +0.00" in " ".join(section.text)


@pytest.mark.parametrize("wrong", [{"people": 1}, {"photos": ()}, {"photos": (0,)}, {"fpir": 0.0}])
def test_plans_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        EnrichPlan(**wrong)  # type: ignore[arg-type]


def test_the_bench_runs_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[int] = []
    learn = FeatureGenerator.learn

    def quickly(vectors: np.ndarray, labels: np.ndarray) -> FeatureGenerator:
        learned.append(len(vectors))
        return learn(vectors, labels, FeatureSettings(steps=20))

    monkeypatch.setattr(FeatureGenerator, "learn", quickly)
    data, rich = (folder_of(tmp_path / name, 8, 3, seed) for name, seed in (("users", 1), ("rich", 2)))
    size = "--people 4 --photos 1 --copies 1 --seeds 2 --fpir 0.4 --generator bundled-gan --device cpu --json"
    call = [
        "bench",
        "enrich",
        "--data",
        str(data),
        "--rich",
        str(rich),
        *size.split(),
        "--out",
        str(tmp_path),
    ]
    result = CliRunner().invoke(main, call)
    assert result.exit_code == 0, result.output
    arms = {json.loads(line)["arm"] for line in result.stdout.splitlines()}
    assert arms == {
        "photos alone",
        "augmented copies",
        "bundled-gan's photos",
        "drawn around",
        "vectors made up",
        "normalised",
    }
    assert CliRunner().invoke(main, call).stdout == ""
    assert learned == [24]  # once for all draws, and not again where every row is there
    same = CliRunner().invoke(main, [*call[:5], str(data), *call[6:]])
    assert "both enrolled and learned from" in same.output


def test_made_up_vectors_are_added_to_whom_they_are_of() -> None:
    crops, vectors = spread_out(6)
    enrolled = gallery(crops, vectors, 10, 2, 0).enrolled
    asked: list[tuple[int, int, int]] = []

    def draw_around(known: np.ndarray, count: int, seed: int) -> np.ndarray:
        asked.append((len(known), count, seed))
        return np.repeat(unit(known.mean(axis=0, keepdims=True)), count, axis=0)

    added, whose = generated(draw_around, copies=3)(enrolled, 4)
    assert added.shape == (60, DIMENSIONS)
    assert [(known, count) for known, count, _ in asked] == [(2, 6)] * 10
    assert len({seed for _, _, seed in asked}) == 10
    assert whose.tolist() == np.repeat(np.arange(10), 6).tolist()
    assert np.allclose(added[0], unit(enrolled.vectors[:2].mean(axis=0)))
