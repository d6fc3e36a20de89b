"""The commands, on folders of small pictures."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from benchmarks import rows
from recog.cli import main
from tests.benchmarks.fakes import ColourEmbedder, people_of_colours
from tests.benchmarks.test_report import verify_rows


def recog(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def crops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("recog.embedders.load_embedder", lambda *_, **__: ColourEmbedder())
    folder = tmp_path / "crops"
    made = people_of_colours(people=6, photos=4)
    for image, label, number in zip(made.images, made.labels, range(99), strict=False):
        place = folder / made.identities[label] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place)
    (tmp_path / "roles.csv").write_text(
        "identity,role\n" + "".join(f"p{k},{'a' if k < 3 else 'b'}\n" for k in range(6))
    )
    return folder


def objects(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def test_verify_all_pairs_prints_and_keeps_rows(crops: Path, tmp_path: Path) -> None:
    call = ("bench", "verify", "--images", crops, "--all-pairs", "--out", tmp_path / "out", "--resamples", 20)
    printed = objects(recog(*call, "--json"))
    assert {"TAR@FMR=1e-2", "AUC"} <= {row["metric"] for row in printed}
    assert not any(row["metric"] == "failure to enroll" for row in printed)  # nothing was searched for
    assert [row.value for row in rows.read(tmp_path / "out" / "verify.jsonl")] == [
        r["value"] for r in printed
    ]
    assert "TAR@FMR=1e-2 1.0000" in recog(*call).output


def test_verify_roles_choose_people(crops: Path, tmp_path: Path) -> None:
    shared = ("bench", "verify", "--images", crops, "--all-pairs", "--out", tmp_path / "out", "--json")
    chosen = objects(recog(*shared, "--roles", tmp_path / "roles.csv", "--role", "a", "--resamples", 10))
    auc = next(row for row in chosen if row["metric"] == "AUC")
    assert auc["details"]["people"] == 3
    missing = recog(*shared, "--roles", tmp_path / "roles.csv", "--role", "report")
    assert missing.exit_code == 4
    assert "role 'report'" in missing.output


def test_verify_a_csv_of_aligned_crops(crops: Path, tmp_path: Path) -> None:
    files = sorted(file.relative_to(crops).as_posix() for file in crops.rglob("*.png"))
    lines = [f"{a},{b},{int(a[:2] == b[:2])}" for a, b in zip(files, files[1:] + files[:1], strict=True)]
    lines += [f"{a},{b},0" for a, b in zip(files[:12], files[12:], strict=True)]
    (tmp_path / "pairs.csv").write_text("a,b,same\n" + "\n".join(lines) + "\n")
    call = ("bench", "verify", "--images", crops, "--pairs", tmp_path / "pairs.csv", "--aligned", "--json",
            "--out", tmp_path / "out")  # fmt: skip
    found = {row["metric"]: row for row in objects(recog(*call))}
    assert found["accuracy"]["value"] == 1.0
    assert found["accuracy"]["n"] == 36


@pytest.mark.parametrize(
    "wrong",
    [(), ("--pairs", "x", "--all-pairs"), ("--all-pairs", "--landmarks", "x"), ("--all-pairs", "--role", "a"),
     ("--pairs", "x", "--aligned", "--landmarks", "x")],
)  # fmt: skip
def test_wrong_usage_is_a_usage_error(wrong: tuple[str, ...]) -> None:
    result = recog("bench", "verify", "--images", "x", *wrong)
    assert result.exit_code == 2
    assert "Usage" in result.output


@pytest.mark.parametrize("wrong", [("--enroll-role", "a"), ("--roles", "roles.csv")])
def test_roles_and_a_role_go_together_in_open_sets(wrong: tuple[str, ...]) -> None:
    """Else a mistyped call would enroll the people whom the model learned from."""
    folders = ("--enroll", "x", "--calibrate", "x", "--strangers", "x")
    result = recog("bench", "openset", *folders, *wrong)
    assert result.exit_code == 2
    assert "--roles" in result.output


def test_augment_without_synthetic_arms(crops: Path, tmp_path: Path) -> None:
    folders = (
        "--data",
        crops,
        "--report",
        crops,
        "--roles",
        tmp_path / "roles.csv",
        "--out",
        tmp_path / "out",
    )
    roles = ("--user-role", "a", "--report-role", "b")
    size = ("--arms", "none", "--people", 3, "--photos", 2, "--seeds", 1, "--kimg", 0.016, "--batch-size", 8)
    network = ("--size", 32, "--backbone", "resnet10t", "--backbone-options", '{"channels": [8, 8, 8, 8]}')
    call = ("bench", "augment", *folders, *roles, *size, *network, "--device", "cpu", "--json")
    estimated = objects(recog(*call, "--cost-table"))
    assert [row["metric"] for row in estimated] == ["seconds a run"]
    printed = objects(recog(*call))
    assert {row["arm"] for row in printed} == {"none"}
    assert objects(recog(*call)) == []  # everything is there
    same_people = recog(*call, "--report-role", "a")
    assert same_people.exit_code == 4
    assert "both learned from and in" in same_people.output


def test_report_names_what_it_wrote(tmp_path: Path) -> None:
    rows.append_all(tmp_path, verify_rows())
    files = [
        Path(entry["file"]) for entry in objects(recog("bench", "report", "--results", tmp_path, "--json"))
    ]
    assert {file.name for file in files} >= {"report.md", "report.html"}
    assert all(file.is_file() for file in files)


def test_bench_modules_import_nothing_heavy() -> None:
    import subprocess
    import sys

    code = "import benchmarks.cli.verify, benchmarks.cli.augment, benchmarks.cli.demo, sys; " \
           "print([m for m in ('torch', 'sklearn', 'matplotlib') if m in sys.modules])"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
