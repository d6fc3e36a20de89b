"""A small autoencoder whose code says how a face looks, whoever it is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from generative.data import Batch, FaceData
from generative.training import Moment, Phase
from recog import checkpoints
from recog.device import resolve
from recog.pixels import from_uint8, resized

KIND = "looks"
SIDE = 64  # px of the faces
WIDTHS = (3, 16, 32, 64, 64)  # channels at 64, 32, 16, 8, 4 px
CODE = 64
BATCH = 128  # faces a forward pass


class Autoencoder(nn.Module):
    """Faces -> a code of a few numbers -> faces again."""

    def __init__(self) -> None:
        super().__init__()
        down = [nn.Sequential(nn.Conv2d(a, b, 4, 2, 1), nn.ReLU()) for a, b in pairwise(WIDTHS)]
        up = [
            nn.Sequential(nn.ConvTranspose2d(b, a, 4, 2, 1), nn.ReLU() if a > 3 else nn.Tanh())
            for a, b in pairwise(WIDTHS)
        ]
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(WIDTHS[-1] * 16, CODE))
        self.decoder = nn.Sequential(
            nn.Linear(CODE, WIDTHS[-1] * 16), nn.ReLU(), nn.Unflatten(1, (WIDTHS[-1], 4, 4)), *reversed(up)
        )

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 64, 64) in [-1, 1] -> the same, through the code."""
        again: Tensor = self.decoder(self.encoder(images))
        return again


@dataclass
class LooksObjective:
    """Squared error of the reconstruction; the loop of `generative.training` runs it."""

    kind = KIND

    def __post_init__(self) -> None:
        self.network = Autoencoder()
        self.phases = (Phase(KIND, self.network, self._loss),)

    def run_config(self) -> dict[str, Any]:
        """What makes this run what it is."""
        return {"widths": list(WIDTHS), "code": CODE}

    def model_config(self) -> dict[str, Any]:
        """Nothing about the network can be chosen."""
        return self.run_config()

    def extra_tensors(self, network: nn.Module, data: FaceData) -> dict[str, Tensor]:
        """Nothing ships beside the weights."""
        return {}

    def rehearse(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> None:
        """Faces through the code."""
        network(batch.images)

    def samples(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> tuple[Tensor, int]:
        """Faces and what the code keeps of them: real people, for the run directory only."""
        faces = batch.images[:8]
        return torch.cat([faces, network(faces).float()]), len(faces)

    def trouble(self, means: Mapping[str, float]) -> str | None:
        """Nothing but a loss that is not finite goes wrong here."""
        return None

    def _loss(self, batch: Batch, moment: Moment) -> tuple[Tensor, dict[str, Tensor]]:
        error = F.mse_loss(self.network(batch.images).float(), batch.images)
        return error, {"error": error}


class Looks:
    """Codes of faces."""

    def __init__(self, encoder: nn.Module, digest: str, device: torch.device) -> None:
        self._encoder = encoder.to(device).eval().requires_grad_(False)
        self.digest, self._device = digest, device

    @classmethod
    def load(cls, path: Path, device: str = "auto") -> Looks:
        """Raises: CheckpointError: damaged, or of another kind."""
        checkpoint = checkpoints.load(path, kind=KIND)
        encoder = Autoencoder().encoder
        encoder.load_state_dict(checkpoint.part("network.encoder"))
        return cls(encoder, checkpoint.digest, resolve(device))

    @staticmethod
    def pack(finished: Path, out: Path) -> None:
        """Write what `load` needs of a finished run's weights: the way to the code, not back."""
        checkpoint = checkpoints.load(finished, kind=KIND)
        kept = {name: t for name, t in checkpoint.tensors.items() if name.startswith("network.encoder.")}
        checkpoints.save(out, kind=KIND, config=checkpoint.config, tensors=kept, dtype=torch.float16)

    @torch.inference_mode()
    def codes(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, 64) codes of crops (N, S, S, 3) uint8 RGB."""
        found = [np.zeros((0, CODE), np.float32)]
        for at in range(0, len(crops), BATCH):
            images = resized(from_uint8(crops[at : at + BATCH], self._device), SIDE)
            found.append(self._encoder(images).float().cpu().numpy())
        return np.concatenate(found)
