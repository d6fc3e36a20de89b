"""Networks only: no training, no files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from generative.models.dcgan import PlainGenerator
from generative.models.gan import Generator
from generative.models.vae import VAE

# what makes faces of noise and a condition, by the kind of checkpoint that holds its weights
GENERATORS: Mapping[str, type[Generator] | type[PlainGenerator] | type[VAE]] = {
    "gan": Generator,
    "dcgan": PlainGenerator,
    "vae": VAE,
    "vae-gan": VAE,
}


def generator(kind: str, options: Mapping[str, Any]) -> nn.Module:
    """An untrained generator: `noise_size`, and (B, noise_size), (B, C) -> (B, 3, S, S) in [-1, 1].

    All of them take `spread`, the length of the noise beside the usual one.
    """
    return GENERATORS[kind](**options)
