"""`recog train` and `recog models pack`, on 32 px crops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import click
import pytest
from click.testing import CliRunner, Result

from recog.cli import main
from recog.cli.distillation import distill
from recog.cli.training import train
from recog.training.config import AUGMENTATIONS
from tests.recog.test_training import coloured_people, written

TINY = "--size 32 --embedding-size 8 --batch-size 8 --kimg 0.032 --backbone resnet10t --device cpu --json"


@pytest.fixture
def crops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return written(coloured_people(people=16, photos=4), tmp_path / "crops")


def recog(line: str) -> Result:
    return CliRunner().invoke(main, line.split())


@pytest.mark.usefixtures("crops")
def test_train_then_pack() -> None:
    trained = recog(f"train crops --out run {TINY}")
    assert trained.exit_code == 0, trained.output
    assert json.loads(trained.stdout)["steps"] == 4
    written(coloured_people(people=16, photos=4), Path("others"))
    for person in Path("others").iterdir():
        person.rename(person.with_name(f"other-{person.name}"))
    packed = recog("models pack run --out m.safetensors --name mine --strangers others --json")
    assert packed.exit_code == 0, packed.output
    assert set(json.loads(packed.stdout)["thresholds"]) >= {"fmr_0.01", "fpir_0.1_3"}
    leaky = recog("models pack run --out m.safetensors --name mine --strangers crops --whiten crops")
    assert leaky.exit_code == 4
    assert "strangers and whitened by as well" in leaky.stderr


@pytest.mark.usefixtures("crops")
def test_same_call_resumes_and_another_is_refused() -> None:
    first, again = recog(f"train crops --out run {TINY}"), recog(f"train crops --out run {TINY}")
    assert json.loads(first.stdout) == json.loads(again.stdout)
    other = recog(f"train crops --out run --seed 1 {TINY}")
    assert other.exit_code == 4
    assert "seed" in other.stderr


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("train nowhere --out run", 4, "no such folder"),
        ("train crops --out run --role fit", 2, "--roles and --role"),
        ("train crops --out run --synthetic-share 0.5", 2, "needs --synthetic"),
        ("train crops --out run --backbone no_such_net --size 32", 4, "no_such_net"),
        ("train crops --out run --batch-size 1", 4, "batch_size"),
        ("distill crops --out run", 2, "--teacher"),
        ("distill crops --teacher recog-s --data crops --out run", 2, "--data goes with --recipe"),
        ("distill --teacher recog-s --out run", 2, "FOLDER"),
        ("distill crops --recipe recog-s --out run", 2, "exclude each other"),
        ("distill --recipe recog-s --kimg 3 --out run", 2, "--kimg"),
        ("distill --recipe nothing --out run", 4, "no such recipe"),
        ("distill crops --teacher nothing --out run", 4, "nothing"),
        ("distill crops --teacher recog-s --embedding-size 999 --out run", 4, "999"),
    ],
)
@pytest.mark.usefixtures("crops")
def test_what_is_wrong_is_said(line: str, code: int, said: str) -> None:
    result = recog(line)
    assert result.exit_code == code, result.output
    assert said in result.stderr


@pytest.mark.usefixtures("crops")
def test_a_student_learns_from_a_trained_teacher() -> None:
    assert recog(f"train crops --out teacher {TINY}").exit_code == 0
    small = "--teacher teacher --size 32 --batch-size 8 --kimg 0.016 --device cpu --json --backbone resnet10t"
    done = recog(f"distill crops --unlabelled crops --out student --arcface-weight 0.1 {small}")
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert record["steps"] == 2
    assert record["weights"] == "student/final.safetensors"


@pytest.mark.parametrize("command", [distill, train])
def test_every_augmentation_can_be_asked_for(command: click.Command) -> None:
    (option,) = [p for p in command.params if p.name == "augmentation"]
    assert tuple(cast(click.Choice, option.type).choices) == AUGMENTATIONS
