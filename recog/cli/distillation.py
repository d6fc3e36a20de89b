"""`recog distill`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from recog.cli.options import check_roles, role_option, roles_option
from recog.cli.runs import emit_run, out_option, run_options
from recog.training.config import DistillConfig

DEFAULTS = DistillConfig()


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path), metavar="[FOLDER]...")
@out_option
@click.option("--recipe", help="A recipe by name or .toml file, instead of everything below but --data.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path(),
    show_default="here",
    help="Where a recipe's folders lie.",
)
@click.option("--teacher", "teachers", multiple=True, help="Model name or .onnx file; several are joined.")
@click.option(
    "--unlabelled",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Folder of crops of nobody knows whom; repeatable.",
)
@click.option("--blends", default=0, show_default=True, help="Mixtures of two crops to learn from as well.")
@click.option(
    "--bend",
    default=0.0,
    show_default=True,
    help="How far faces of --blends are bent into other faces, in sides of a crop; 0.025 is much.",
)
@roles_option
@role_option
@click.option(
    "--embedding-size",
    default=DEFAULTS.embedding_size,
    show_default="the teachers'",
    help="Numbers a face.",
)
@click.option(
    "--cosine-weight",
    default=DEFAULTS.cosine_weight,
    show_default=True,
    help="Of the distance to the teacher's answer.",
)
@click.option(
    "--relational-weight",
    default=DEFAULTS.relational_weight,
    show_default=True,
    help="Of the batch's cosines.",
)
@click.option("--arcface-weight", default=DEFAULTS.arcface_weight, show_default=True, help="Of the labels.")
@click.option("--margin", default=DEFAULTS.margin, show_default=True, help="Of that term, rad.")
@click.option(
    "--whiten/--no-whiten",
    default=DEFAULTS.whiten,
    show_default=True,
    help="Make small, by the labels, what differs between photos of one person.",
)
@run_options(DEFAULTS)
@click.pass_context
def distill(
    context: click.Context,
    /,
    folders: tuple[Path, ...],
    out: Path,
    recipe: str | None,
    data: Path,
    as_json: bool,
    device: str,
    **settings: Any,
) -> None:
    """Teach a small model what a TEACHER sees in FOLDERs of aligned crops.

    FOLDERs have one sub-folder a person. The student sees the crops damaged, the teacher whole, so that the
    student can become better on damaged faces. Runs on several GPUs under `accelerate launch -m recog distill
    ...`, on several processes without one under `torchrun --nproc_per_node 2 -m recog distill ...`.

    \b
    Example:
      recog distill crops/ --teacher teacher.onnx --out runs/student --kimg 500
      recog distill --recipe recog-s --data data/ --out runs/recog-s
    """
    if recipe is None:
        if context.get_parameter_source("data") is ParameterSource.COMMANDLINE:
            raise click.UsageError("--data goes with --recipe: it says where its folders lie.")
        steps, digest = _from_options(folders, out, device, settings)
    else:
        _refuse_besides_recipe(context, {*settings, "folders"})
        from recog.training import recipes

        read = recipes.read(recipe, data)
        digest = recipes.follow(read, out, device=device).digest
        steps = sum(stage.config.steps for stage in read.stages)
    emit_run(out, digest, steps, as_json)


def _refuse_besides_recipe(context: click.Context, names: set[str]) -> None:
    typed = ParameterSource.COMMANDLINE
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in names and context.get_parameter_source(name) is typed:
            what = "FOLDER" if isinstance(parameter, click.Argument) else parameter.opts[0]
            raise click.UsageError(f"{what} and --recipe exclude each other: the recipe says all of it.")


def _from_options(
    folders: tuple[Path, ...], out: Path, device: str, given: dict[str, Any]
) -> tuple[int, str]:
    """(steps, digest) of a run that the options describe."""
    teachers, unlabelled = given.pop("teachers"), given.pop("unlabelled")
    blends, bend = given.pop("blends"), given.pop("bend")
    roles, role, start = given.pop("roles"), given.pop("role"), given.pop("start")
    if not teachers:
        raise click.UsageError("Give a --teacher, or a --recipe.")
    check_roles(roles, role)
    if roles is not None and not folders:
        raise click.UsageError("--roles and --role go with a FOLDER.")
    if not folders and not unlabelled:
        raise click.UsageError("Give a FOLDER or --unlabelled, or a --recipe.")

    from recog.device import resolve
    from recog.embedders import load_embedder
    from recog.training import distill
    from recog.training.blending import check_blends, with_blends
    from recog.training.processes import main_first
    from recog.training.sources import Source, open_all

    config = DistillConfig(**given)
    check_blends(blends, bend)  # before any crop is read
    sources = [Source(folder=folder, roles=roles, role=role) for folder in folders]
    sources += [Source(folder=folder, labelled=False) for folder in unlabelled]
    with main_first(resolve(device)):
        taught_by = [load_embedder(name, device) for name in teachers]
        crops = open_all(sources, max(teacher.crop_size for teacher in taught_by))
        crops = with_blends(crops, blends, config.seed, bend)
    embedder = distill(config, crops, taught_by, run_dir=out, device=device, start=start)
    return config.steps, embedder.digest
