"""What the commands of this package share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from recog.detection import Detector

path_type = click.Path(path_type=Path)
seed_option = click.option("--seed", default=0, show_default=True, help="The same seed makes the same faces.")
aligned_option = click.option("--aligned", is_flag=True, help="The photos are aligned crops already.")
embedder_option = click.option(
    "--model",
    default="bundled",
    show_default=True,
    help="The embedder that conditions: name, file or run directory.",
)
grid_option = click.option(
    "--grid", type=path_type, help="Also write one picture of them all here (PNG), a person a row."
)


def generator_option(default: str) -> Callable[..., Callable[..., None]]:
    """Which generator; `default` is what suits the command."""
    return click.option(
        "--generator",
        default=default,
        show_default=True,
        help="bundled-gan, bundled-vae, a file or run directory.",
    )


def load_detector(device: str) -> Detector:
    """Detection is loaded where it is needed only."""
    from recog.detection import Detector

    return Detector(device)


def conditions_of(attributes: str | None) -> dict[str, float]:
    """What --attributes asks for.

    Raises: ConfigError: it is nothing to ask a face for.
    """
    from generative.conditions import parse

    return parse(attributes.split(",")) if attributes else {}


def free_names(out: Path, originals: list[Path]) -> Callable[[Path], Path]:
    """Photo -> a file in `out` that is none of the originals, nor given to an earlier photo of this call."""
    taken = {photo.resolve() for photo in originals}

    def name(photo: Path) -> Path:
        target, number = out / f"{photo.stem}.png", 1
        while target.resolve() in taken:
            number += 1
            target = out / f"{photo.stem}-{number}.png"
        taken.add(target.resolve())
        return target

    return name
