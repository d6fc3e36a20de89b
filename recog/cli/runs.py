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

    def setting(flag: str, name: str, text: str, **more: Any) -> Callable[[Command], Command]:
        default = getattr(defaults, name)
        return click.option(flag, name, default=default, show_default=True, help=text, **more)

    options: list[Callable[[Command], Command]] = [
        setting("--backbone", "backbone", "Any timm backbone."),
        setting(
            "--head",
            "head",
            "gdc weighs each place of the face; timm: the backbone's own, for transformers.",
            type=click.Choice(HEADS),
        ),
        setting("--size", "image_size", "Side of the crops that the model sees, px."),
        setting("--batch-size", "batch_size", "Crops a step."),
        setting("--kimg", "total_kimg", "Length of the run, thousands of crops."),
        setting(
            "--optimizer",
            "optimizer",
            "muon learns more from as many crops, and a step takes longer.",
            type=click.Choice(OPTIMIZERS),
        ),
        setting("--learning-rate", "learning_rate", "At its peak."),
        setting("--augmentation", "augmentation", "How crops are altered.", type=click.Choice(AUGMENTATIONS)),
        setting("--ema-halflife-kimg", "ema_halflife_kimg", "Of averaged weights; 0: none."),
        setting("--bf16/--no-bf16", "bf16", "Compute in half precision where the device has it."),
        start_option,
        setting("--seed", "seed", "The same seed learns the same."),
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
    from recog.checkpoints import FINAL
    from recog.training.processes import is_main_process

    if is_main_process():
        weights = str(out / FINAL)
        record = {"weights": weights, "model": digest, "steps": steps}
        emit(record, as_json, f"{weights}  {digest[:12]}  {steps} steps")
