"""The embedder: names, checkpoints, preprocessing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from recog.embedding import Embedder
from recog.errors import ConfigError, DataError, DeviceUnavailable, ModelNotFound
from recog.models import create_network

CONFIG: dict[str, Any] = {
    "backbone": "resnet10t",
    "backbone_options": {"channels": (8, 8, 16, 16), "stem_width": 8},
    "head": "gdc",
    "embedding_size": 8,
    "image_size": 32,
    "mean": 0.5,
    "std": 0.5,
}
CROPS = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def embedder() -> Embedder:
    torch.manual_seed(0)
    return Embedder.of_network(create_network(CONFIG), CONFIG, name="tiny", device=torch.device("cpu"))


def test_vectors_are_unit_length(embedder: Embedder) -> None:
    vectors = embedder.embed(CROPS)
    assert vectors.shape == (3, 8)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-5)


def test_nothing_in_nothing_out(embedder: Embedder) -> None:
    assert embedder.embed(CROPS[:0]).shape == (0, 8)


def test_flip_makes_mirrored_crops_equal(embedder: Embedder) -> None:
    mirrored = np.ascontiguousarray(CROPS[:, :, ::-1])
    assert embedder.embed(mirrored) == pytest.approx(embedder.embed(CROPS), abs=1e-5)
    assert np.abs(embedder.embed(mirrored, flip=False) - embedder.embed(CROPS, flip=False)).max() > 1e-4


def test_batches_do_not_change_the_answer(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = embedder.embed(CROPS)
    monkeypatch.setattr("recog.embedding.BATCH", 2)
    assert embedder.embed(CROPS) == pytest.approx(whole, abs=1e-5)


@pytest.mark.parametrize("wrong", [CROPS.astype(np.float32), CROPS[0], CROPS[..., :1], CROPS[:, 1:]])
def test_wrong_arrays_are_refused(embedder: Embedder, wrong: Any) -> None:
    with pytest.raises(DataError, match="uint8"):
        embedder.embed(wrong)


def test_gradients_reach_the_images(embedder: Embedder) -> None:
    images = torch.rand(1, 3, 48, 48, requires_grad=True)
    embedder.forward_tensor(images)[0, 0].backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


def test_saved_model_is_the_same_model(embedder: Embedder, tmp_path: Path) -> None:
    digest = embedder.save(tmp_path / "m.safetensors")
    loaded = Embedder.load(tmp_path / "m.safetensors", device="cpu")
    assert loaded.digest == digest == embedder.digest
    assert np.array_equal(loaded.embed(CROPS), embedder.embed(CROPS))


def test_preprocessing_is_part_of_the_digest(embedder: Embedder) -> None:
    other = Embedder.of_network(
        embedder.network, {**CONFIG, "mean": 0.25}, name="x", device=torch.device("cpu")
    )
    assert other.digest != embedder.digest
    assert np.abs(other.embed(CROPS) - embedder.embed(CROPS)).max() > 1e-4


SMALL_VIT = {"num_classes": 16, "img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 2}


@pytest.mark.parametrize(
    ("architecture", "options", "side"),
    [("vit_tiny_patch16_224", SMALL_VIT, 32), ("convnext_atto", {"num_classes": 512, "patch_size": 2}, 112)],
)
def test_face_model_of_a_local_folder(
    tmp_path: Path, architecture: str, options: dict[str, Any], side: int
) -> None:
    size = options["num_classes"]
    folder = tmp_path / "model"
    folder.mkdir()
    network = timm.create_model(architecture, **options)
    save_file(network.state_dict(), folder / "model.safetensors")
    described = {"input_size": [3, side, side], "mean": [0.5] * 3, "std": [0.5] * 3, "num_classes": size}
    config = {
        "architecture": architecture,
        "num_classes": size,
        "num_features": network.num_features,
        "model_args": options,
        "pretrained_cfg": described,
    }
    (folder / "config.json").write_text(json.dumps(config))
    loaded = Embedder.load(f"local-dir:{folder}", device="cpu")
    assert (loaded.embedding_size, loaded.image_size) == (size, side)
    crops = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    images = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 127.5 - 1
    expected = torch.nn.functional.normalize(network.eval()(images), dim=1).detach().numpy()
    assert loaded.embed(crops, flip=False) == pytest.approx(expected, abs=1e-5)
    moved = folder.rename(tmp_path / "moved")
    assert Embedder.load(f"local-dir:{moved}", device="cpu").digest == loaded.digest


def test_local_folder_without_weights_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="local-dir:FOLDER"):
        Embedder.load(f"local-dir:{tmp_path}/nothing", device="cpu")


def test_inception_resnet_preset_has_its_preprocessing() -> None:
    config = {"backbone": "facenet-pytorch:vggface2", "embedding_size": 512, "image_size": 160}
    network = create_network(config)
    embedder = Embedder.of_network(
        network, {**config, "std": 128 / 255}, name="irv1", device=torch.device("cpu")
    )
    assert embedder.embed(CROPS[:1]).shape == (1, 512)


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ModelNotFound, match="recog-s"):
        Embedder.load("nobody", device="cpu")


def test_unknown_backbone_is_refused() -> None:
    with pytest.raises(ConfigError, match="no_such_net"):
        create_network({**CONFIG, "backbone": "no_such_net"})


def test_absent_device_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceUnavailable, match="cuda"):
        Embedder.load("bundled", device="cuda")
    with pytest.raises(ConfigError, match="tpu"):
        Embedder.load("bundled", device="tpu")
