"""`recog bench generate` from the command line, judges and embedder replaced by stand-ins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from benchmarks.generation.bench import REAL
from benchmarks.judging.judges import Judges
from generative.synthesis import Synthesizer
from recog.cli import main
from recog.embedding import Embedder
from tests.benchmarks.conftest import folder_of
from tests.generative.stand_ins import SIZE


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch, judges: Judges, embedder: Embedder) -> list[str]:
    """The command line with stand-ins; names of the embedders that it asked for."""
    asked: list[str] = []

    def load(cls: type[Embedder], name: str, *_: object, **__: object) -> Embedder:
        asked.append(name)
        return embedder

    monkeypatch.setattr(Embedder, "load", classmethod(load))
    monkeypatch.setattr(Judges, "load", classmethod(lambda cls, *a, **k: judges))
    return asked


def test_roles_of_learners_and_strangers_need_no_role_of_the_judged(
    tmp_path: Path, synthesizer: Synthesizer, stand_ins: list[str]
) -> None:
    judged = folder_of(tmp_path / "people", 12, 4, seed=5)
    others = folder_of(tmp_path / "others", 60, 3, seed=6)
    roles = tmp_path / "roles.csv"
    names = sorted(path.name for path in others.iterdir())
    lines = [f"{name},{'fit' if at % 3 else 'user'}" for at, name in enumerate(names)]
    roles.write_text("\n".join(["identity,role", *lines]) + "\n")
    command = (
        f"bench generate {tmp_path / 'gan'} --data {judged} --no-detection --photos 2 --candidates 1 "
        f"--shown 20 --leak 20 --training {others} --roles {roles} --training-role fit --strangers-role user "
        f"--model mine --out {tmp_path / 'out'} --json"
    )
    result = CliRunner().invoke(main, command.split())
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert {row["data"].rpartition("/")[2] for row in rows} == {"people"}  # all of them, whatever their role
    assert any(row["metric"].endswith("nearer than a stranger's, p") for row in rows)
    assert stand_ins[0] == "mine"


def test_the_bench_runs_from_the_command_line(
    tmp_path: Path, synthesizer: Synthesizer, stand_ins: list[str]
) -> None:
    place = folder_of(tmp_path / "people", 12, 4, seed=5)
    command = (
        f"bench generate {tmp_path / 'gan'} --data {place} --attributes {place}.csv --no-detection "
        f"--photos 2 --candidates 1 --shown 20 --out {tmp_path / 'out'} --json"
    )
    result = CliRunner().invoke(main, command.split())
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert {row["arm"] for row in rows} == {REAL, "gan"}
    metrics = {row["metric"] for row in rows if row["arm"] == "gan"}
    assert "Smiling asked alone, balanced accuracy" in metrics
    spread = [row["ci95"] for row in rows if row["metric"].startswith(("precision", "coverage"))]
    assert all(low <= high for low, high in spread)
    assert len((tmp_path / "out" / "generate.jsonl").read_text().splitlines()) == len(rows)
    pictures = [row["details"].get("pictures") for row in rows if row["arm"] == "gan"]
    assert all(picture == pictures[0] for picture in pictures)
    for file in pictures[0]:
        with Image.open(tmp_path / "out" / file) as picture:
            assert picture.size == (12 * (SIZE + 6), 3 * (SIZE + 6))


def test_roles_of_learners_without_a_table_are_named(tmp_path: Path) -> None:
    command = f"bench generate --data {tmp_path} --training {tmp_path} --training-role fit"
    result = CliRunner().invoke(main, command.split())
    assert result.exit_code == 2
    assert "--training-role and --strangers-role need --roles" in result.output
