"""Repair of damaged faces, as aligned crops and in whole photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from generative.any_size import AnySize
from generative.models.repairer import UNet
from generative.pasting import CROP, add_change, on_photo, replace_where
from recog import checkpoints
from recog.alignment import align
from recog.device import resolve
from recog.errors import CheckpointError, ConfigError, DataError
from recog.types import Face

BUNDLED = {"bundled": Path(__file__).parent / "weights" / "repairer.safetensors"}
GUIDES = ("identity_digest",)  # entries of a checkpoint that name them
Crops = NDArray[np.uint8]  # (B, S, S, 3)
Filler = Callable[[Crops, NDArray[np.bool_]], Crops]  # crops, and where pixels are missing (B, S, S)
Masks = NDArray[np.bool_] | Literal["auto"] | None  # True where a pixel is missing; see `Repairer.repair`
LEAST_COVERED = 0.01  # share of a face: less is no cover
REACH = 0.02  # of the side, by which a cover that was found is taken to be larger: rims show neither


class Repairer:
    """Fills holes and removes noise, blur and low resolution from aligned face crops.

    What it fills in is plausible, not evidence of what was there.
    """

    def __init__(
        self,
        network: UNet,
        digest: str,
        device: torch.device,
        guides: frozenset[str] = frozenset(),
        sizes: Sequence[int] = (),
        helps: Sequence[str] = (),
        filler: Filler | None = None,
    ) -> None:
        """
        Args:
            guides: digests of models that had a part in its training, and so cannot judge it.
            sizes: sides, px, that it learned from; crops of others are repaired at the nearest. None: at any.
            helps: damages after whose repair a recogniser was measured to know more people.
            filler: fills the missing pixels instead of the network, as `Projector.repair` does.
        """
        self._seen = AnySize(network, device, sizes)
        self.network = self._seen.network
        self.digest = digest
        self.guides = guides
        self.helps = frozenset(helps)
        self._filler = filler

    @classmethod
    def load(
        cls, name: str | Path = "bundled", device: str = "auto", filler: Filler | None = None
    ) -> Repairer:
        """Load a repairer: "bundled", a weights file, or a run directory; `filler` as above.

        Raises: ModelNotFound; CheckpointError; DeviceUnavailable.
        """
        place = resolve(device)
        checkpoint = checkpoints.load(checkpoints.find(name, BUNDLED, "repairer"), kind="repairer")
        network = UNet(**checkpoint.config["network"])
        try:
            network.load_state_dict(checkpoint.part("network"))
        except RuntimeError as error:  # parts are missing, or of another shape
            raise CheckpointError(
                f"{name}: a repairer of another version of this toolkit. Train it again, or take 'bundled'."
            ) from error
        config = checkpoint.config
        guides = frozenset(config[key] for key in GUIDES if key in config)
        sizes, helps = config.get("sizes", ()), config.get("helps", ())
        return cls(network, checkpoint.digest, place, guides, sizes, helps, filler)

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Repair crops of which nothing is marked missing: what Recognizer takes as `repair`.

        Where something covers the face, and it is found, only what it covers changes.
        """
        return self.repair(crops, "auto" if self.finds_covers else None)

    @property
    def finds_covers(self) -> bool:
        """Whether it was taught to find what covers a face."""
        return self.network.to_covered is not None

    @property
    def tells(self) -> bool:
        """Whether it was taught to tell damages apart."""
        return bool(self.network.damages)

    def find(self, images: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """What covers aligned crops: marks, holes, masks, glasses, scarves.

        Args:
            images: (B, S, S, 3) uint8 RGB, any S.
        Returns: (B, S, S), True where the face is not seen; all False where hardly anything is covered.
        Raises: DataError: as `repair`; ConfigError: this repairer was not taught to find anything.
        """
        _check(images)
        self._require_finding()
        return _grown(self._seen(images).covered)

    def where_it_helps(self, crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """As calling it, but crops that suffer from nothing whose repair helps come back as they are.

        Raises: DataError: as `repair`; ConfigError: as `suffered`, or nobody measured what helps.
        """
        if not self.helps:
            raise ConfigError(
                "Nobody measured when this repairer helps to recognise people. Repair always or never, or "
                "measure it (recog bench repair) and say so (recog generate pack --helps)."
            )
        rows = [row for row, kind in enumerate(self.suffered(crops)) if kind in self.helps]
        result = crops.copy()
        result[rows] = self(crops[rows])
        return result

    def suffered(self, images: NDArray[np.uint8]) -> tuple[str, ...]:
        """What aligned crops suffer from, by their looks: of each one of `damage.KINDS`, often "nothing".

        Args:
            images: (B, S, S, 3) uint8 RGB, any S.
        Raises: DataError: as `repair`; ConfigError: this repairer was not taught to tell.
        """
        _check(images)
        if not self.tells:
            raise ConfigError("This repairer was not taught to tell damages apart. Load another.")
        return tuple(self.network.damages[code] for code in self._seen(images).suffered)

    def repair(self, images: NDArray[np.uint8], masks: Masks = None) -> NDArray[np.uint8]:
        """Repair aligned crops.

        Args:
            images: (B, S, S, 3) uint8 RGB, any S.
            masks: (B, S, S), True where a pixel is missing; every other pixel of these faces then comes back
                unchanged. None: all pixels are there but may be damaged, and all may change. "auto": as
                None, but for faces on which a cover is found.
        Returns: (B, S, S, 3) uint8 RGB.
        Raises: DataError: shapes or types do not fit; ConfigError: "auto", and as `find`.
        """
        _check(images)
        if isinstance(masks, str):
            self._require_finding()
            seen = self._seen(images)
            found = _grown(seen.covered)
            hidden = found.any(axis=(1, 2))
            seen.images[hidden] = self.repair(images[hidden], found[hidden])
            return seen.images
        if masks is not None and (masks.shape != images.shape[:3] or masks.dtype != np.bool_):
            raise DataError(f"masks are {masks.dtype} {masks.shape}; give bool {images.shape[:3]}.")
        if masks is None:
            return self._seen(images).images
        filled = self._filler(images, masks) if self._filler else self._seen(images, masks).images
        return np.where(masks[..., None], filled, images)

    def repair_photo(
        self,
        image: NDArray[np.uint8],
        faces: Sequence[Face],
        mask: Masks = None,
    ) -> NDArray[np.uint8]:
        """Repair each face of a photo (H, W, 3) in place: align, repair, warp back, blend at the rim.

        Args:
            mask: (H, W), True where a pixel is missing; every other pixel comes back unchanged. None, "auto":
                as of `repair`.
        Raises: DataError: the mask is of another size; ConfigError: as `repair`.
        """
        if isinstance(mask, np.ndarray) and mask.shape != image.shape[:2]:
            raise DataError(
                f"The mask is {mask.shape}, the photo {image.shape[:2]}: give them the same size."
            )
        result = image
        for face in faces:
            result = self._repair_face(result, face, mask)
        return result

    def _repair_face(self, image: NDArray[np.uint8], face: Face, mask: Masks) -> NDArray[np.uint8]:
        crop = align(image, face.landmarks, CROP)[None]
        if isinstance(mask, np.ndarray):
            hidden = _on_crop(mask, face)[None]
            weights = mask.astype(np.float32)
        elif mask == "auto":
            # crops are black beyond the photo's edge: that is no cover, and nothing is known of it
            beyond = ~_on_crop(np.ones(image.shape[:2], bool), face)[None]
            found = self.find(crop) & ~beyond
            hidden = (found | beyond) & found.any()
            weights = on_photo(found[0], image, face.landmarks)
        if mask is not None and hidden.any():
            # pasted, not added: of what covers the face nothing must be left
            return replace_where(image, face.landmarks, self.repair(crop, hidden)[0], weights)
        if isinstance(mask, np.ndarray):
            return image  # nothing of this face is missing
        change = self.repair(crop)[0].astype(np.float32) - crop[0]
        return add_change(image, face.landmarks, change)

    def _require_finding(self) -> None:
        if not self.finds_covers:
            raise ConfigError(
                "This repairer was not taught to find what covers a face. Give a mask, or load another."
            )


def _grown(covered: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(B, S, S) covers a little larger, without faces of which hardly anything is covered."""
    found = covered.copy()
    found[found.mean(axis=(1, 2)) < LEAST_COVERED] = False
    wide = 2 * round(REACH * found.shape[1]) + 1
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (wide, wide))
    grown = [cv2.dilate(one.astype(np.uint8), brush).astype(bool) for one in found]
    return np.stack(grown) if grown else found


def _on_crop(mask: NDArray[np.bool_], face: Face) -> NDArray[np.bool_]:
    """A photo's mask (H, W) on the aligned crop of a face: every pixel in which some of it is, and its rim.

    As `align` averages large faces, so their masks: a scratch of one pixel must not fall between samples.
    """
    levels = np.repeat(mask[..., None].astype(np.uint8) * 255, 3, axis=2)
    touched = align(levels, face.landmarks, CROP)[..., 0] > 0
    return cv2.dilate(touched.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)


def _check(images: NDArray[np.uint8]) -> None:
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        raise DataError(f"images are {images.dtype} {images.shape}; give uint8 (B, S, S, 3) RGB.")
