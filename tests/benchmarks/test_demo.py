"""The demo with made-up models: what it tells must be what happened."""

import json
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.augment.plan import Plan, usual
from benchmarks.demo import DemoPlan, Studio, run
from generative.curation import Window
from generative.repair import Repairer
from generative.synthesis import Synthesizer, SyntheticPerson
from recog.cards import Card
from recog.embedding import Embedder
from tests.benchmarks.fakes import ColourEmbedder


class Painter:
    """A synthesizer of flat colours; identities are hues around a circle that differ by seed."""

    digest = "painter"
    guides: frozenset[str] = frozenset()
    window = Window()

    def new_people(self, count: int, photos: int, seed: int, **_: object) -> list[SyntheticPerson]:
        angles = np.linspace(0, 2 * np.pi, count, endpoint=False) + 0.1 * seed
        return [self._person(f"new-{seed}-{k}", a, photos, seed + k) for k, a in enumerate(angles)]

    def person(
        self, identity: str, vectors: np.ndarray, count: int, seed: int = 0, **how: object
    ) -> SyntheticPerson:
        del how
        centre = vectors.mean(axis=0)
        return self._person(identity, float(np.arctan2(centre[1], centre[0])), count, seed)

    def _person(self, identity: str, angle: float, photos: int, seed: int) -> SyntheticPerson:
        hue = np.array([np.cos(angle), np.sin(angle), 0.2]) * 80 + 100
        noise = np.random.default_rng(seed).normal(0, 4, (photos, 32, 32, 3))
        images = np.clip(hue + noise, 0, 255).astype(np.uint8)
        nothing = np.zeros(photos, np.float32)
        return SyntheticPerson(identity, images, nothing[:1], nothing[:, None], nothing, "sampled", seed)


class Mean:
    """A repairer that paints the mean colour of what is there."""

    def repair(self, images: np.ndarray, masks: np.ndarray | None = None) -> np.ndarray:
        missing = np.zeros(images.shape[:3], bool) if masks is None else masks
        means = np.stack([image[~mask].mean(axis=0) for image, mask in zip(images, missing, strict=True)])
        return np.broadcast_to(means[:, None, None], images.shape).astype(np.uint8)


class NoThresholds(ColourEmbedder):
    card = Card()


PLAN = DemoPlan(
    people=3,
    enroll_photos=2,
    unseen_photos=2,
    strangers=3,
    calibration_people=20,
    fpir=0.05,
    repairs=2,
    pool=5,
    exam_people=5,
    augment=Plan(
        people=3,
        photos=2,
        seeds=1,
        arms={name: arm for name, arm in usual(photos=2).items() if name.startswith("classic")},
        train={
            "total_kimg": 0.016,
            "batch_size": 8,
            "image_size": 32,
            "backbone": "resnet10t",
            "backbone_options": {"channels": (8, 8, 8, 8)},
        },
    ),
)


@pytest.fixture
def studio() -> Studio:
    return Studio(
        cast(Embedder, NoThresholds()), cast(Synthesizer, Painter()), cast(Repairer, Mean()), device="cpu"
    )


def test_the_page_tells_what_happened_and_needs_no_other_file(studio: Studio, tmp_path: Path) -> None:
    page, story = run(PLAN, tmp_path, device="cpu", studio=studio)
    text = page.read_text()
    assert "not evidence of accuracy" in text
    assert [chapter.title for chapter in story.chapters] == [
        "A cast of people who do not exist",
        "Recognition",
        "Repair",
        "A small augmentation benchmark",
    ]
    assert text.count("data:image/png;base64,") == len(story.pictures) == 5
    assert 'src="' + "pictures" not in text
    for name in story.pictures:
        assert (tmp_path / "pictures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert story.figures["unseen"] == 6
    assert story.figures["strangers"] == 6
    assert 0 <= story.figures["refused"] <= 6
    damaged, repaired = story.figures["psnr noise"]
    assert repaired > damaged + 5  # the mean of a flat colour with noise is that colour
    assert story.figures["augmentation rows"] == len((tmp_path / "augment.jsonl").read_text().splitlines())
    json.dumps(story.figures)


def test_a_second_run_in_the_same_place_tells_the_same(studio: Studio, tmp_path: Path) -> None:
    first = run(PLAN, tmp_path, device="cpu", studio=studio)[1]
    second = run(PLAN, tmp_path, device="cpu", studio=studio)[1]
    assert first.figures == second.figures


def test_quick_is_smaller_in_everything() -> None:
    quick, full = DemoPlan.quick(), DemoPlan()
    for name in ("people", "strangers", "calibration_people", "repairs", "pool", "exam_people"):
        assert getattr(quick, name) < getattr(full, name)
    assert quick.augment.config("classic", 0).total_kimg < full.augment.config("classic", 0).total_kimg
    assert full.augment.people <= full.pool


@pytest.mark.parametrize("arguments", [["bench"], ["bench", "verify"], ["bench", "augment"],
                                       ["bench", "identify"], ["bench", "report"], ["demo"]])  # fmt: skip
def test_every_command_has_an_example(arguments: list[str]) -> None:
    from recog.cli import main

    shown = CliRunner().invoke(main, [*arguments, "--help"])
    assert shown.exit_code == 0
    assert "Example:" in shown.output
