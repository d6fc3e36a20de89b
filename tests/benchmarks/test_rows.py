import json
from pathlib import Path

import pytest

from benchmarks import rows
from benchmarks.rows import Row
from recog.errors import ConfigError, DataError


def a_row(**changes: object) -> Row:
    fields = {
        "bench": "verify",
        "protocol": "p",
        "data": "d",
        "arm": "m",
        "metric": "accuracy",
        "value": 0.5,
        "n": 10,
        "plan": "abc",
        "commit": "c",
        "device": "cpu",
        "seconds": 1.0,
        "command": "recog bench verify",
    }
    return Row(**{**fields, **changes})  # type: ignore[arg-type]


def test_rows_come_back_as_they_went(tmp_path: Path) -> None:
    path = tmp_path / "new" / "verify.jsonl"
    written = [a_row(ci95=(0.4, 0.6), details={"folds": [1, 2]}), a_row(seed=3, regime="open")]
    for row in written:
        rows.append(path, row)
    assert rows.read(path) == written
    promised = "bench protocol data arm metric value ci95 n seed plan model commit device seconds command"
    assert set(promised.split()) <= json.loads(path.read_text().splitlines()[0]).keys()


def test_appending_leaves_earlier_lines_alone(tmp_path: Path) -> None:
    path = tmp_path / "verify.jsonl"
    rows.append(path, a_row())
    before = path.read_bytes()
    rows.append(path, a_row(value=0.7))
    assert path.read_bytes().startswith(before)


def test_a_line_cut_off_by_a_crash_is_ignored_and_then_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "verify.jsonl"
    rows.append(path, a_row())
    with path.open("a") as file:
        file.write('{"bench": "ver')
    assert rows.read(path) == [a_row()]
    assert "cut off" in caplog.text
    rows.append(path, a_row(value=0.9))
    assert [row.value for row in rows.read(path)] == [0.5, 0.9]


def test_the_rows_of_a_call_are_written_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(rows, "append", lambda path, *found: calls.append((path, found)))
    first, other, last = made = [a_row(), a_row(bench="speed"), a_row(value=0.6)]
    assert rows.append_all(tmp_path, iter(made)) == made
    assert calls == [(tmp_path / "verify.jsonl", (first, last)), (tmp_path / "speed.jsonl", (other,))]


def test_measurements_share_what_is_said_of_all() -> None:
    source = rows.Origin(
        bench="verify", protocol="p", data="d", plan="abc", commit="c", device="cpu", command="recog"
    )
    found = [rows.Measurement("AUC", 1, 3), rows.Measurement("FMR", 0.5, 4, (0.1, 0.9), {"count": 2})]
    first, second = source.rows(found, arm="m", seconds=0.123, seed=7, details={"templates": 5})
    assert (first.metric, first.value, first.n, first.ci95) == ("AUC", 1.0, 3, None)
    assert first.details == {"templates": 5}
    assert (second.ci95, second.details) == ((0.1, 0.9), {"templates": 5, "count": 2})
    assert {(row.arm, row.seed, row.seconds, row.plan) for row in (first, second)} == {("m", 7, 0.12, "abc")}


def test_damaged_and_foreign_lines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "verify.jsonl"
    path.write_text('{"bench": "verify"}\n')
    with pytest.raises(DataError, match="line 1"):
        rows.read(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"verify\.jsonl: cannot be read"):
        rows.read(path)
    with pytest.raises(DataError, match="no rows"):
        rows.read_folder(tmp_path / "nowhere")


def test_numbers_must_be_finite() -> None:
    with pytest.raises(ConfigError, match="finite"):
        a_row(value=float("nan"))
    with pytest.raises(ConfigError, match="finite"):
        a_row(ci95=(0.0, float("inf")))


def test_the_plan_hash_follows_every_decision() -> None:
    assert rows.plan_hash({"a": 1, "b": 2}) == rows.plan_hash({"b": 2, "a": 1})
    assert rows.plan_hash({"a": 1}) != rows.plan_hash({"a": 2})


def test_origin_says_how_to_get_the_row_again() -> None:
    source = rows.origin("verify", "protocol", "faces", {"k": 1}, "cpu")
    (row,) = source.rows([rows.Measurement("AUC", 1, 3)], arm="m", seconds=0.123)
    assert row.command.startswith("recog")
    assert row.device.startswith("cpu")
    assert row.commit
    assert source.plan != rows.origin("verify", "protocol", "faces", {"k": 2}, "cpu").plan
