"""Attributes and age of faces, read off their crops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from generative.conditions import Encoded, Vocabulary
from generative.models.reader import Reader
from recog import checkpoints
from recog.device import autocast, resolve
from recog.pixels import from_uint8, resized

BUNDLED = {"bundled": Path(__file__).parent / "weights" / "reader.safetensors"}
BATCH = 128  # faces a forward pass


class AttributeReader:
    """What faces show: -1..1 for each attribute, and an age in years.

    Apparent attributes of a picture, as CelebA's annotators and UTKFace saw them; not facts about a person.
    """

    def __init__(
        self, network: nn.Module, vocabulary: Vocabulary, image_size: int, digest: str, device: torch.device
    ) -> None:
        self.network = network.to(device).eval().requires_grad_(False)
        self.vocabulary, self.image_size = vocabulary, image_size
        self.digest, self.device = digest, device

    @classmethod
    def load(cls, name: str | Path = "bundled", device: str = "auto") -> AttributeReader:
        """Load a reader: "bundled", a weights file, or a run directory.

        Raises: ModelNotFound; CheckpointError; DeviceUnavailable.
        """
        place = resolve(device)
        checkpoint = checkpoints.load(checkpoints.find(name, BUNDLED, "reader"), kind="reader")
        network = Reader(**checkpoint.config["network"])
        network.load_state_dict(checkpoint.part("network"))
        vocabulary = Vocabulary(tuple(checkpoint.config["attributes"]), bool(checkpoint.config["ages"]))
        return cls(network, vocabulary, int(checkpoint.config["image_size"]), checkpoint.digest, place)

    def logits(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) RGB in [-1, 1] -> (B, V) logits of attributes and of knots of age; gradients pass."""
        answers: Tensor = self.network(resized(images, self.image_size))
        return answers

    @torch.inference_mode()
    def read(self, crops: NDArray[np.uint8]) -> Encoded:
        """What (N, S, S, 3) uint8 RGB show, face and mirror image averaged.

        Returns: (N, V) as the vocabulary encodes it: attributes -1..1 (twice the probability less one), and
        the probability of each knot of age; `Vocabulary.ages_of` says the years.
        """
        found = [np.zeros((0, len(self.vocabulary)), np.float32)]
        names = len(self.vocabulary.attributes)
        for at in range(0, len(crops), BATCH):
            images = from_uint8(crops[at : at + BATCH], self.device)
            with autocast(self.device):
                logits = (self.logits(images).float() + self.logits(images.flip(3)).float()) / 2
            shown = [2 * logits[:, :names].sigmoid() - 1]
            if self.vocabulary.ages:
                shown.append(logits[:, names:].softmax(dim=1))
            found.append(torch.cat(shown, dim=1).cpu().numpy())
        return np.concatenate(found)
