"""Weights files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from recog import checkpoints
from recog.errors import CheckpointError, ModelNotFound, WriteFailed

TENSORS = {"weight": torch.tensor([[1.0, 2.5], [-3.0, 0.0]]), "steps": torch.tensor(7)}


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    digest = checkpoints.save(tmp_path / "a.safetensors", kind="gan", config={"side": 16}, tensors=TENSORS)
    loaded = checkpoints.load(tmp_path / "a.safetensors", kind="gan")
    assert loaded.config == {"side": 16}
    assert loaded.digest == digest
    assert torch.equal(loaded.tensors["weight"], TENSORS["weight"])
    assert loaded.tensors["steps"].dtype == torch.int64


def test_parts_are_named_without_their_prefix(tmp_path: Path) -> None:
    tensors = {"network.a.b": torch.ones(1), "networks.c": torch.ones(1), "people.mean": torch.zeros(2)}
    checkpoints.save(tmp_path / "w", kind="k", config={}, tensors=tensors)
    loaded = checkpoints.load(tmp_path / "w", kind="k")
    assert list(loaded.part("network")) == ["a.b"]
    assert list(loaded.part("people")) == ["mean"]
    assert loaded.part("directions") == {}


def test_half_precision_is_named_by_what_was_stored(tmp_path: Path) -> None:
    tensors = {"weight": torch.tensor([0.1])}
    digest = checkpoints.save(tmp_path / "a", kind="vae", config={}, tensors=tensors, dtype=torch.float16)
    loaded = checkpoints.load(tmp_path / "a", kind="vae")
    assert loaded.digest == digest
    assert loaded.tensors["weight"].dtype == torch.float32
    assert digest != checkpoints.digest_of("vae", {}, tensors)


@pytest.mark.parametrize(
    ("kind", "config", "tensors"),
    [
        ("vae", {"side": 16}, TENSORS),
        ("gan", {"side": 32}, TENSORS),
        ("gan", {"side": 16}, {**TENSORS, "weight": TENSORS["weight"] + 1}),
        ("gan", {"side": 16}, {**TENSORS, "weight": TENSORS["weight"].reshape(4)}),
    ],
)
def test_digest_tells_apart(kind: str, config: dict[str, int], tensors: dict[str, torch.Tensor]) -> None:
    assert checkpoints.digest_of(kind, config, tensors) != checkpoints.digest_of("gan", {"side": 16}, TENSORS)


def test_digest_leaves_the_description_out() -> None:
    named = {"side": 16, "name": "mine", "thresholds": {"fmr_1e-3": 0.4}}
    assert checkpoints.digest_of("gan", named, TENSORS) == checkpoints.digest_of("gan", {"side": 16}, TENSORS)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"nothing\.safetensors"):
        checkpoints.load(tmp_path / "nothing.safetensors", kind="gan")


def test_other_kind_is_refused(tmp_path: Path) -> None:
    checkpoints.save(tmp_path / "a", kind="gan", config={}, tensors=TENSORS)
    with pytest.raises(CheckpointError, match="holds a 'gan'"):
        checkpoints.load(tmp_path / "a", kind="embedder")


def test_one_of_several_kinds_will_do(tmp_path: Path) -> None:
    checkpoints.save(tmp_path / "a", kind="vae", config={}, tensors=TENSORS)
    assert checkpoints.load(tmp_path / "a", kind=("gan", "vae")).kind == "vae"
    with pytest.raises(CheckpointError, match="holds a 'vae' model, but a 'gan' or 'repairer' is needed"):
        checkpoints.load(tmp_path / "a", kind=("gan", "repairer"))


def test_weights_are_found_by_name_as_a_file_and_in_a_run(tmp_path: Path) -> None:
    bundled = {"small": tmp_path / "small.safetensors", "large": tmp_path / "large.safetensors"}
    run = tmp_path / "run"
    run.mkdir()
    (run / checkpoints.FINAL).touch()
    bundled["small"].touch()
    assert checkpoints.find("small", bundled, "model") == bundled["small"]
    assert checkpoints.find(run, bundled, "model") == run / checkpoints.FINAL
    assert checkpoints.find(str(run / checkpoints.FINAL), bundled, "model") == run / checkpoints.FINAL
    with pytest.raises(
        ModelNotFound, match=r"'large': no model here. Give small, large, other, a \.safetensors"
    ):
        checkpoints.find("large", bundled, "model", others=["small", "other"])
    with pytest.raises(ModelNotFound, match="no model here"):
        checkpoints.find(tmp_path, bundled, "model")


def test_damage_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    checkpoints.save(path, kind="gan", config={}, tensors=TENSORS)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CheckpointError, match="not a readable safetensors"):
        checkpoints.load(path, kind="gan")


def test_foreign_safetensors_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "a")
    with pytest.raises(CheckpointError, match="not a checkpoint of this toolkit"):
        checkpoints.load(tmp_path / "a", kind="gan")


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file, not a folder")
    with pytest.raises(WriteFailed, match="cannot be written"):
        checkpoints.write_atomically(tmp_path / "folder" / "a", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]
