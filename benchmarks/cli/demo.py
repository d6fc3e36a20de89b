"""`recog demo`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.cli.common import path_type
from recog.cli.options import device_option, emit, json_option


@click.command()
@click.option(
    "--out", type=path_type, default=Path("recog-demo"), show_default=True, help="Where the report goes."
)
@click.option("--quick", is_flag=True, help="Less of everything: about a minute.")
@click.option("--seed", default=0, show_default=True, help="Another seed, another cast.")
@device_option
@json_option
def demo(out: Path, quick: bool, seed: int, device: str, as_json: bool) -> None:
    """Show the whole toolkit on people who do not exist.

    Makes a cast, enrolls them, recognises unseen photos, refuses strangers, repairs damaged photos and runs a
    small augmentation benchmark, offline, in a few minutes. Its scores are a demonstration, not evidence of
    accuracy.

    \b
    Example:
      recog demo
      recog demo --quick --out demo
    """
    from benchmarks.demo import DemoPlan, run

    plan = DemoPlan.quick(seed) if quick else DemoPlan(seed=seed)
    page, story = run(plan, out, device=device)
    figures = story.figures
    text = (
        f"{figures['recognised']} of {figures['unseen']} unseen photos recognised, "
        f"{figures['refused']} of {figures['strangers']} photos of strangers refused "
        f"(made-up people: a demonstration, not evidence of accuracy).\nReport: {page}"
    )
    emit({"report": str(page), **figures}, as_json, text)
