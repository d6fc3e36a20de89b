"""`recog generate` and `recog repair`; each command is imported when it runs."""

from __future__ import annotations

import click

from recog.cli.lazy import Command, LazyGroup

COMMANDS = {
    "Commands": {
        "train": Command(
            "generative.cli.train:train", "Train a generator or a repairer on a folder of crops."
        ),
        "pack": Command("generative.cli.pack:pack", "Turn a run of a generator into weights to ship."),
        "label": Command("generative.cli.label:label", "Read attributes and ages off aligned crops."),
        "faces": Command("generative.cli.faces:faces", "Make new photos of people known from a few."),
        "people": Command("generative.cli.faces:people", "Make photos of people who do not exist."),
        "edit": Command("generative.cli.edit:edit", "Change what faces show: smiling, age, ..."),
        "anonymize": Command("generative.cli.edit:anonymize", "Replace faces by people who do not exist."),
        "interpolate": Command("generative.cli.edit:interpolate", "Draw the way from one face to another."),
    }
}


@click.group(cls=LazyGroup, sections=COMMANDS)
def generate() -> None:
    """Train generators, and make faces with them.

    \b
    Example:
      recog generate people --count 10 --photos 5 --out cast
    """
