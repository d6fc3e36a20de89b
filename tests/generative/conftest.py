"""Fixtures of small things."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from generative.data import FaceData
from generative.models.repairer import UNet
from generative.synthesis import Synthesizer
from generative.training import train
from recog import checkpoints
from recog.embedding import Embedder
from recog.training.data import CropSet
from tests.generative.stand_ins import config, make_crops, make_embedder, make_faces, objective


@pytest.fixture
def embedder() -> Embedder:
    return make_embedder()


@pytest.fixture
def crops() -> CropSet:
    return make_crops()


@pytest.fixture
def faces(crops: CropSet, embedder: Embedder) -> FaceData:
    return make_faces(crops, embedder)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of crops, the runs gan, vae and reader that learned from them, and a repairer; copy it."""
    place, embedder, crops = tmp_path_factory.mktemp("trained"), make_embedder(), make_crops()
    for file, image in zip(crops.files, crops.images, strict=True):
        (place / "crops" / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / "crops" / file)
    faces = make_faces(crops, embedder)
    for kind, changes in (("gan", {"total_kimg": 0.008}), ("vae", {}), ("reader", {})):
        train(config(kind, **changes), faces, objective(kind, faces, embedder), place / kind, "cpu")
    repairer = UNet((4, 8))
    torch.nn.init.normal_(repairer.to_rgb[0].weight, std=0.01)  # type: ignore[arg-type]
    tensors = {f"network.{name}": value for name, value in repairer.state_dict().items()}
    settings = {"network": {"widths": [4, 8]}}
    checkpoints.save(place / "repairer.safetensors", kind="repairer", config=settings, tensors=tensors)
    return place


@pytest.fixture
def workplace(trained: Path, embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what is trained, where commands are called; every embedder is the fake one."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(Embedder, "load", lambda *_, **__: embedder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def synthesizer(trained: Path, embedder: Embedder) -> Synthesizer:
    return Synthesizer.load(trained / "gan", embedder, "cpu")
