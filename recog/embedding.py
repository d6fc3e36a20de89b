"""Aligned crops to unit vectors: a network together with the preprocessing that belongs to it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from recog import checkpoints, images
from recog.cards import Card
from recog.catalogue import FACENET, HUB, LOCAL, bundled_path, named_models
from recog.device import resolve, turn
from recog.errors import ConfigError
from recog.models import bare, create_network, pretrained_network, require_here
from recog.pixels import from_uint8, resized

KIND = "embedder"
BATCH = 32  # crops a forward pass in `embed`: larger gains nothing on a CPU and costs memory
BUNDLED = {"bundled": bundled_path(), "recog-s": bundled_path()}


class Embedder:
    """Turns aligned face crops into (D,) unit vectors whose dot product is the similarity.

    The digest names weights and preprocessing: vectors of two embedders are comparable only when their
    digests are equal.
    """

    thread_safe = True

    def __init__(
        self, network: nn.Module, config: Mapping[str, Any], *, digest: str, name: str, device: torch.device
    ) -> None:
        self.network = network.to(device).eval().requires_grad_(False)
        self.config = dict(config)
        self.digest = digest
        self.name = name
        self.device = device
        self.embedding_size = int(config["embedding_size"])
        self.image_size = int(config["image_size"])  # px, square: what the network takes
        self.crop_size = int(config.get("crop_size", self.image_size))  # px: crops that it learned from
        self._mean = _per_channel(config.get("mean", 0.5), device)
        self._std = _per_channel(config.get("std", 0.5), device)
        self._lock = threading.Lock()

    @classmethod
    def load(cls, name: str | Path = "bundled", device: str = "auto", *, fetch: bool = True) -> Embedder:
        """Load a model by name or path (names: see `recog.models`).

        Args:
            fetch: download a named model that is not here.

        Raises: ModelNotFound: unknown name, or its weights are not here; CheckpointError: damaged file;
        DeviceUnavailable.
        """
        place = resolve(device)
        text = str(name)
        if text.startswith((FACENET, HUB, LOCAL)):
            if not fetch:
                require_here(text)
            network, config = pretrained_network(text)
            architecture = getattr(network, "pretrained_cfg", {}).get("architecture") or text
            digest = _digest(network, {**config, "backbone": architecture})  # wherever the folder lies
            return cls(network, config, digest=digest, name=text, device=place)
        path = checkpoints.find(text, BUNDLED, "embedder", others=named_models())
        checkpoint = checkpoints.load(path, kind=KIND)
        network = create_network(checkpoint.config)
        network.load_state_dict(checkpoint.tensors)
        label = str(checkpoint.config.get("name") or path.stem)
        return cls(network, checkpoint.config, digest=checkpoint.digest, name=label, device=place)

    @classmethod
    def of_network(
        cls, network: nn.Module, config: Mapping[str, Any], *, name: str, device: torch.device
    ) -> Embedder:
        """Wrap a network that is in memory, for example one that was just trained."""
        return cls(network, config, digest=_digest(network, config), name=name, device=device)

    @cached_property
    def card(self) -> Card:
        """What is known of strangers under this model, for galleries that are not calibrated."""
        return Card.of_config(self.config)

    def save(self, path: Path | str, *, dtype: torch.dtype | None = None) -> str:
        """Write a checkpoint that `load` reads; returns the digest of what was stored."""
        return checkpoints.save(
            path, kind=KIND, config=self.config, tensors=self.network.state_dict(), dtype=dtype
        )

    def embed(self, crops: NDArray[np.uint8], flip: bool = True) -> NDArray[np.float32]:
        """Embed aligned crops.

        Args:
            crops: (B, S, S, 3) uint8 RGB on the ArcFace template; any S, resized inside.
            flip: average with the mirrored crop (slower by two, slightly more accurate).
        Returns: (B, D) float32 unit vectors.
        Raises: DataError: the array has another shape or type.
        """
        images.require_crops(crops)
        rows = [self._embed_batch(crops[at : at + BATCH], flip) for at in range(0, len(crops), BATCH)]
        return np.concatenate(rows) if rows else np.zeros((0, self.embedding_size), np.float32)

    def forward_tensor(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in [-1, 1] -> (B, D) unit vectors; gradients flow to the images."""
        prepared = (resized(images, self.image_size) * 0.5 + 0.5 - self._mean) / self._std
        return F.normalize(self.network(prepared).float(), dim=1)

    def maps_tensor(self, images: Tensor) -> list[Tensor]:
        """What the backbone's stages see of (B, 3, S, S) in [-1, 1], at that size: (B, Ci, Si, Si) each.

        Raises: ConfigError: the network has no stages to look into.
        """
        backbone = getattr(bare(self.network), "backbone", None)
        if not hasattr(backbone, "forward_intermediates"):
            raise ConfigError(f"{self.name} has no maps to look into; take an embedder with a timm backbone.")
        prepared = (images * 0.5 + 0.5 - self._mean) / self._std
        look = cast(nn.Module, backbone).forward_intermediates
        maps: list[Tensor] = look(prepared, intermediates_only=True)  # type: ignore[operator]
        return maps

    @torch.inference_mode()
    def _embed_batch(self, crops: NDArray[np.uint8], flip: bool) -> NDArray[np.float32]:
        with turn(self._lock):
            images = from_uint8(crops, self.device)
            vectors = self.forward_tensor(images)
            if flip:
                vectors = F.normalize(vectors + self.forward_tensor(images.flip(3)), dim=1)
            array: NDArray[np.float32] = vectors.cpu().numpy()
            return array


def _digest(network: nn.Module, config: Mapping[str, Any]) -> str:
    return checkpoints.digest_of(KIND, config, network.state_dict())


def _per_channel(value: float | list[float], device: torch.device) -> Tensor:
    values = torch.as_tensor(value, dtype=torch.float32, device=device).flatten()
    return values.expand(3).reshape(1, 3, 1, 1)
