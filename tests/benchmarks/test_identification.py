"""Through the real Recognizer, with people who are colours and a detector that needs no network."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmarks import commands
from benchmarks.identification import IdentifyPlan, identify, split
from benchmarks.photos import people_of
from recog.alignment import TEMPLATE
from recog.cards import Card
from recog.cli import main
from recog.errors import ConfigError, DataError
from recog.types import Face
from tests.benchmarks.fakes import ColourEmbedder

PLAN = IdentifyPlan(people=4, enroll_photos=2, probe_photos=2, strangers=20, fpir=0.1, fmr=0.2)


class Embeds(ColourEmbedder):
    card = Card.of_config({"thresholds": {"fmr_0.2": 0.9, "fpir_0.1_4": 0.95, "fpir_0.1_8": 0.99}})


class WholePhoto:
    def detect(self, image: np.ndarray) -> list[Face]:
        if image.mean() < 5:
            return []
        scale = image.shape[0] / 112
        return [Face((0, 0, image.shape[1], image.shape[0]), (TEMPLATE * scale).astype(np.float32), 1.0)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight people with four photos, forty with one; one probe of everybody who has four is black."""
    generator = np.random.default_rng(0)
    for person in range(48):
        home = tmp_path / f"p{person:02d}"
        home.mkdir()
        hue = generator.integers(30, 225, 3)
        for number in range(4 if person < 8 else 1):
            colour = np.zeros(3) if number == 3 else hue
            picture = np.clip(colour + generator.integers(-3, 4, 3), 0, 255)
            pixels = np.full((32, 32, 3), 0 if number == 3 else picture, np.uint8)
            Image.fromarray(pixels).save(home / f"{number}.png")
    return tmp_path


def test_halves_share_nobody(folder: Path) -> None:
    first, second = split(people_of(folder), PLAN)

    def everyone(half: object) -> set[str]:
        return (
            set(half.enrolled) | {name for name, _ in half.probes} | {p.parent.name for p in half.strangers}
        )  # type: ignore[attr-defined]

    assert not everyone(first) & everyone(second)
    assert not set(first.enrolled) & {photo.parent.name for photo in first.strangers}
    enrolled = {photo for photos in first.enrolled.values() for photo in photos}
    assert not enrolled & {photo for _, photo in first.probes}
    again = split(people_of(folder), PLAN)[0]
    assert again.enrolled == first.enrolled
    with pytest.raises(DataError, match="two halves of 5"):
        split(people_of(folder), IdentifyPlan(people=5, enroll_photos=2))


def test_people_are_named_as_galleries_name_them_and_have_photos(tmp_path: Path) -> None:
    """A folder's name may be written with combining marks, and answers come back without."""
    (tmp_path / "Zoe\u0301").mkdir()
    (tmp_path / "Zoe\u0301" / "1.png").write_bytes(b"a photo")
    (tmp_path / "nobody").mkdir()
    (found,) = people_of(tmp_path).items()
    assert found[0] == "Zo\u00e9"
    assert [path.name for path in found[1]] == ["1.png"]


def test_errors_are_counted_on_the_other_half(folder: Path) -> None:
    found = identify(folder, PLAN, Embeds(), WholePhoto(), device="cpu")
    by_name = {(row.arm, row.metric): row for row in found}
    arms = {arm for arm, _ in by_name}
    assert arms == {"colour, calibrated on other people", "colour, model card"}
    missed = by_name["colour, calibrated on other people", "FNIR (enrolled missed)"]
    assert missed.n == 8  # two probes of each of four people
    assert missed.details["count"] >= 4  # the black probes are misses, not skipped
    assert by_name["colour, calibrated on other people", "rank-1"].value <= 0.5
    strangers = by_name["colour, calibrated on other people", "FPIR (strangers matched)"]
    assert strangers.n == 20
    assert strangers.ci95 is not None
    assert strangers.ci95[0] <= strangers.value <= strangers.ci95[1]
    assert (
        by_name["colour, model card", "FPIR (strangers matched)"].details["threshold"] == 0.99
    )  # card at 8 templates
    assert by_name["colour, model card", "FMR (strangers verified)"].details["threshold"] == 0.9
    assert by_name["colour, model card", "failure to enroll"].value == 0.0


def test_impossible_numbers_are_refused() -> None:
    with pytest.raises(ConfigError, match="enroll_photos is 0"):
        IdentifyPlan(enroll_photos=0)


def test_the_command_line_gives_the_same_answers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recog.embedding.Embedder.load", lambda name, device="auto", fetch=True: Embeds())
    monkeypatch.setattr("recog.detection.Detector", lambda device="auto": WholePhoto())

    def call(arguments: Sequence[str], stdin: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(main, list(arguments), input=stdin)
        return result.exit_code, result.stdout, result.stderr

    found = {row.metric: row for row in commands.identify(folder, PLAN, device="cpu", call=call)}
    expected = {row.metric: row for row in identify(folder, PLAN, Embeds(), WholePhoto(), device="cpu")}
    assert found["rank-1"].value == expected["rank-1"].value
    assert found["FNIR (enrolled missed)"].n == expected["FNIR (enrolled missed)"].n
    assert found["FNIR (enrolled missed)"].details["count"] >= 4  # the black probes
    assert found["FPIR (strangers matched)"].n == 20
    assert found["failure to enroll"].value == 0.0


def test_photos_of_one_name_in_sub_folders_stay_apart(folder: Path) -> None:
    for photo in list(folder.rglob("*.png")):
        (photo.parent / photo.stem).mkdir()
        photo.rename(photo.parent / photo.stem / "photo.png")
    calibrating: dict[str, int] = {}

    def call(arguments: Sequence[str], stdin: str) -> tuple[int, str, str]:
        if arguments[0] == "enroll":
            return 0, "{}\n", ""
        calibrating.update({home.name: len(list(home.iterdir())) for home in Path(arguments[1]).iterdir()})
        return 4, "", "enough"

    with pytest.raises(DataError, match="enough"):
        commands.identify(folder, PLAN, call=call)
    assert sorted(calibrating.values()) == [1] * 20 + [4] * 4


def test_a_command_that_fails_is_told(folder: Path) -> None:
    with pytest.raises(DataError, match="recog enroll ended with code 4: no disk"):
        commands.identify(folder, PLAN, call=lambda arguments, stdin: (4, "", "no disk"))


def test_a_command_that_is_killed_after_some_output_is_told(folder: Path) -> None:
    line = json.dumps({"identity": "p00", "added": 1, "skipped": 0, "failed": []})
    with pytest.raises(DataError, match="recog enroll ended with code -9: it did not say why"):
        commands.identify(folder, PLAN, call=lambda arguments, stdin: (-9, f"{line}\n", ""))
