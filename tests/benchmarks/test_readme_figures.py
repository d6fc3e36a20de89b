"""The tables of the README, from made-up rows."""

from __future__ import annotations

from pathlib import Path

from benchmarks import rows
from benchmarks.readme import figures, galleries, models
from tests.benchmarks.test_rows import a_row

LFW = "10 folds as listed; MTCNN, largest central face"
CROPS = "all pairs; aligned crops"


def test_a_line_a_model_and_the_columns_that_were_measured() -> None:
    found = [
        a_row(arm="ours", protocol=LFW, metric="accuracy", value=0.99),
        a_row(arm="peer", protocol="10 folds; the model's own detection", metric="accuracy", value=0.98),
        a_row(arm="ours", protocol=CROPS, metric="TAR@FMR=1e-3", value=0.8, ci95=(0.7, 0.9)),
        a_row(arm="ours", protocol=f"{CROPS}; damaged: 8x down", metric="TAR@FMR=1e-3", value=0.2),
        a_row(
            arm="ours", bench="speed", protocol="one pass; 1 at once, 1 thread", metric="ms a face", value=3.0
        ),
        a_row(
            arm="ours",
            bench="speed",
            protocol="one pass; 1 at once, 2 threads",
            metric="ms a face",
            value=9.0,
        ),
    ]
    table = models(found)
    assert table.head == ["", "LFW accuracy", "CelebA TAR@FMR=1e-3", "8x down", "ms a face, 1 thread"]
    assert table.body == [
        ["ours", "99.00 %", "80.00 % [70.00, 90.00]", "20.00 %", "3.000"],
        ["peer", "98.00 %", "", "", ""],
    ]


def test_a_line_a_gallery() -> None:
    found = [
        a_row(
            bench="identify",
            arm=f"ours, {people} people",
            metric=metric,
            value=value,
            details={"people": people},
        )
        for people in (10, 100)
        for metric, value in (("rank-1", 1 - people / 1000), ("FPIR, 1 % wanted", 0.01))
    ]
    (table,) = galleries(found)
    assert table.body == [
        ["ours, 10 people", "99.00 %", "", "1.00 %"],
        ["ours, 100 people", "90.00 %", "", "1.00 %"],
    ]


def test_figures_are_markdown(tmp_path: Path) -> None:
    rows.append_all(tmp_path, [a_row(arm="ours", protocol=LFW, metric="accuracy", value=0.99)])
    assert figures(tmp_path) == (
        "**Same person or not**\n\n|  | LFW accuracy |\n| --- | --- |\n| ours | 99.00 % |\n"
    )
