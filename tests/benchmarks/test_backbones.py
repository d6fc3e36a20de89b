"""Backbones side by side, on a lesson of four steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.backbones import backbones
from benchmarks.exams import of_crops
from benchmarks.speed import speed
from benchmarks.timing import Timed, in_turn, takes
from recog.errors import ConfigError, DataError
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
    monkeypatch.setattr("benchmarks.backbones.SETTINGS", ((1, 1), (4, 1)))
    crops = people_of_colours(people=6, photos=4, size=32)
    exam = of_crops(people_of_colours(people=20, photos=4, size=32, seed=1, family="q"), "others")
    rows = backbones(["resnet10t"], CONFIG, crops, [ColourEmbedder()], exam, rounds=12, device="cpu")
    found = {row.metric: row for row in rows}
    assert found["parameters, millions"].value == pytest.approx(4.9, abs=0.3)
    assert 0 < found["AUC"].value <= 1
    for metric in ("ms a face, 1 at once, 1 thread", "ms a face, 4 at once, 1 thread"):
        assert found[metric].value > 0
        assert found[metric].ci95 is not None
    assert {row.arm for row in rows} == {"resnet10t"}


def test_people_are_not_judged_on_whom_they_taught() -> None:
    crops = people_of_colours(people=3, photos=2, size=32)
    with pytest.raises(DataError, match="3 people are both learned from and in others, as 'p0'"):
        backbones(["resnet10t"], CONFIG, crops, [ColourEmbedder()], of_crops(crops, "others"))


def test_times_and_ratios() -> None:
    slow, quick = Timed(np.array([0.4, 0.2, 0.6])), Timed(np.array([0.1, 0.1, 0.2]))
    assert slow.median == 0.4
    ratio, (low, high) = slow.ratio(quick)
    assert ratio == pytest.approx(3.0)
    assert low <= ratio <= high


def mean_of_pixels(path: Path, side: int) -> Path:
    """A model for one face at once: the mean colour."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    shapes = [[1, 3, side, side], [1, 3]]
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
    onnx.save(model, path)
    return path


def test_a_model_with_a_fixed_batch_says_so(tmp_path: Path) -> None:
    one = mean_of_pixels(tmp_path / "one.onnx", side=8)
    assert takes(one, 1)
    assert not takes(one, 2)
    assert in_turn({"one": one}, batch=1, threads=1, rounds=5)["one"].median > 0
    with pytest.raises(DataError, match="takes 1 faces"):
        in_turn({"one": one}, batch=2, threads=1)


def test_models_are_timed_against_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.speed.SETTINGS", ((1, 1),))
    made = mean_of_pixels(tmp_path / "mean.onnx", side=8)
    larger = mean_of_pixels(tmp_path / "larger.onnx", side=512)
    rows = speed([str(larger), str(made)], rounds=20, names={str(made): "mean"})
    found = {(row.arm, row.metric): row.value for row in rows}
    assert set(found) == {("larger.onnx", "ms a face"), ("larger.onnx", "times mean"), ("mean", "ms a face")}
    assert found["larger.onnx", "times mean"] > 1.5
    with pytest.raises(ConfigError, match="two different"):
        speed([str(made)])
    with pytest.raises(ConfigError, match="names that differ"):
        speed([str(larger), str(made)], names={str(made): "larger.onnx"})
