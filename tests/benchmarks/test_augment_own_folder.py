"""One folder alone: who is learned from, what is compared, and the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.augment import own_folder
from benchmarks.augment.own_folder import answer, halves, plan_for
from benchmarks.rows import Row
from recog.cli import main
from recog.errors import DataError
from recog.training import CropSet
from tests.benchmarks.conftest import folder_of
from tests.benchmarks.fakes import people_of_colours


def test_people_are_halved_by_name_and_nobody_is_in_both() -> None:
    crops = people_of_colours(people=160, photos=3)
    learned, asked = halves(crops)
    assert set(learned.identities) | set(asked.identities) == set(crops.identities)
    assert not set(learned.identities) & set(asked.identities)
    fewer = crops.of_identities(crops.identities[:140])
    again, _ = halves(fewer)
    assert set(again.identities) == set(learned.identities) & set(fewer.identities)


@pytest.mark.parametrize(("people", "photos", "told"), [(40, 3, "40 people"), (400, 1, "0 people")])
def test_too_few_people_are_refused(people: int, photos: int, told: str) -> None:
    with pytest.raises(DataError, match=f"{told} have 2 photos"):
        halves(people_of_colours(people=people, photos=photos))


def test_a_plan_takes_as_many_photos_as_most_people_have() -> None:
    few, many = people_of_colours(people=20, photos=2, family="f"), people_of_colours(people=100, photos=4)
    plan = plan_for(CropSet.concat([few, many]))
    assert (plan.photos, plan.people) == (4, 80)
    plan = plan_for(CropSet.concat([people_of_colours(people=60, photos=2, family="f"), many]))
    assert (plan.photos, plan.people) == (2, 128)
    assert plan_for(many, seeds=8, people=50, photos=3).seeds == 8
    assert plan_for(people_of_colours(people=900, photos=9)).people == own_folder.MOST_PEOPLE


def rows_with(differences: list[float]) -> list[Row]:
    """Runs of two arms whose difference is this, a seed each."""
    rng = np.random.default_rng(0)
    found = []
    for seed, difference in enumerate(differences):
        level = 0.5 + 0.02 * rng.normal()
        for arm, value in (("strong", level), ("made up", level + difference)):
            details: dict[str, Any] = {"recipe": arm, "baseline": "strong", "margin": 0.005}
            found.append(
                Row(
                    bench="augment",
                    protocol="p",
                    data="d",
                    arm=arm,
                    metric="TAR@FMR=1e-2",
                    value=value,
                    n=100,
                    seed=seed,
                    plan="plan",
                    commit="c",
                    command="recog bench augment",
                    device="cpu",
                    seconds=1.0,
                    details=details,
                )
            )
    return found


@pytest.mark.parametrize(
    ("difference", "spread", "said"),
    [
        (0.05, 0.004, "Use made-up faces: made up helps by 5.0 points"),
        (-0.05, 0.004, "Leave made-up faces out: made up hurts by 5.0 points"),
        (0.0, 0.0005, "Leave made-up faces out: made up has no effect larger than 0.5 points"),
        (0.0, 0.05, "Undecided: whether made up helps is undecided"),
    ],
)
def test_the_answer_is_a_sentence(difference: float, spread: float, said: str) -> None:
    noise = np.random.default_rng(1).normal(size=8)
    noise -= noise.mean()
    found = answer(rows_with((difference + spread * noise).tolist()))
    assert found.startswith(said), found
    assert "95 % interval" in found
    assert ("four times in five" in found) == said.startswith("Undecided")


def test_without_two_arms_there_is_no_answer() -> None:
    assert "fewer than two arms" in answer([row for row in rows_with([0.1] * 3) if row.arm == "strong"])


def test_the_command_answers_for_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = folder_of(tmp_path / "mine", 40, 3, 1)
    call = ["bench", "augment", "--data", str(data), "--device", "cpu", "--out", str(tmp_path / "out")]
    refused = CliRunner().invoke(main, call)
    assert refused.exit_code == 4, refused.output
    assert "40 people have 2 photos" in refused.stderr
    assert CliRunner().invoke(main, [*call, "--kimg", "3"]).exit_code == 2
    tiny = {"total_kimg": 0.02, "batch_size": 8, "image_size": 16, "backbone_options": {"channels": [8] * 4}}
    monkeypatch.setattr(own_folder, "LEAST", 2)
    monkeypatch.setattr(own_folder, "TRAIN", {**tiny, "augmentation": "none"})
    monkeypatch.setattr(
        own_folder,
        "ARMS",
        {"strong": own_folder.Arm(), "flip": own_folder.Arm(train={"augmentation": "flip"})},
    )
    done = CliRunner().invoke(main, [*call, "--seeds", "3", "--people", "6"])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1].split(":")[0] in (
        "Undecided",
        "Use made-up faces",
        "Leave made-up faces out",
    )
    assert "the other half" in done.stdout
