"""Crops to learn from, as recipes and the command line name them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.errors import ConfigError
from recog.training.data import CropSet, check_choice, open_crops

WHOLE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A folder of crops and what to take from it.

    Raises: ConfigError: roles without a role or of unlabelled pictures, a frame without an inside.
    """

    folder: Path
    labelled: bool = True  # one sub-folder an identity; False: any square pictures at any depth
    roles: Path | None = None  # CSV identity,role
    role: str | None = None
    frame: tuple[float, float, float, float] = (
        WHOLE  # left, top, right, bottom of the pictures on the template
    )

    def __post_init__(self) -> None:
        check_choice(self.folder, self.roles, self.role, self.labelled)
        if len(self.frame) != 4 or self.frame[0] >= self.frame[2] or self.frame[1] >= self.frame[3]:
            raise ConfigError(f"{self.folder}: frame is {self.frame}; give left, top, right, bottom.")

    def open(self, size: int) -> CropSet:
        """The crops, (N, size, size, 3).

        Raises: DataError: no such folder, no crops in it, nobody there who has the role.
        """
        crops = open_crops(self.folder, size=size, roles=self.roles, role=self.role, labelled=self.labelled)
        if self.frame == WHOLE:
            return crops
        return replace(crops, images=np.stack([framed(image, self.frame) for image in crops.images]))


def open_all(sources: Sequence[Source], size: int) -> CropSet:
    """The crops of all sources; identities of the same name are one.

    Raises: ConfigError: no source; DataError.
    """
    if not sources:
        raise ConfigError("There is nothing to learn from: give a folder of crops.")
    opened = [source.open(size) for source in sources]
    return opened[0] if len(opened) == 1 else CropSet.concat(opened)


def framed(image: NDArray[np.uint8], frame: tuple[float, float, float, float]) -> NDArray[np.uint8]:
    """A picture at its place on the template, its surroundings mirrored from it.

    For pictures that were cut tighter or wider than the template.

    Args:
        image: (S, S, 3) uint8.
        frame: left, top, right, bottom of the picture as shares of the template's side.
    """
    side = image.shape[0]
    left, top, right, bottom = frame
    # pixel centres: x on the template is side * (left + (right - left) * (u + 0.5) / side) - 0.5
    matrix = np.array(
        [
            [right - left, 0, side * left + (right - left) / 2 - 0.5],
            [0, bottom - top, side * top + (bottom - top) / 2 - 0.5],
        ]
    )
    made = cv2.warpAffine(
        image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(made, np.uint8)
