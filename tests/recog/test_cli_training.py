"""`recog train` and `recog models pack`, on 32 px crops."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from recog.cli import main
from tests.recog.test_training import coloured_people, written

TINY = "--size 32 --embedding-size 8 --batch-size 8 --kimg 0.032 --backbone resnet10t --device cpu --json"


@pytest.fixture
def crops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECOG_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return written(coloured_people(people=16, photos=4), tmp_path / "crops")


def recog(line: str) -> Result:
    return CliRunner().invoke(main, line.split())


@pytest.mark.usefixtures("crops")
def test_train_then_pack() -> None:
    trained = recog(f"train crops --out run {TINY}")
    assert trained.exit_code == 0, trained.output
    assert json.loads(trained.stdout)["steps"] == 4
    packed = recog("models pack run --out m.safetensors --name mine --strangers crops --json")
    assert packed.exit_code == 0, packed.output
    assert set(json.loads(packed.stdout)["thresholds"]) == {"fmr_0.001", "fpir_0.01_10"}


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
    ],
)
@pytest.mark.usefixtures("crops")
def test_what_is_wrong_is_said(line: str, code: int, said: str) -> None:
    result = recog(line)
    assert result.exit_code == code, result.output
    assert said in result.stderr
