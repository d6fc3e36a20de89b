"""Small stand-ins for judges, generators and people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.generation.subjects import Subjects
from benchmarks.judging.judges import Judges
from benchmarks.judging.looks import Autoencoder, Looks
from generative.conditions import ATTRIBUTES, Vocabulary
from generative.data import FaceData, open_faces
from generative.models.reader import Reader
from generative.reading import AttributeReader
from generative.synthesis import Synthesizer
from generative.training import train
from recog.embedding import Embedder
from recog.models import create_network
from recog.training.data import CropSet, open_crops
from tests.generative.stand_ins import SIZE, config, make_embedder, objective

CPU = torch.device("cpu")
KNOWN = Vocabulary(ATTRIBUTES, ages=True)


def folder_of(place: Path, people: int, photos: int, seed: int) -> Path:
    """Aligned crops of people who differ in their colours, and a table of what they show."""
    rng = np.random.default_rng(seed)
    lines = [",".join(["file", *ATTRIBUTES, "age"])]
    for person in range(people):
        look = rng.integers(30, 200, (4, 4, 3))
        for photo in range(photos):
            crop = (look + rng.integers(0, 50, (4, 4, 3))).astype(np.uint8)
            file = f"{seed}-{person:02d}/{photo}.png"
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(crop.repeat(SIZE // 4, axis=0).repeat(SIZE // 4, axis=1)).save(place / file)
            flags = rng.integers(0, 2, len(ATTRIBUTES)).astype(str)
            lines.append(",".join([file, *flags, str(rng.integers(20, 60))]))
    place.with_suffix(".csv").write_text("\n".join(lines) + "\n")
    return place


@pytest.fixture
def embedder() -> Embedder:
    return make_embedder()


@pytest.fixture
def judges() -> Judges:
    torch.manual_seed(0)
    options = {
        "backbone": "resnet10t",
        "backbone_options": {"channels": (4, 4, 8, 8)},
        "head": "gdc",
        "embedding_size": 8,
        "image_size": 32,
    }
    b = Embedder.of_network(create_network(options), options, name="b", device=CPU)
    reader = AttributeReader(Reader(len(KNOWN), (4, 4, 8, 8)), KNOWN, 32, "reader", CPU)
    return Judges(b, reader, Looks(Autoencoder().encoder, "looks", CPU))


@pytest.fixture
def subjects(tmp_path: Path, embedder: Embedder) -> Subjects:
    place = folder_of(tmp_path / "report", 12, 4, seed=1)
    return Subjects.open(place, embedder, size=SIZE, name="report", attributes=place.with_suffix(".csv"))


@pytest.fixture
def faces(tmp_path: Path, embedder: Embedder) -> FaceData:
    place = folder_of(tmp_path / "fit", 12, 4, seed=2)
    return open_faces(place, size=SIZE, embedder=embedder, attributes=place.with_suffix(".csv"))


@pytest.fixture
def strangers(tmp_path: Path, embedder: Embedder) -> FaceData:
    return open_faces(folder_of(tmp_path / "user", 12, 4, seed=3), size=SIZE, embedder=embedder)


@pytest.fixture
def trained_gan(faces: FaceData, embedder: Embedder, tmp_path: Path) -> Path:
    return train(config("gan"), faces, objective("gan", faces, embedder), tmp_path / "gan", "cpu")


@pytest.fixture
def synthesizer(trained_gan: Path, embedder: Embedder) -> Synthesizer:
    return Synthesizer.load(trained_gan, embedder, "cpu")


@pytest.fixture
def people(tmp_path: Path) -> CropSet:
    return open_crops(folder_of(tmp_path / "people", 26, 4, seed=4), size=SIZE)
