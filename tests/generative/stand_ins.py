"""Small stand-ins: 16 px faces, an embedder of one linear layer, networks of a few channels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from generative import presets
from generative.conditions import Vocabulary
from generative.data import FaceData
from generative.reading import AttributeReader
from generative.training import GeneratorConfig, Objective
from recog.embedding import Embedder

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


def make_embedder(seed: int = 0) -> Embedder:
    config = {"embedding_size": 8, "image_size": SIZE}
    return Embedder.of_network(Averages(seed), config, name=f"fake-{seed}", device=torch.device("cpu"))


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
    "repairer": {"widths": (4, 8)},
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
