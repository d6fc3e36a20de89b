"""The command line: `recog`. Commands load when they are called, so that `recog --help` answers at once."""

from __future__ import annotations

import click

from recog.cli.lazy import Command, Root

COMMANDS = {
    "People": {
        "enroll": Command("recog.cli.people:enroll", "Add photos of a person to the gallery."),
        "list": Command("recog.cli.people:list_people", "List the people who are enrolled."),
        "show": Command("recog.cli.people:show", "Show what is stored of a person."),
        "rename": Command("recog.cli.people:rename", "Give a person another name."),
        "remove": Command("recog.cli.people:remove", "Erase people: names, vectors and all."),
    },
    "Questions": {
        "query": Command("recog.cli.questions:query", "Name each face on photos."),
        "quality": Command("recog.cli.quality:quality", "Say how well faces can be recognised."),
        "verify": Command("recog.cli.questions:verify", "Say whether two photos show one person."),
        "embed": Command("recog.cli.embed:embed", "Write the vectors of faces to a file."),
    },
    "Set-up": {
        "calibrate": Command("recog.cli.calibrate:calibrate", "Set the thresholds of a gallery."),
        "info": Command("recog.cli.system:info", "Describe a gallery."),
        "export": Command("recog.cli.exchange:export", "Write the people of a gallery to a file."),
        "import": Command("recog.cli.exchange:import_", "Add the people of an exported file."),
        "log": Command("recog.cli.log:log", "Show what happened to a gallery, and whether the log is whole."),
        "keys": Command("recog.cli.keys:keys", "Encrypt a gallery, and keep its keys."),
        "migrate": Command("recog.cli.migrate:migrate", "Give a gallery another model, by kept faces."),
        "doctor": Command("recog.cli.system:doctor", "Check the installation and a gallery."),
        "models": Command("recog.cli.models:models", "List, describe and fetch the models."),
    },
    "Training and synthesis": {
        "crop": Command("recog.cli.crops:crop", "Cut aligned faces out of photos."),
        "train": Command("recog.cli.training:train", "Train an embedder on a folder of crops."),
        "distill": Command("recog.cli.distillation:distill", "Teach a small embedder by a larger one."),
        "generate": Command("generative.cli:generate", "Train generators and make faces."),
        "repair": Command("generative.cli.repair:repair", "Repair damaged photos of faces."),
    },
    "Measuring": {
        "bench": Command("benchmarks.cli:bench", "Measure recognition, and what synthesis does to it."),
        "demo": Command("benchmarks.cli:demo", "Show the whole toolkit on people who do not exist."),
    },
}


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from recog import __version__

        click.echo(f"recog {__version__}")
        context.exit()


@click.group(cls=Root, sections=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
@click.option("-v", "--verbose", is_flag=True, help="Say what is going on, on standard error.")
def main(verbose: bool) -> None:
    """Recognise faces, and make the faces that are missing.

    \b
    Example:
      recog enroll ada ada1.jpg ada2.jpg
      recog query party.jpg

    Exit codes: 0 done; 1 the answer is "no"; 2 wrong usage; 3 some inputs failed, the rest are done;
    4 nothing could be done; 130 interrupted.
    """
    import logging

    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s: %(message)s")


def run() -> None:
    """Entry point of the `recog` script."""
    main(prog_name="recog")
