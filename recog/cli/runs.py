"""The options that every run of the embedder has: `recog train` and `recog distill`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from recog.cli.options import device_option, emit, json_option
from recog.training.config import AUGMENTATIONS, HEADS, OPTIMIZERS, RunConfig

Command = Callable[..., Any]
out_option = click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Run directory; the same call resumes it."
)
start_option = click.option("--start", type=click.Path(path_type=Path), help="Weights to go on from.")


def run_options(defaults: RunConfig) -> Callable[[Command], Command]:
    """The settings of a run, named as in its configuration, with the defaults that it has."""
    options = [
        click.option("--backbone", default=defaults.backbone, show_default=True, help="Any timm backbone."),
        click.option(
            "--head",
            type=click.Choice(HEADS),
            default=defaults.head,
            show_default=True,
            help="gdc weighs each place of the face; timm: the backbone's own, for transformers.",
        ),
        click.option(
            "--size",
            "image_size",
            default=defaults.image_size,
            show_default=True,
            help="Side of the crops that the model sees, px.",
        ),
        click.option("--batch-size", default=defaults.batch_size, show_default=True, help="Crops a step."),
        click.option(
            "--kimg",
            "total_kimg",
            default=defaults.total_kimg,
            show_default=True,
            help="Length of the run, thousands of crops.",
        ),
        click.option(
            "--optimizer",
            type=click.Choice(OPTIMIZERS),
            default=defaults.optimizer,
            show_default=True,
            help="muon learns more from as many crops, and a step takes longer.",
        ),
        click.option(
            "--learning-rate",
            default=defaults.learning_rate,
            show_default=True,
            help="At its peak.",
        ),
        click.option(
            "--augmentation",
            type=click.Choice(AUGMENTATIONS),
            default=defaults.augmentation,
            show_default=True,
        ),
        click.option(
            "--ema-halflife-kimg",
            default=defaults.ema_halflife_kimg,
            show_default=True,
            help="Of averaged weights; 0: none.",
        ),
        click.option(
            "--bf16/--no-bf16",
            default=defaults.bf16,
            show_default=True,
            help="Compute in half precision where the device has it.",
        ),
        start_option,
        click.option("--seed", default=defaults.seed, show_default=True),
        device_option,
        json_option,
    ]

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def emit_run(out: Path, digest: str, steps: int, as_json: bool) -> None:
    """Say where the weights of a finished run are; of several processes one speaks."""
    from recog.training.processes import is_main_process

    if is_main_process():
        weights = str(out / "final.safetensors")
        record = {"weights": weights, "model": digest, "steps": steps}
        emit(record, as_json, f"{weights}  {digest[:12]}  {steps} steps")
