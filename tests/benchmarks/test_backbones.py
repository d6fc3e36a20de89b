"""Backbones side by side, on a lesson of four steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.backbones import backbones
from benchmarks.exams import of_crops
from benchmarks.timing import Timed, in_turn, takes
from recog.errors import DataError
from recog.training import DistillConfig
from tests.benchmarks.fakes import ColourEmbedder, people_of_colours

pytest.importorskip("onnxscript")
CONFIG = DistillConfig(
    image_size=32,
    embedding_size=3,
    batch_size=8,
    total_kimg=0.032,
    workers=0,
    bf16=False,
    augmentation="flip",
)


@pytest.mark.timeout(600)
def test_every_candidate_is_judged_and_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("benchmarks.backbones.TIMED", ((1, 1), (4, 1)))
    crops = people_of_colours(people=6, photos=4, size=32)
    exam = of_crops(people_of_colours(people=20, photos=4, size=32, seed=1), "others")
    rows = backbones(["resnet10t"], CONFIG, crops, [ColourEmbedder()], exam, rounds=12, device="cpu")
    found = {row.metric: row for row in rows}
    assert found["parameters, millions"].value == pytest.approx(4.9, abs=0.3)
    assert 0 < found["AUC"].value <= 1
    for metric in ("ms a face, 1 at once, 1 thread", "ms a face, 4 at once, 1 thread"):
        assert found[metric].value > 0
        assert found[metric].ci95 is not None
    assert {row.arm for row in rows} == {"resnet10t"}


def test_times_and_ratios() -> None:
    slow, quick = Timed(np.array([0.4, 0.2, 0.6])), Timed(np.array([0.1, 0.1, 0.2]))
    assert slow.median == 0.4
    ratio, (low, high) = slow.ratio(quick)
    assert ratio == pytest.approx(3.0)
    assert low <= ratio <= high


def test_a_model_with_a_fixed_batch_says_so(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    shapes = [[1, 3, 8, 8], [1, 3]]
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip(("x", "y"), shapes, strict=True)
    ]
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "mean", ports[:1], ports[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "one.onnx")
    assert takes(tmp_path / "one.onnx", 1)
    assert not takes(tmp_path / "one.onnx", 2)
    assert in_turn({"one": tmp_path / "one.onnx"}, batch=1, threads=1, rounds=5)["one"].median > 0
    with pytest.raises(DataError, match="takes 1 faces"):
        in_turn({"one": tmp_path / "one.onnx"}, batch=2, threads=1)
