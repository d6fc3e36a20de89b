"""Repair of damaged faces, as aligned crops and in whole photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from generative.models.repairer import UNet
from generative.pasting import CROP, add_change
from recog import checkpoints
from recog.alignment import align, similarity, template
from recog.device import autocast, resolve
from recog.errors import DataError
from recog.pixels import from_uint8, to_uint8
from recog.types import Face

BUNDLED = {"bundled": Path(__file__).parent / "weights" / "repairer.safetensors"}
BATCH = 32  # faces a forward pass


class Repairer:
    """Fills holes and removes noise, blur and low resolution from aligned face crops.

    What it fills in is plausible, not evidence of what was there.
    """

    def __init__(self, network: UNet, digest: str, device: torch.device) -> None:
        self.network = network.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
        self.digest = digest
        self.device = device

    @classmethod
    def load(cls, name: str | Path = "bundled", device: str = "auto") -> Repairer:
        """Load a repairer: "bundled", a weights file, or a run directory.

        Raises: ModelNotFound; CheckpointError; DeviceUnavailable.
        """
        place = resolve(device)
        checkpoint = checkpoints.load(checkpoints.find(name, BUNDLED, "repairer"), kind="repairer")
        network = UNet(**checkpoint.config["network"])
        network.load_state_dict(checkpoint.part("network"))
        return cls(network, checkpoint.digest, place)

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Repair crops of which nothing is marked missing: what Recognizer takes as `repair`."""
        return self.repair(crops)

    def repair(self, images: NDArray[np.uint8], masks: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
        """Repair aligned crops.

        Args:
            images: (B, S, S, 3) uint8 RGB, any S.
            masks: (B, S, S), True where a pixel is missing; every other pixel then comes back unchanged.
                None: all pixels are there but may be damaged, and all may change.
        Returns: (B, S, S, 3) uint8 RGB.
        Raises: DataError: shapes or types do not fit.
        """
        if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
            raise DataError(f"images are {images.dtype} {images.shape}; give uint8 (B, S, S, 3) RGB.")
        if masks is not None and (masks.shape != images.shape[:3] or masks.dtype != np.bool_):
            raise DataError(f"masks are {masks.dtype} {masks.shape}; give bool {images.shape[:3]}.")
        missing = np.zeros(images.shape[:3], bool) if masks is None else masks
        repaired = np.empty_like(images)
        for at in range(0, len(images), BATCH):
            rows = slice(at, at + BATCH)
            repaired[rows] = self._repair_batch(images[rows], missing[rows])
        return repaired if masks is None else np.where(masks[..., None], repaired, images)

    def repair_photo(
        self, image: NDArray[np.uint8], faces: Sequence[Face], mask: NDArray[np.bool_] | None = None
    ) -> NDArray[np.uint8]:
        """Repair each face of a photo (H, W, 3) in place: align, repair, warp back, blend at the rim.

        Args:
            mask: (H, W), True where a pixel is missing; every other pixel comes back unchanged.
        """
        if mask is not None and mask.shape != image.shape[:2]:
            raise DataError(
                f"The mask is {mask.shape}, the photo {image.shape[:2]}: give them the same size."
            )
        result = image
        for face in faces:
            result = self._repair_face(result, face, mask)
        return result

    def _repair_face(
        self, image: NDArray[np.uint8], face: Face, mask: NDArray[np.bool_] | None
    ) -> NDArray[np.uint8]:
        crop = align(image, face.landmarks, CROP)[None]
        missing = None
        if mask is not None:
            to_crop = similarity(face.landmarks, template(CROP))
            warped = cv2.warpAffine(mask.astype(np.float32), to_crop, (CROP, CROP), flags=cv2.INTER_LINEAR)
            missing = (warped > 0)[None]
        change = self.repair(crop, missing)[0].astype(np.float32) - crop[0]
        changed = add_change(image, face.landmarks, change)
        return changed if mask is None else np.where(mask[..., None], changed, image)

    @torch.inference_mode()
    def _repair_batch(self, images: NDArray[np.uint8], missing: NDArray[np.bool_]) -> NDArray[np.uint8]:
        faces = from_uint8(images, self.device)
        holes = torch.from_numpy(np.array(missing)).to(self.device)[:, None].float()
        height, width = faces.shape[2:]
        with autocast(self.device):
            repaired = self.network(self._padded(faces), self._padded(holes))
        return to_uint8(repaired[:, :, :height, :width])

    def _padded(self, x: Tensor) -> Tensor:
        """Repeat the last row and column until the sides are what the network divides."""
        bottom, right = (-side % self.network.multiple for side in x.shape[2:])
        return F.pad(x, (0, right, 0, bottom), mode="replicate") if bottom or right else x
