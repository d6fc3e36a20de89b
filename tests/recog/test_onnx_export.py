"""Embedders as ONNX files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from recog.alignment import AlignedCrops
from recog.cli import main
from recog.embedders import load_embedder
from recog.embedding import Embedder
from recog.errors import CheckpointError, ConfigError, DeviceUnavailable, ModelNotFound
from recog.onnx_export import export
from recog.recognizer import Recognizer
from recog.training.whitening import whitened
from tests.recog.test_embedding import embedder
from tests.recog.test_whitening import crops

pytest.importorskip("onnxscript")
__all__ = ["embedder"]


def test_the_file_answers_as_the_network(embedder: Embedder, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    path = export(embedder, tmp_path / "model.onnx")
    crops = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    loaded = load_embedder(path)  # the file says how it wants its pixels
    assert loaded.image_size == embedder.image_size
    assert loaded.embed(crops, flip=False) == pytest.approx(embedder.embed(crops, flip=False), abs=1e-4)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for batch in (1, 3):  # the batch size is free
        images = np.zeros((batch, 3, 32, 32), np.float32)
        assert session.run(None, {"images": images})[0].shape == (batch, embedder.embedding_size)


def test_the_file_says_which_crops_the_network_learned_from(embedder: Embedder, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    taught = Embedder.of_network(
        embedder.network, {**embedder.config, "crop_size": 24}, name="tiny", device=embedder.device
    )
    loaded = load_embedder(export(taught, tmp_path / "model.onnx"))
    assert (loaded.image_size, loaded.crop_size) == (32, 24)
    assert load_embedder(export(embedder, tmp_path / "other.onnx")).crop_size == 32


def test_a_whitened_model_is_exported_with_its_whitening(embedder: Embedder, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    learned = crops()
    made = whitened(embedder, learned)
    loaded = load_embedder(export(made, tmp_path / "model.onnx"))
    some = learned.images[:4]
    assert loaded.embed(some, flip=False) == pytest.approx(made.embed(some, flip=False), abs=1e-4)


def test_a_damaged_or_absent_file_is_named(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(ModelNotFound, match="--model"):
        load_embedder(tmp_path / "none.onnx")
    with pytest.raises(ConfigError, match="of ONNX files"):
        load_embedder("recog-s", mean=0.0)
    (tmp_path / "bad.onnx").write_bytes(b"not a network")
    with pytest.raises(CheckpointError, match=r"bad\.onnx: not a readable ONNX"):
        load_embedder(tmp_path / "bad.onnx")
    with pytest.raises(DeviceUnavailable, match="CPU"):
        load_embedder(tmp_path / "bad.onnx", "cuda")


def test_a_gallery_of_an_onnx_model_can_be_described(
    embedder: Embedder,
    tmp_path: Path,
) -> None:
    """Also when the file has gone: then without the thresholds in force."""
    embedder.config["thresholds"] = {"fmr_0.001": 0.5, "fpir_0.01_10": 0.6}
    path = export(embedder, tmp_path / "model.onnx")
    gallery = tmp_path / "people.gallery"
    crop = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    with Recognizer.open(gallery, path, detector=AlignedCrops()) as recognizer:
        assert recognizer.enroll("ada", crop).added == 1
        assert recognizer.query(crop)[0].threshold == 0.6  # the card travels with the file
    described = CliRunner().invoke(main, ["info", "--gallery", str(gallery), "--json"])
    assert json.loads(described.stdout)["thresholds"]["query"]["threshold"] == 0.6
    path.unlink()
    described = CliRunner().invoke(main, ["info", "--gallery", str(gallery), "--json"])
    assert described.exit_code == 0
    assert json.loads(described.stdout)["thresholds"]["query"] is None


def test_the_command_exports(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        main, ["models", "export", "recog-s", "--out", str(tmp_path / "s.onnx"), "--json"]
    )
    assert done.exit_code == 0, done.output
    assert load_embedder(tmp_path / "s.onnx").embedding_size == 128
