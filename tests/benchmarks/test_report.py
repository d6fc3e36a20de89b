import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import report, rows, stats
from benchmarks.augment.arms import declarations
from benchmarks.augment.costs import COST
from benchmarks.augment.summary import cost
from benchmarks.summaries import (
    discarded,
    history,
    latest,
    one_a_line,
    quantity,
    ranked,
    sized,
)
from recog.errors import DataError
from tests.benchmarks.test_rows import a_row


def verify_rows() -> list[rows.Row]:
    return [
        a_row(arm=arm, metric=metric, value=value, ci95=(value - 0.01, value + 0.004), data="faces", n=6000)
        for arm, value in (("ours", 0.91), ("a|b", 0.99))
        for metric in ("accuracy", "TAR@FMR=1e-3")
    ]


def augment_rows(seeds: int = 6) -> list[rows.Row]:
    generator = np.random.default_rng(0)
    gain = {"none": -0.1, "classic": 0.0, "classic+synthetic": 0.02, "synthetic": -0.03}
    base = generator.normal(0.7, 0.03, seeds)
    return [
        a_row(
            bench="augment",
            arm=arm,
            metric="TAR@FMR=1e-2",
            value=base[seed] + shift,
            seed=seed,
            seconds=100.0,
            regime="open" if "synthetic" in arm else None,
        )
        for seed in range(seeds)
        for arm, shift in gain.items()
    ] + [a_row(bench="augment", arm="none", metric=COST, value=90.0, details={"steps": 469})]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    rows.append_all(
        tmp_path, [*verify_rows(), *augment_rows(), a_row(bench="speed", metric="ms", value=12.3456)]
    )
    return tmp_path


def test_the_same_rows_give_the_same_bytes(results: Path, tmp_path: Path) -> None:
    first, second = (report.write(results, tmp_path / name) for name in ("one", "two"))
    assert [f.name for f in first] == [f.name for f in second]
    assert [f.read_bytes() for f in first] == [f.read_bytes() for f in second]
    assert {"report.md", "report.html"} <= {f.name for f in first}


def test_pictures_are_small_and_shown(results: Path) -> None:
    written = report.write(results, results)
    pictures = [f for f in written if f.suffix == ".png"]
    assert len(pictures) == 3  # of verify, arms and their effects; speed is not a share: a table only
    text = (results / "report.md").read_text()
    for picture in pictures:
        assert picture.stat().st_size < 300_000
        assert picture.relative_to(results).as_posix() in text


def test_markdown_tables_are_whole(results: Path) -> None:
    report.write(results, results)
    lines = (results / "report.md").read_text().splitlines()
    starts = [k for k, line in enumerate(lines) if re.fullmatch(r"\|( --- \|)+", line)]
    assert len(starts) == 5  # verify, augment, cost, speed, history
    for k in starts:
        pipes = len(re.findall(r"(?<!\\)\|", lines[k]))
        assert len(re.findall(r"(?<!\\)\|", lines[k - 1])) == pipes
        assert len(re.findall(r"(?<!\\)\|", lines[k + 1])) == pipes
    assert "| a\\|b | 99.00 % [98.00, 99.40] |" in "\n".join(lines)
    assert "12.346" in "\n".join(lines)  # not a share: no percent


def test_differences_are_paired_by_seed(results: Path) -> None:
    report.write(results, results)
    text = (results / "report.md").read_text()
    assert (
        "Undecided, by 6 seeds: none -10.00 [-10.00, -10.00], classic+synthetic (open regime) +2.00" in text
    )
    # no spread: the pairing removed the seed's; Holm: three arms, the floor of six seeds each
    assert "| +2.00 [+2.00, +2.00] | [+2.00, +2.00] | 0.094 | undecided |" in text


def test_ten_seeds_can_tell(tmp_path: Path) -> None:
    rows.append_all(tmp_path, augment_rows(10))
    report.write(tmp_path, tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "| [+2.00, +2.00] | 0.006 | helps |" in text
    assert "[-10.00, -10.00]: none hurts by 10.0 points." in text


def test_groups_have_a_table_of_their_own() -> None:
    by_group = [
        a_row(
            arm="ours",
            metric=f"{rate} of age={group}, FMR 0.001 overall",
            value=value,
            n=50,
            data="faces",
            details={"group": f"age={group}", "rate": rate},
        )
        for group, rate, value in (("old", "FMR", 0.002), ("old", "FNMR", 0.2), ("young", "FMR", 0.001))
    ]
    built = report.build([*verify_rows(), *by_group])
    overall, groups = built.sections[0].tables[:2]
    assert overall.head == ["", "accuracy", "TAR@FMR=1e-3"]
    assert "n = 6,000)" in overall.caption
    assert groups.head == ["", "pairs of", "FMR", "FNMR"]
    lines = [[text.partition(" [")[0] for text in line] for line in groups.body]
    assert lines == [["ours", "age=old", "0.20 %", "20.00 %"], ["ours", "age=young", "0.10 %", ""]]


def test_html_escapes(results: Path) -> None:
    rows.append_all(results, [a_row(arm="<b>", data="faces", value=0.1)])
    report.write(results, results)
    assert "<b>" not in (results / "report.html").read_text()
    assert "&lt;b&gt;" in (results / "report.html").read_text()


def test_a_later_row_of_the_same_measurement_counts() -> None:
    assert [row.value for row in latest([a_row(value=0.1), a_row(value=0.2), a_row(value=0.3, arm="x")])] == [
        0.2,
        0.3,
    ]


def test_what_was_measured_again_is_the_last_plan() -> None:
    first, second = a_row(plan="a", value=0.1), a_row(plan="b", value=0.2)
    again = a_row(plan="a", value=0.3)
    assert [row.value for row in one_a_line(latest([first, second, again]))] == [0.3]


def test_every_seed_has_a_last_plan() -> None:
    """Plans of galleries have the seed in them."""
    made = [a_row(plan=f"p{seed}", seed=seed, value=0.1 * seed) for seed in (0, 1)]
    assert [row.arm.rpartition(", ")[2] for row in one_a_line(made)] == ["seed 0", "seed 1"]
    other = a_row(plan="p2", seed=2, value=0.9, model="new weights")
    assert [row.value for row in one_a_line([*made, other])] == [0.9]


def test_time_is_counted_once() -> None:
    """Rows of one measurement share its seconds; backbones are timed after they were distilled."""
    shared = {"bench": "backbones", "command": "recog", "commit": "c", "device": "d"}
    judged = [
        a_row(**shared, arm=arm, metric=metric, seconds=600.0)
        for arm in ("a", "b")
        for metric in ("AUC", "parameters, millions")
    ]
    timed = [
        a_row(**shared, arm=arm, metric=f"ms a face, {batch} at once", seconds=60.0)
        for arm in ("a", "b")
        for batch in (1, 32)
    ]
    assert history([*judged, *timed]).body == [["backbones", "recog", "c", "d", "24 min"]]


def declared(digest: str, arms: dict[str, str], seeds: tuple[int, int]) -> dict[str, object]:
    said = {"digest": digest, "arms": arms, "seeds": list(seeds), "baseline": "classic", "margin": 0.005}
    return {**said, "metric": "AUC", "confirms": False}


def of_seeds(
    said: dict[str, object], arm: str, recipe: str, seeds: range, shift: float = 0.0
) -> list[rows.Row]:
    details = {"declaration": said, "recipe": recipe}
    base = np.random.default_rng(1).normal(0.7, 0.03, 200)
    return [
        a_row(bench="augment", arm=arm, metric="AUC", value=base[seed] + shift, seed=seed, details=details)
        for seed in seeds
    ]


def test_what_was_declared_later_is_judged_by_its_own_seeds() -> None:
    first = declared("a", {"classic": "c", "lucky": "l", "other": "o"}, (0, 6))
    confirming = declared("b", {"classic": "c", "lucky": "l"}, (100, 110))
    explored = [
        *of_seeds(first, "classic", "c", range(6)),
        *of_seeds(first, "lucky", "l", range(6), 0.05),
        *of_seeds(first, "other", "o", range(6), 0.01),
    ]
    fresh = [
        *of_seeds(confirming, "classic", "c", range(100, 110)),
        *of_seeds(confirming, "lucky", "l", range(100, 110), -0.02),
    ]
    (section, _) = report.build([*explored, *fresh]).sections
    tables = [table for table in section.tables if table.caption.startswith("What it came to")]
    assert [[line[0] for line in table.body] for table in tables] == [
        ["classic", "lucky", "other"],
        ["classic", "lucky"],
    ]
    assert [table.body[1][-1] for table in tables] == ["undecided", "hurts"]
    assert [table.body[1][1] for table in tables] == ["6", "10"]


def test_seeds_that_were_added_after_results_are_said_to_be() -> None:
    arms = {"classic": "c", "x": "x"}
    first, longer = declared("a", arms, (0, 4)), declared("b", arms, (0, 8))
    found = [*of_seeds(first, "classic", "c", range(4)), *of_seeds(first, "x", "x", range(4))]
    assert [one.again for one in declarations(found)] == [False]
    found += [*of_seeds(longer, "classic", "c", range(4, 8)), *of_seeds(longer, "x", "x", range(4, 8))]
    assert [one.again for one in declarations(found)] == [False, True]
    (section, _) = report.build(found).sections
    assert "confirms nothing" in " ".join(section.text)


def test_arms_that_are_the_same_but_for_chance_are_an_a_a() -> None:
    said = declared("a", {"classic": "c", "A/A": "other seed", "x": "x"}, (0, 12))
    found = [
        replace(row, details={**row.details, "twin": "x" if row.arm == "x" else "c"})
        for arm, recipe in (("classic", "c"), ("A/A", "other seed"), ("x", "x"))
        for row in of_seeds(said, arm, recipe, range(12), 0.0 if arm == "classic" else 0.01)
    ]
    noisy = np.random.default_rng(3).normal(0, 0.02, len(found))
    found = [replace(row, value=row.value + luck) for row, luck in zip(found, noisy, strict=True)]
    (section, _) = report.build(found).sections
    (line,) = [text for text in section.text if "but for chance" in text]
    assert "A/A is classic but for chance: of 100 trials with 6 of its seeds each" in line


def test_of_an_arm_that_changed_the_recipe_declared_counts() -> None:
    said = declared("a", {"classic": "c", "x": "new"}, (0, 3))
    found = [*of_seeds(said, "x", "old", range(3)), *of_seeds(said, "x", "new", range(1, 5))]
    (one,) = declarations(found)
    assert one.by_arm(found, "AUC")["x"].keys() == {1, 2}  # 3 and 4 were not declared


def test_curves_are_of_the_rows_that_say_where_they_lie() -> None:
    facts = [{"name": "ours", "people": 1000}, {"name": "ours", "people": 10}, {}]
    misses = [a_row(metric="rank-1", value=0.9, details=details) for details in facts]
    assert sized(misses) == {
        "ours: miss at rank 1": [(10.0, pytest.approx(10.0)), (1000.0, pytest.approx(10.0))]
    }
    assert sized(misses[1:]) == {}  # a point is no curve
    rates = [a_row(arm="by score", value=0.5, details=details) for details in ({"discarded": 0.05}, {})]
    assert discarded(rates) == {"by score": [(5.0, 50.0)]}


def test_a_model_is_drawn_with_its_largest_gallery(tmp_path: Path) -> None:
    curves = {"cmc": [[1, 0.8], [5, 0.9]], "det": [[0.01, 0.5], [0.1, 0.2]]}
    facts = [{"name": "ours", "people": people} | curves for people in (100, 1000, 10)]
    found = [a_row(bench="identify", metric="rank-1", arm=f"ours, {f['people']}", details=f) for f in facts]
    assert [row.details["people"] for row in ranked(found)] == [1000]
    rows.append_all(tmp_path, found)
    assert any("-cmc-" in file.name for file in report.write(tmp_path, tmp_path))


def test_cost_counts_each_run_once() -> None:
    table = cost(augment_rows(3))
    assert table is not None
    assert table.body[0] == ["none", "90 s", "469", "100 s", "3"]


def test_quantities() -> None:
    assert quantity(0.99384, (0.9905, 0.9971), share=True) == "99.38 % [99.05, 99.71]"
    assert stats.sign_flip(np.ones(6)) == pytest.approx(2 / 64)


def test_no_rows_no_report(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no rows"):
        report.write(tmp_path, tmp_path)
