"""What `recog generate train` makes of its options; nothing is trained here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from generative.adversarial import PENALTIES
from generative.models.gan import GENERATOR_WIDTHS
from generative.objectives.game import GameSettings
from generative.training import GeneratorConfig
from recog.cli import main
from recog.embedding import Embedder
from recog.training.data import CropSet


@pytest.fixture
def started(
    crops: CropSet, embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[GeneratorConfig, Any]]:
    """A folder of crops, and the runs that the command line would have begun: pace and objective."""
    runs: list[tuple[GeneratorConfig, Any]] = []

    def train(config: GeneratorConfig, faces: object, objective: Any, out: Path, *_: Any, **__: Any) -> Path:
        runs.append((config, objective))
        return out

    monkeypatch.setattr("generative.training.train", train)
    monkeypatch.setattr(Embedder, "load", lambda *_, **__: embedder)
    monkeypatch.chdir(tmp_path)
    for file, image in zip(crops.files, crops.images, strict=True):
        (tmp_path / "crops" / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "crops" / file)
    return runs


def recog(line: str) -> Result:
    return CliRunner().invoke(main, line.split())


@pytest.mark.parametrize("size", [112, 128])
@pytest.mark.parametrize("options", ["gan", "gan --grow", "vae", "vae-gan", "dcgan"])
def test_large_faces_need_no_more_than_their_size(
    options: str, size: int, started: list[tuple[GeneratorConfig, Any]]
) -> None:
    result = recog(f"generate train {options} --data crops --out run --image-size {size}")
    assert result.exit_code == 0, result.output
    ((config, objective),) = started
    assert config.image_size == objective.image_size == size
    assert objective.model_config()["network"]["image_size"] == size


def test_sides_that_cannot_be_made_are_refused_before_crops_are_read() -> None:
    result = recog("generate train gan --data nowhere --out run --image-size 100")
    assert result.exit_code == 4
    assert "image_size is 100; give a side that 4 or 7 px double to" in result.stderr


def test_sides_that_need_more_widths_say_so(started: list[tuple[GeneratorConfig, Any]]) -> None:
    result = recog("generate train gan --data crops --out run --image-size 512")
    assert result.exit_code == 4
    count = len(GENERATOR_WIDTHS)
    assert f"has {count} entries; faces of 512 px need {count + 1}" in result.stderr
    assert "smaller image_size (--image-size)" in result.stderr
    assert started == []


def test_a_wasserstein_loss_without_a_bound_is_refused() -> None:
    result = recog("generate train gan --data nowhere --out run --loss wasserstein")
    assert result.exit_code == 4
    assert "penalty is 'r1'; give interpolated (--penalty)" in result.stderr


@pytest.mark.parametrize(
    ("options", "weight", "every"),
    [
        ("", 0.05, 16),
        ("--loss wasserstein --penalty interpolated", 10, 1),
        ("--penalty interpolated --penalty-weight 2", 2, 1),
    ],
)
def test_penalties_weigh_what_is_usual(
    options: str, weight: float, every: int, started: list[tuple[GeneratorConfig, Any]]
) -> None:
    assert recog(f"generate train gan --data crops --out run {options}").exit_code == 0
    penalty = started[0][1].game.penalty
    assert (penalty.weight, penalty.every) == (weight, every)


def test_help_tells_the_defaults_of_penalties() -> None:
    shown = re.sub(r"\s+", " ", recog("generate train --help").output)
    usual, blended = PENALTIES[GameSettings().penalty], PENALTIES["interpolated"]
    assert f"[default: {GameSettings().penalty}; dcgan: none]" in shown
    assert f"[default: {usual.weight:g}; interpolated: {blended.weight:g}]" in shown
    assert f"[default: {usual.every}; interpolated: {blended.every}]" in shown
