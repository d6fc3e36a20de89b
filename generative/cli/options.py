"""What the commands of this package share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from recog.detection import Detector

path_type = click.Path(path_type=Path)
seed_option = click.option("--seed", default=0, show_default=True, help="The same seed makes the same faces.")
aligned_option = click.option("--aligned", is_flag=True, help="The photos are aligned crops already.")


def load_detector(device: str) -> Detector:
    """Detection is loaded where it is needed only."""
    from recog.detection import Detector

    return Detector(device)
