"""The README's commands run, and its generated parts are up to date."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmarks.augment.reading import parsed
from generative.synthesis import Synthesizer
from recog import Embedder
from recog.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PACKAGES = ("recog", "generative", "benchmarks")
CARDS = [card for package in PACKAGES for card in (ROOT / package).rglob("weights/*.md")]


def block(language: str, containing: str) -> str:
    """The first code block of a language in which a text occurs."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)
    return next(text for text in blocks if containing in text)


def photo(*crops: np.ndarray) -> Image.Image:
    """Crops side by side on a wall, large enough for detection."""
    wall = Image.new("RGB", (320 * len(crops), 320), (128, 120, 112))
    for index, crop in enumerate(crops):
        wall.paste(Image.fromarray(crop).resize((192, 192), Image.Resampling.BICUBIC), (64 + 320 * index, 64))
    return wall


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of two people who do not exist, under the README's names."""
    folder = tmp_path_factory.mktemp("readme")
    generator = Synthesizer.load("bundled-gan", Embedder.load("bundled", device="cpu"), device="cpu")
    ada, bob = generator.new_people(2, 3, seed=1, candidates=4)
    for name, person in (("ada", ada), ("bob", bob)):
        for index in (0, 1):
            photo(person.images[index]).save(folder / f"{name}{index + 1}.png")
    photo(ada.images[2], bob.images[2]).save(folder / "party.png")
    return folder


def test_command_line_quick_start(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    monkeypatch.setenv("RECOG_GALLERY", str(photos / "cli.gallery"))
    for line in block("console", "recog enroll ada").splitlines():
        result = CliRunner().invoke(main, shlex.split(line)[1:])
        assert result.exit_code in (0, 1), f"{line}: {result.output}"
        assert result.exception is None or isinstance(result.exception, SystemExit)


def test_python_quick_start(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    exec(compile(block("python", "Recognizer.open"), "README.md", "exec"), {})  # our own file


def test_faces_are_made_and_edited_from_python() -> None:
    made: dict[str, object] = {}
    exec(compile(block("python", "new_people"), "README.md", "exec"), made)  # our own file
    older, person = made["older"], made["person"]
    assert isinstance(older, np.ndarray)
    assert older.shape == person.images.shape == (6, 64, 64, 3)  # type: ignore[attr-defined]
    assert not np.array_equal(older, person.images)  # type: ignore[attr-defined]


def test_generated_parts_are_up_to_date() -> None:
    cards = [card.relative_to(ROOT) for card in CARDS if "[[[cog" in card.read_text()]
    assert len(cards) >= 2
    command = [sys.executable, "-m", "cogapp", "--check", "README.md", *map(str, cards)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"run: make docs\n{result.stdout}{result.stderr}"


def test_the_plan_that_is_shown_can_be_run() -> None:
    plan = parsed(tomllib.loads(block("toml", "confirms = true")))
    assert plan.confirms
    assert plan.baseline in plan.arms
    assert plan.kinds == {("gan", "open")}


def test_pictures_and_links_exist() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_every_command_that_is_shown_has_these_options() -> None:
    documents = [README, *(card.read_text() for card in CARDS)]
    lines = [line for text in documents for line in re.findall(r"^recog .*$", text, flags=re.MULTILINE)]
    assert len(lines) > 12
    for line in lines:
        command, context = main, click.Context(main)
        words = shlex.split(line.partition("#")[0])[1:]
        while isinstance(command, click.Group):
            name = words.pop(0)
            found = command.get_command(context, name)
            assert found is not None, line
            command, context = found, click.Context(found)
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known | {"--help"}, line
