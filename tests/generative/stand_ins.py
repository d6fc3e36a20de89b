"""Small stand-ins: 16 px faces, an embedder of one linear layer, networks of a few channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from generative import presets
from generative.conditions import AGE, ATTRIBUTES, Vocabulary
from generative.data import FaceData, leave_one_out
from generative.reading import AttributeReader
from generative.training import GeneratorConfig, Objective
from recog.embedding import Embedder
from recog.training.data import CropSet

SIZE = 16
PEOPLE, PHOTOS = 10, 4


class Averages(nn.Module):
    """Sixteen block averages of a face through a fixed linear layer."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(48, 8, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(x, 4).flatten(1) @ self.weight


def make_embedder(seed: int = 0, threshold: float | None = None) -> Embedder:
    """An embedder; `threshold` is the cosine that its card has for FMR 1e-3, None: it has no card."""
    config: dict[str, Any] = {"embedding_size": 8, "image_size": SIZE}
    if threshold is not None:
        config["thresholds"] = {"fmr_0.001": threshold}
    return Embedder.of_network(Averages(seed), config, name=f"fake-{seed}", device=torch.device("cpu"))


def make_crops() -> CropSet:
    rng = np.random.default_rng(0)
    looks = rng.integers(0, 200, (PEOPLE, 1, 4, 4, 3))
    faces = (looks + rng.integers(0, 50, (PEOPLE, PHOTOS, 4, 4, 3))).reshape(-1, 4, 4, 3).astype(np.uint8)
    images = faces.repeat(SIZE // 4, axis=1).repeat(SIZE // 4, axis=2)
    labels = np.repeat(np.arange(PEOPLE), PHOTOS)
    names = tuple(f"p{i}" for i in range(PEOPLE))
    return CropSet(images, labels, names, tuple(f"p{label}/{k}.png" for k, label in enumerate(labels)))


def make_faces(crops: CropSet, embedder: Embedder, vocabulary: Vocabulary | None = None) -> FaceData:
    """Crops of which all is known that `vocabulary` has; default: everything."""
    centres, similarities = leave_one_out(embedder.embed(crops.images), crops.labels)
    rng = np.random.default_rng(1)
    known = {name: rng.choice([-1, 1], len(crops)) for name in ATTRIBUTES}
    vocabulary = vocabulary or Vocabulary(ATTRIBUTES, ages=True)
    attributes = vocabulary.encoded({**known, AGE: rng.integers(0, 80, len(crops))}, len(crops))
    return FaceData(crops, centres, similarities, attributes, vocabulary, embedder.digest)


SMALL: dict[str, dict[str, Any]] = {
    "gan": {
        "noise_size": 4,
        "generator_widths": (8, 8, 4),
        "discriminator_widths": (4, 8),
        "penalty_every": 2,
        "reader_weight": 0.0,
    },
    "dcgan": {"noise_size": 4},
    "vae": {"code_size": 4, "encoder_widths": (4, 8), "decoder_widths": (8, 8, 4)},
    "vae-gan": {
        "code_size": 4,
        "encoder_widths": (4, 8),
        "decoder_widths": (8, 8, 4),
        "discriminator_widths": (4, 8),
        "penalty_every": 2,
        "reader_weight": 0.0,
    },
    "reader": {"widths": (4, 4, 8, 8)},
    "repairer": {"widths": (4, 8), "critic_widths": (4, 8), "penalty_every": 2},
}


def config(kind: str, **changes: Any) -> GeneratorConfig:
    small = {
        "image_size": 16,
        "batch_size": 8,
        "total_kimg": 0.048,
        "snapshot_kimg": 0.024,
        "log_kimg": 0.016,
    }
    return presets.pace(kind, **{**small, "bf16": False, **changes})


def objective(
    kind: str,
    faces: FaceData,
    embedder: Embedder,
    reader: AttributeReader | None = None,
    **settings: Any,
) -> Objective:
    chosen = presets.settings(kind, **{**SMALL[kind], **settings})
    return presets.objective(config(kind), faces, embedder, chosen, reader)


class Brightness(nn.Module):
    """Reads everything off how bright a face is."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(1, 2, 3))[:, None].expand(-1, self.size)


def make_reader(vocabulary: Vocabulary) -> AttributeReader:
    network = Brightness(len(vocabulary))
    return AttributeReader(network, vocabulary, SIZE, "brightness", torch.device("cpu"))
