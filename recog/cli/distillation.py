"""`recog distill`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from recog.cli.options import device_option, emit, json_option


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path), metavar="[FOLDER]...")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Run directory; the same call resumes it."
)
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
@click.option("--roles", type=click.Path(path_type=Path), help="CSV identity,role of FOLDERs; with --role.")
@click.option("--role", help="Learn from the identities of this role only.")
@click.option("--backbone", default="regnetx_004", show_default=True, help="Any timm backbone.")
@click.option("--size", default=112, show_default=True, help="Side of the student's input, px.")
@click.option("--embedding-size", type=int, show_default="the teachers'", help="Numbers a face.")
@click.option("--batch-size", default=128, show_default=True, help="Crops a step.")
@click.option("--kimg", default=500.0, show_default=True, help="Length of the run, thousands of crops.")
@click.option("--learning-rate", default=2e-3, show_default=True, help="Of AdamW, at its peak.")
@click.option(
    "--augmentation",
    type=click.Choice(["none", "flip", "classic", "strong", "damage"]),
    default="damage",
    show_default=True,
)
@click.option("--relational-weight", default=5.0, show_default=True, help="Of the batch's cosines.")
@click.option("--arcface-weight", default=0.0, show_default=True, help="Of the labels.")
@click.option("--ema-halflife-kimg", default=0.0, show_default=True, help="Of averaged weights; 0: none.")
@click.option("--start", type=click.Path(path_type=Path), help="Weights to go on from.")
@click.option("--seed", default=0, show_default=True)
@device_option
@json_option
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
    student can become better on damaged faces. Runs on several processes under `accelerate launch -m recog
    distill ...`.

    \b
    Example:
      recog distill crops/ --teacher teacher.onnx --out runs/student --kimg 500
      recog distill --recipe recog-s --data data/ --out runs/recog-s
    """
    from recog.training.processes import is_main_process

    if recipe is None:
        steps, digest = _from_options(folders, out, device, settings)
    else:
        typed = ParameterSource.COMMANDLINE
        given = [name for name in settings if context.get_parameter_source(name) is typed]
        if folders or given:
            what = (
                "FOLDER"
                if folders
                else "--" + {"teachers": "teacher"}.get(given[0], given[0]).replace("_", "-")
            )
            raise click.UsageError(f"{what} and --recipe exclude each other: the recipe says all of it.")
        from recog.training import recipes

        read = recipes.read(recipe, data)
        digest = recipes.follow(read, out, device=device).digest
        steps = sum(stage.config.steps for stage in read.stages)
    if is_main_process():
        weights = str(out / "final.safetensors")
        text = f"{weights}  {digest[:12]}  {steps} steps"
        emit({"weights": weights, "model": digest, "steps": steps}, as_json, text)


def _from_options(
    folders: tuple[Path, ...], out: Path, device: str, given: dict[str, Any]
) -> tuple[int, str]:
    """(steps, digest) of a run that the options describe."""
    teachers, unlabelled, blends = (given.pop(name) for name in ("teachers", "unlabelled", "blends"))
    roles, role, start = given.pop("roles"), given.pop("role"), given.pop("start")
    if not teachers:
        raise click.UsageError("Give a --teacher, or a --recipe.")
    if (roles is None) != (role is None) or (roles is not None and not folders):
        raise click.UsageError("--roles and --role go together, and with a FOLDER.")
    if not folders and not unlabelled:
        raise click.UsageError("Give a FOLDER or --unlabelled, or a --recipe.")

    from recog.embedders import load_embedder
    from recog.training import DistillConfig, distill
    from recog.training.blending import with_blends
    from recog.training.processes import main_first
    from recog.training.sources import Source, open_all

    with main_first():
        taught_by = [load_embedder(name, device) for name in teachers]
    given["image_size"], given["total_kimg"] = given.pop("size"), given.pop("kimg")
    given["embedding_size"] = given["embedding_size"] or 0
    config = DistillConfig(**given)
    sources = [Source(folder=folder, roles=roles, role=role) for folder in folders]
    sources += [Source(folder=folder, labelled=False) for folder in unlabelled]
    crops = open_all(sources, max(teacher.image_size for teacher in taught_by))
    crops = with_blends(crops, blends, config.seed)
    embedder = distill(config, crops, taught_by, run_dir=out, device=device, start=start)
    return config.steps, embedder.digest
