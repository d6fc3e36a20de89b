"""What the commands of this package share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recog.cli.options import check_roles, device_option, json_option, role_option, roles_option

if TYPE_CHECKING:
    from recog.detection import Detector

CANDIDATES = 4  # made for each photo that is kept, where nothing else is said
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


candidates_option = click.option(
    "--candidates",
    default=CANDIDATES,
    show_default=True,
    type=click.IntRange(min=1),
    help="Make so many for each photo and keep the clearest that are as alike as real photos are.",
)
attributes_option = click.option(
    "--attributes",
    metavar="LIST",
    help="What all photos show: smiling,no-eyeglasses,sex=female,blond-hair,age=40.",
)


def training_options(help: str, *names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Whose crops the generator learned from; `names` are others of the option."""
    training = click.option("--training", *names, "training", type=path_type, help=help)
    return lambda command: training(roles_option(role_option(command)))


spread_option = click.option(
    "--spread",
    type=click.FloatRange(0, 3, min_open=True),
    help="How varied: more above 1, more typical below [default: as suits the generator].",
)


def synthesis_options(command: Callable[..., None]) -> Callable[..., None]:
    """What faces and people share: with which models, how chosen, and what comes out."""
    shared = (
        attributes_option,
        candidates_option,
        spread_option,
        generator_option("bundled-gan"),
        embedder_option,
        seed_option,
        device_option,
        grid_option,
    )
    for option in reversed((*shared, json_option)):
        command = option(command)
    return command


def check_training(training: Path | None, roles: Path | None, role: str | None) -> None:
    """Raises: click.UsageError: of --training, --roles and --role one lacks another."""
    check_roles(roles, role)
    if roles and not training:
        raise click.UsageError("--roles says whom of --training FOLDER to take, which is missing.")


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
