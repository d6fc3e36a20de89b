"""Open-set rates by gallery size, on people who are points on a sphere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import norm

from benchmarks.cohorts import of_crops, of_photos
from benchmarks.open_set import Cohort, Cohorts, Draw, OpenSetPlan, Tally, _by_person, open_set
from benchmarks.rows import Measurement, Row
from benchmarks.summaries import sized
from recog.calibration import StrangerPairs
from recog.cards import Card
from recog.errors import ConfigError, DataError, TooFewPairs
from recog.gallery import Gallery
from recog.records import Model, Template
from recog.training.packing import measured_card
from recog.vectors import unit
from tests.benchmarks.fakes import ColourEmbedder
from tests.benchmarks.test_identification import WholePhoto, folder

__all__ = ["folder"]

PLAN = OpenSetPlan(sizes=(5, 40), draws=10, fpirs=(0.05, 0.2), fmr=0.01)


def people_on_a_sphere(people: int, photos: int, spread: float, seed: int) -> Cohort:
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.normal(size=(people, 12)), photos, axis=0)
    vectors = centres + spread * rng.normal(size=centres.shape)
    return Cohort(unit(vectors).astype(np.float32), np.repeat(np.arange(people), photos))


def cohorts(spread: float = 0.3) -> Cohorts:
    parts = [people_on_a_sphere(people, 4, spread, seed) for seed, people in enumerate((60, 150, 150))]
    return Cohorts(*parts, "sphere", "made up")


def by_metric(rows: list[Row], size: str) -> dict[str, Row]:
    return {row.metric: row for row in rows if row.arm.endswith(size)}


def interval(found: Measurement) -> tuple[float, float]:
    assert found.ci95 is not None
    return found.ci95


def test_rates_hold_on_other_strangers_at_every_size() -> None:
    rows = open_set(cohorts(), PLAN, ColourEmbedder(), Card())
    for size in ("5 people", "40 people"):
        found = by_metric(rows, f", {size}")
        assert found["FPIR, 5 % wanted"].value == pytest.approx(0.05, abs=0.03)
        assert found["FPIR, 20 % wanted"].value == pytest.approx(0.2, abs=0.06)
        assert found["FNIR at FPIR 20 %"].value <= found["FNIR at FPIR 5 %"].value
    small, large = by_metric(rows, ", 5 people"), by_metric(rows, ", 40 people")
    assert small["FNIR at FPIR 5 %"].value < large["FNIR at FPIR 5 %"].value  # more people, more confusion
    assert small["rank-1"].value >= large["rank-1"].value
    assert large["rank-1"].value <= large["rank-5"].value <= large["rank-10"].value
    assert "rank-10" not in small
    assert by_metric(rows, "any size")["FMR, 1 % wanted"].value == pytest.approx(0.01, abs=0.005)
    assert {name: [people for people, _ in points] for name, points in sized(rows).items()} == {
        f"colour: {metric}": [5, 40] for metric in ("FNIR at FPIR 5 %", "FNIR at FPIR 20 %", "miss at rank 1")
    }


def test_people_without_spread_are_always_found() -> None:
    rows = by_metric(open_set(cohorts(0.0), PLAN, ColourEmbedder(), Card()), ", 40 people")
    assert rows["rank-1"].value == 1.0
    assert rows["FNIR, 20 % wanted"].value == 0.0
    assert rows["FNIR, 20 % wanted"].ci95 is not None


def test_the_card_is_measured_beside_calibration() -> None:
    parts = cohorts()
    mirrored = np.ones(len(parts.others.people), np.float32)
    card = measured_card(parts.others.vectors, mirrored, parts.others.people)
    plan = OpenSetPlan(sizes=(30,), draws=10, fpirs=(0.1,), fmr=0.01)
    rows = open_set(parts, plan, ColourEmbedder(), card)
    assert by_metric(rows, ", 30 people")["FPIR by the card, 10 % wanted"].value == pytest.approx(
        0.1, abs=0.05
    )
    assert by_metric(rows, "any size")["FMR by the card, 1 % wanted"].value == pytest.approx(0.01, abs=0.005)


def test_a_tally_is_a_share_with_an_interval_over_people() -> None:
    tally = Tally(redrawn=True)
    tally.add(np.array([0, 0, 1, 1]), np.array([True, False, True, True]))
    tally.add(np.array([2, 2]), np.array([False, False]))
    found = tally.share("FPIR", {"people": 3})
    assert (found.metric, found.value, found.n, found.details) == ("FPIR", 0.5, 6, {"people": 3})
    low, high = interval(found)
    assert low < 0.5 < high


def test_many_galleries_do_not_make_more_strangers() -> None:
    """Twenty searches of the same 50 people without a hit bound the rate as one search of them does."""
    tally = Tally(redrawn=False)
    for _ in range(20):
        tally.add(np.arange(50), np.zeros(50, np.bool_))
    found = tally.share("FPIR", {})
    low, high = interval(found)
    assert (found.value, low, found.n) == (0.0, 0.0, 1000)
    assert high == pytest.approx(1 - 0.025 ** (1 / 50), rel=1e-6)


def test_many_galleries_of_other_people_do() -> None:
    """Misses are of the enrolled, who are others in each gallery: all of them together bound the rate."""
    rng = np.random.default_rng(0)
    tally = Tally(redrawn=True)
    for _ in range(20):
        people = rng.choice(1000, 50, replace=False)
        tally.add(people, (people % 5 == 0))  # a fifth of the people are always missed
    found = tally.share("FNIR", {})
    assert found.value == pytest.approx(0.2, abs=0.02)
    low, high = interval(found)
    assert low < 0.2 < high
    assert high - low < 0.08  # 50 people alone would give 0.23


def test_a_draw_counts_by_hand() -> None:
    """Probes: first at 0.9 and at 0.4, behind another at 0.8, beside another at 0.7."""
    strangers = np.linspace(0, 0.99, 100)
    draw = Draw(np.arange(4), np.array([0.9, 0.4, 0.8, 0.7]), np.array([0, 0, 1, 1]), strangers)
    assert draw.missed(0.5).tolist() == [False, True, True, True]
    assert draw.missed(0.0).tolist() == [False, False, True, True]
    assert draw.at_fpir(0.5).tolist() == [False, True, True, True]  # half of the strangers are over 0.49
    assert draw.at_fpir(0.7).tolist() == [False, False, True, True]


def test_curves_go_through_the_rates_of_their_rows() -> None:
    found = by_metric(open_set(cohorts(), PLAN, ColourEmbedder(), Card()), ", 40 people")
    cmc, det = (dict(found["rank-1"].details[name]) for name in ("cmc", "det"))
    assert list(cmc) == [1, 2, 3, 4, 5, 7, 10, 15, 20, 30]
    for rank in (1, 5, 10):
        assert cmc[rank] == pytest.approx(found[f"rank-{rank}"].value, abs=1e-5)
    assert det[0.05] == pytest.approx(found["FNIR at FPIR 5 %"].value, abs=1e-5)
    assert det[0.2] == pytest.approx(found["FNIR at FPIR 20 %"].value, abs=1e-5)
    assert "cmc" not in found["rank-5"].details


def test_equals_do_not_rank_first() -> None:
    """A model that finds everyone equally alike recognises nobody."""
    same = Cohort(np.tile(np.array([[1.0, 0.0]], np.float32), (40, 1)), np.repeat(np.arange(20), 2))
    others = Cohort(np.tile(np.array([[0.0, 1.0]], np.float32), (40, 1)), np.arange(40))
    alike = Cohorts(same, others, others, "all alike", "made up")
    plan = OpenSetPlan(sizes=(20,), draws=2, fpirs=(0.1,), fmr=0.1)
    rows = by_metric(open_set(alike, plan, ColourEmbedder(), Card()), ", 20 people")
    assert rows["rank-1"].value == 0.0


def test_the_interval_of_false_matches_covers_as_often_as_it_says() -> None:
    """Some people are mistaken for everyone: pairs depend on both ends."""
    covered, widths = 0, []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        easy = rng.normal(0, 0.5, 60)
        first, second = np.triu_indices(60, k=1)
        scores = easy[first] + easy[second] + rng.normal(0, 1, len(first))
        pairs = StrangerPairs(scores, 60, first.astype(np.int64), second.astype(np.int64), None)
        _, low, high = pairs.rate(1.5)
        truth = 1 - norm.cdf(1.5 / np.sqrt(1.5))  # of the sum of three normal variables
        covered += low <= truth <= high
        widths.append(high - low)
    assert covered >= 34  # 95 % of 40 is 38; a bootstrap over one end covers about 26
    assert np.mean(widths) < 0.2


def test_too_few_people_are_refused() -> None:
    with pytest.raises(DataError, match="60 people have over 1 photos"):
        open_set(cohorts(), OpenSetPlan(sizes=(61,)), ColourEmbedder(), Card())
    whole = cohorts()
    few = replace(
        whole, others=Cohort(whole.others.vectors, whole.others.people % 9)
    )  # many photos, few people
    with pytest.raises(TooFewPairs, match="there are 9"):
        open_set(few, PLAN, ColourEmbedder(), Card())
    with pytest.raises(ConfigError, match="at least 1"):
        OpenSetPlan(draws=0)
    with pytest.raises(ConfigError, match="fractions"):
        OpenSetPlan(fmr=2.0)


def test_photos_are_divided_among_cohorts_that_share_nobody(folder: Path) -> None:
    plan = OpenSetPlan(sizes=(4,), photos=2, probes=1)
    found = of_photos(folder, plan, ColourEmbedder(), WholePhoto())
    assert len(np.unique(found.enrolled.people)) == 8  # galleries of four are drawn from these
    assert len(found.enrolled.people) == 24
    assert len(np.unique(found.others.people)) == len(np.unique(found.strangers.people)) == 20
    with pytest.raises(DataError, match="8 people to enroll"):
        of_photos(folder, OpenSetPlan(sizes=(9,), photos=2), ColourEmbedder(), WholePhoto())


def test_a_person_in_two_cohorts_is_refused(tmp_path: Path) -> None:
    for place in ("one/a", "one/b", "two/b", "two/c", "three/d", "three/e"):
        (tmp_path / place).mkdir(parents=True)
        Image.new("RGB", (16, 16)).save(tmp_path / place / "0.png")
    folders = [(tmp_path / name, None) for name in ("one", "two", "three")]
    with pytest.raises(DataError, match="two of the cohorts"):  # b, from two folders
        of_crops(folders, None, ColourEmbedder())
    (tmp_path / "two" / "b" / "0.png").rename(tmp_path / "two" / "c" / "1.png")
    assert len(of_crops(folders, None, ColourEmbedder()).others.people) == 2


def test_crops_are_embedded_at_their_own_size(tmp_path: Path) -> None:
    """Embedders resize crops as in training; another kernel before them would measure other pixels."""
    for place in "abc":
        for person in "xy":
            (tmp_path / place / (place + person)).mkdir(parents=True)
            Image.new("RGB", (112, 112)).save(tmp_path / place / (place + person) / "1.png")
    seen = []

    class Large(ColourEmbedder):
        image_size = crop_size = 128

        def embed(self, crops: np.ndarray, flip: bool = True) -> np.ndarray:
            seen.append(crops.shape[1:])
            return super().embed(crops, flip)

    of_crops([(tmp_path / place, None) for place in "abc"], None, Large())
    assert seen == [(112, 112, 3)] * 3


def test_people_with_several_templates_are_compared_in_three_ways() -> None:
    gallery = unit(np.array([[1, 0, 0], [0, 1, 0], [0.6, 0, 0.8]], np.float32))
    owners = np.array([4, 4, 9])
    probe = np.array([[1, 0, 0]], np.float32)
    centre = np.sqrt(0.5)
    wanted = {"best": [1, 0.6], "centre": [centre, 0.6], "both": [(1 + centre) / 2, 0.6]}
    for compare, scores in wanted.items():
        found = _by_person(probe, gallery, owners, compare)  # type: ignore[arg-type]
        np.testing.assert_allclose(found, [scores], rtol=1e-6)
    with pytest.raises(ConfigError, match="best, centre, both"):
        OpenSetPlan(compare="mean")  # type: ignore[arg-type]


def test_galleries_compare_as_the_benchmark_does(gallery: Gallery) -> None:
    rng = np.random.default_rng(0)
    vectors = unit(rng.normal(size=(12, 5))).astype(np.float32)
    owners = np.repeat(np.arange(4), 3)
    for person in range(4):
        rows = [Template(row, f"{i}") for i, row in enumerate(vectors[owners == person])]
        gallery.add(str(person), rows, Model("m", "aa" * 32, 5))
    probes = unit(rng.normal(size=(6, 5))).astype(np.float32)
    wanted = _by_person(probes, vectors, owners, "both")
    for answer, scores in zip(gallery.search(probes, 4), wanted, strict=True):
        assert [int(c.identity) for c in answer] == np.argsort(-scores).tolist()
        np.testing.assert_allclose([c.similarity for c in answer], np.sort(scores)[::-1], atol=1e-6)
