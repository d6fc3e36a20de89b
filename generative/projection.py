"""Covered faces repaired by a VAE: of all it can draw, the one that fits what is seen best."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from generative.data import condition
from generative.repair import Crops, Filler
from generative.scaling import inpainted
from generative.synthesis import Synthesizer
from recog.alignment import square
from recog.embedding import Embedder
from recog.errors import DataError
from recog.pixels import from_uint8, to_uint8

BATCH = 32  # faces searched for at once
STEPS = 60
RATE = 0.1  # of Adam, on a code of unit variance
PRIOR = 0.002  # of the code's mean square, beside a mean absolute error of pixels of -1..1


class Projector:
    """Searches a VAE's codes for the face behind a mask (arXiv:1607.07539; here an encoder begins).

    Who it is comes from the recogniser's vector of what is seen.
    """

    def __init__(self, synthesizer: Synthesizer, steps: int = STEPS) -> None:
        self.synthesizer, self.steps = synthesizer, steps
        self._network = synthesizer.encoding("Projection")

    @classmethod
    def load(
        cls,
        generator: str | Path = "bundled-vae",
        embedder: Embedder | None = None,
        device: str = "auto",
    ) -> Projector:
        """Load a VAE and the embedder that conditions it (default: the bundled one).

        Raises: ConfigError: the generator has no encoder; as `Synthesizer.load`.
        """
        conditioning = embedder or Embedder.load("bundled", device)
        return cls(Synthesizer.load(generator, conditioning, device))

    def repair(self, images: Crops, masks: NDArray[np.bool_], guess: Filler | None = None) -> Crops:
        """Fill what is missing from aligned crops.

        Args:
            images: (B, S, S, 3) uint8 RGB. masks: (B, S, S), True where a pixel is missing.
            guess: first fills in what the search begins from; default: from around the hole.
        Returns: (B, S, S, 3): as given, but for the missing pixels.
        Raises: DataError: shapes do not fit.
        """
        if masks.shape != images.shape[:3] or masks.dtype != np.bool_:
            raise DataError(f"masks are {masks.dtype} {masks.shape}; give bool {images.shape[:3]}.")
        begun = (guess or _inpainted)(images, masks)
        repaired = images.copy()
        for at in range(0, len(images), BATCH):
            rows = slice(at, at + BATCH)
            repaired[rows] = self._filled(images[rows], masks[rows], begun[rows])
        return repaired

    def _filled(self, images: Crops, masks: NDArray[np.bool_], begun: Crops) -> Crops:
        synthesizer = self.synthesizer
        size, device = synthesizer.image_size, synthesizer.device
        small = from_uint8(_sized(begun, size), device)
        hidden = np.stack([cv2.resize(mask.astype(np.float32), (size, size)) for mask in masks])
        seen = torch.from_numpy(hidden <= 0)[:, None].to(small)
        vectors = torch.from_numpy(synthesizer.embedder.embed(begun))
        unknown = torch.zeros(len(images), len(synthesizer.vocabulary))
        given = condition(vectors, unknown).to(device)
        found = to_uint8(self._nearest(small, seen, given))
        large = _sized(found, images.shape[1])
        return np.where(masks[..., None], large, images)

    def _nearest(self, faces: Tensor, seen: Tensor, given: Tensor) -> Tensor:
        """The faces whose visible pixels are nearest, (B, 3, S, S)."""
        with torch.inference_mode(False), torch.enable_grad():
            faces, seen, given = faces.clone(), seen.clone(), given.clone()
            with torch.no_grad():
                begun, _ = self._network.encode(faces, given)
            code = begun.detach().clone().requires_grad_()
            optimizer = torch.optim.Adam([code], RATE)
            counts = (3 * seen.sum(dim=(1, 2, 3))).clamp(min=1)
            for _ in range(self.steps):
                made = self._network(code, given)
                errors = ((made.float() - faces).abs() * seen).sum(dim=(1, 2, 3)) / counts
                loss = (errors + PRIOR * code.square().mean(dim=1)).sum()  # faces do not meet
                optimizer.zero_grad()
                loss.backward(inputs=[code])
                optimizer.step()
            with torch.no_grad():
                found: Tensor = self._network(code, given).float()
        return found


def _inpainted(images: Crops, masks: NDArray[np.bool_]) -> Crops:
    """A guess from the pixels around (Telea 2004)."""
    filled = [inpainted(face, mask) for face, mask in zip(images, masks, strict=True)]
    return np.stack(filled) if filled else images.copy()


def _sized(images: Crops, size: int) -> Crops:
    return np.stack([square(image, size) for image in images])
