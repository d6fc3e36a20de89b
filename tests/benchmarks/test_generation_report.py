"""What the report says of made-up faces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import report
from benchmarks.generation.bench import REAL
from benchmarks.generation.summary import KID
from benchmarks.generation.techniques import REFERENCE, STOPPED, VAE_GAN
from benchmarks.readme import card, figures
from benchmarks.report import build
from benchmarks.rows import Row, append_all
from generative.synthesis import BUNDLED
from recog import checkpoints
from recog.errors import DataError
from recog.images import png
from tests.benchmarks.test_rows import a_row


def technique_rows() -> list[Row]:
    values = {REAL: 0.1, REFERENCE: 2.1, "cGAN, base": 0.6, "hinge": 1.6, VAE_GAN: 0.9}
    shared = {"bench": "techniques", "data": "people", "protocol": "60 thousand faces"}
    rows = [
        a_row(**shared, arm=arm, metric=KID, value=value, ci95=(value - 0.05, value + 0.05), n=900)
        for arm, value in values.items()
    ]
    rows += [
        a_row(**shared, arm="hinge", metric=STOPPED, value=0.0),
    ]
    why = "the loss of phase 'generator' is not finite"
    return [*rows, a_row(**shared, arm="least squares", metric=STOPPED, value=1.0, details={"why": why})]


def test_techniques_stand_beside_the_reference() -> None:
    found = build(technique_rows())
    section = found.sections[0]
    lines = {line[0]: line[1:] for line in section.tables[0].body}
    assert list(lines) == [
        REAL,
        REFERENCE,
        "cGAN, base",
        "least squares",
        "hinge",
        VAE_GAN,
    ]  # the order of the arms
    assert lines["cGAN, base"][0] == "0.600 [0.550, 0.650]"
    assert "stopped: the loss of phase 'generator' is not finite" in lines["least squares"]
    assert len({len(line) for line in lines.values()}) == 1
    assert "cGAN, base leaves 25 %, VAE-GAN 40 %; 2 of 4 techniques at least halve it" in section.text[0]
    assert "Stopped before the end: least squares." in section.text[0]
    assert [picture for picture in found.pictures.values() if picture.startswith(b"\x89PNG")]


def test_arms_of_several_seeds_have_their_mean_and_three_an_interval() -> None:
    rows = technique_rows()
    for seed, shift in ((1, 0.2), (2, 0.4)):
        rows += [
            replace(row, value=row.value + shift, seed=seed)
            for row in technique_rows()
            if row.arm == REFERENCE
        ]
        section, *_ = build(rows).sections
        (cell,) = [line[1] for line in section.tables[0].body if line[0] == REFERENCE]
        assert cell.startswith(f"{2.1 + shift / 2:.3f}")
        assert ("[" in cell) is (seed == 2)


def test_nothing_is_said_without_a_reference() -> None:
    rows = [row for row in technique_rows() if row.arm != REFERENCE]
    assert build(rows).sections[0].text == []


def test_a_card_tells_of_its_own_weights_only(tmp_path: Path) -> None:
    shared = {"bench": "generate", "data": "people", "protocol": "x", "metric": "identity AUC", "ci95": None}
    weights = BUNDLED["bundled-gan"]
    digest = checkpoints.load(weights, kind="gan").digest
    append_all(tmp_path, [a_row(**shared, arm="other", value=0.5, model="another", plan="b")])
    with pytest.raises(DataError, match="bench generate"):
        card(tmp_path, weights)
    append_all(
        tmp_path,
        [
            a_row(**shared, arm=REAL, value=0.97, model=None, plan="a"),
            a_row(**shared, arm="bundled-gan", value=0.91, model=digest, plan="a"),
            a_row(**shared, arm="bundled-vae", value=0.88, model="another", plan="a"),
        ],
    )
    assert card(tmp_path, weights).splitlines()[2:] == [
        f"|  | {REAL} | bundled-gan |",
        "| --- | --- | --- |",
        "| identity AUC | 0.970 | 0.910 |",
    ]


def test_generators_have_a_line_a_metric(tmp_path: Path) -> None:
    shared = {"bench": "generate", "data": "people", "protocol": "four photos a person"}
    pictures = {"figures/faces-gan.png": "gan: faces", "figures/lost.png": "lost: faces"}
    append_all(
        tmp_path,
        [
            a_row(**shared, arm=REAL, metric="FID, recogniser B", value=12.5),
            a_row(
                **shared, arm="gan", metric="FID, recogniser B", value=40.25, details={"pictures": pictures}
            ),
            a_row(**shared, arm="gan", metric="face found", value=0.99),
            a_row(**shared, arm="gan", metric="nearest training face, B, KS p", value=1e-9),
        ],
    )
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/faces-gan.png").write_bytes(png(np.zeros((8, 8, 3), np.uint8)))
    told = figures(tmp_path)
    assert "| FID, recogniser B | 12.500 | 40.250 |" in told
    assert "| | real photos | gan |".replace("| |", "|  |") in told
    files = report.write(tmp_path, tmp_path / "out")
    text = (tmp_path / "out/report.md").read_text()
    assert "| FID, recogniser B | 12.500 | 40.250 |" in text  # no share, though it begins with an F
    assert "| face found |  | 99.00 % |" in text
    assert "KS p |  | < 0.001 |" in text
    assert tmp_path / "out/figures/faces-gan.png" in files
    assert "figures/lost.png is not beside the rows any more" in text
