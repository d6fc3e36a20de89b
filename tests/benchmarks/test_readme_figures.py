"""The tables of the README, from made-up rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import rows
from benchmarks.readme import figures, galleries, models, synthesis
from tests.benchmarks.test_rows import a_row

LFW = {"data": "lfw/images, pairs.txt", "protocol": "10 folds as listed; MTCNN, largest central face"}
CROPS = {"data": "celeba/val", "protocol": "all pairs; aligned crops"}
DOWN = CROPS | {"protocol": "all pairs; aligned crops; damaged: 8x down"}
PEER = LFW | {"protocol": "10 folds; the model's own detection; without a face a photo matches nobody"}


def test_a_line_a_model_and_the_columns_that_were_measured() -> None:
    found = [
        a_row(arm="ours", **LFW, metric="accuracy", value=0.99),
        a_row(arm="peer", **PEER, metric="accuracy", value=0.98),
        a_row(arm="ours", **CROPS, metric="TAR@FMR=1e-3", value=0.8, ci95=(0.7, 0.9)),
        a_row(arm="ours", **DOWN, metric="TAR@FMR=1e-3", value=0.2),
    ]
    found += [
        a_row(
            arm="ours",
            bench="speed",
            protocol=f"pass; 1 at once, {threads}, x",
            metric="ms a face",
            value=value,
        )
        for threads, value in (("1 thread", 3.0), ("2 threads", 9.0))
    ]
    table = models(found)
    assert table.head == ["", "LFW accuracy", "CelebA TAR@FMR=1e-3", "8x down", "ms a face, 1 thread"]
    assert table.body == [
        ["ours", "99.00 %", "80.00 % [70.00, 90.00]", "20.00 %", "3.000"],
        ["peer", "98.00 %", "", "", ""],
    ]


def test_other_protocols_and_older_weights_are_no_part_of_a_line() -> None:
    unlike = [
        LFW | {"protocol": "10 folds as listed; MTCNN, largest central face; without mirror images"},
        LFW | {"protocol": "10 folds as listed; published landmarks"},
        LFW | {"protocol": "10 folds as listed; aligned crops"},
    ]
    found = [a_row(arm="ours", **CROPS, metric="TAR@FMR=1e-3", value=0.3, model="old")]
    found += [a_row(arm="ours", **LFW, metric="accuracy", value=0.99, model="new")]
    for metric in ("accuracy", "TAR@FMR=1e-3"):
        found += [a_row(arm="ours", **other, metric=metric, value=0.5, model="new") for other in unlike]
    found += [
        a_row(arm="ours", **LFW | {"protocol": "10 folds; aligned crops"}, metric="TAR@FMR=1e-3", model="new")
    ]
    assert models(found).body == [["ours", "99.00 %"]]


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
    several = [replace(row, protocol="3 templates", value=0.5) for row in found]
    table, other = galleries([*found, *several])
    assert {cell for line in other.body for cell in line[1:]} == {"50.00 %", ""}
    assert table.body == [
        ["ours, 10 people", "99.00 %", "", "1.00 %"],
        ["ours, 100 people", "90.00 %", "", "1.00 %"],
    ]


def test_figures_are_markdown(tmp_path: Path) -> None:
    rows.append_all(tmp_path, [a_row(arm="ours", **LFW, metric="accuracy", value=0.99)])
    assert figures(tmp_path) == (
        "**Same person or not**\n\n|  | LFW accuracy |\n| --- | --- |\n| ours | 99.00 % |\n"
    )


@pytest.mark.parametrize(("confirms", "seeds"), [(True, 1), (False, 1), (True, 2)])
def test_what_was_explored_or_is_not_whole_is_left_to_the_report(
    tmp_path: Path, confirms: bool, seeds: int
) -> None:
    declared = {
        "digest": "d",
        "arms": {"strong": "r"},
        "seeds": [0, seeds],
        "baseline": "strong",
        "margin": 0.005,
        "metric": "TAR@FMR=1e-2",
        "confirms": confirms,
    }
    details = {"declaration": declared, "recipe": "r", "people": 250, "photos": 3}
    arm = a_row(bench="augment", arm="strong", metric="TAR@FMR=1e-2", seed=0, value=0.25, details=details)
    rows.append_all(tmp_path, [arm])
    told = confirms and seeds == 1
    assert ("| strong | 25.00 % |" in synthesis(tmp_path)) == told
    assert ("250 people x 3 photos" in synthesis(tmp_path)) == told
    assert "strong" not in figures(tmp_path)
