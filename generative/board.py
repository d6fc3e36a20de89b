"""Losses and previews for TensorBoard; the only module that knows it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from recog.errors import ConfigError


class Board:
    """Event files in a folder, for `tensorboard --logdir`."""

    def __init__(self, folder: Path) -> None:
        """Raises: ConfigError: TensorBoard is not installed."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError(
                "TensorBoard is not installed. pip install 'recog[tensorboard]', or leave --tensorboard out."
            ) from error
        self._writer = SummaryWriter(str(folder))

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Log the means of a run's statistics."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def picture(self, file: Path, step: int) -> None:
        """Log a grid of samples that was written as a picture."""
        import numpy as np

        self._writer.add_image("samples", np.asarray(Image.open(file)), step, dataformats="HWC")
        self._writer.flush()
