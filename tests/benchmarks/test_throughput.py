"""How many faces an hour: of a small network."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.generation import throughput
from benchmarks.generation.throughput import FASTER, MODES
from benchmarks.rows import Row
from generative import presets
from tests.generative.stand_ins import SIZE, SMALL, make_embedder


@pytest.mark.parametrize("pays", [True, False])
def test_each_mode_has_its_pace(pays: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "has_fast_bf16", lambda place: pays)
    modes = [mode for mode, switches in MODES.items() if pays or not switches["bf16"]]
    pace, settings = presets.pace, presets.settings
    small = {"image_size": SIZE, "batch_size": 4}

    def small_pace(kind: str, **changes: Any) -> Any:
        return pace(kind, **{**small, **changes})

    monkeypatch.setattr(presets, "pace", small_pace)
    monkeypatch.setattr(presets, "settings", lambda kind: settings(kind, **SMALL[kind]))
    kept: list[list[Row]] = []
    rows = throughput.throughput(
        ("gan", "reader"), make_embedder(), steps=6, rounds=2, kept=kept.append, device="cpu"
    )
    assert [len(part) for part in kept] == [2 * len(modes)] * 2
    by_arm = {(row.arm, row.metric): row for row in rows}
    assert all(
        by_arm[f"{kind}, {mode}", "kimg/hour"].value > 0 for kind in ("gan", "reader") for mode in modes
    )
    assert len(by_arm) == len(rows) == 4 * len(modes)
    assert by_arm["gan, fp32", FASTER].value == 1
    ratio = by_arm["gan, fp32, channels_last", FASTER]
    assert ratio.n == 2
    assert ratio.ci95 is not None
    assert ratio.ci95[0] <= ratio.value <= ratio.ci95[1]
