"""`recog bench augment`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.cli.common import out_option, path_type, print_rows, roles_option
from recog.cli.options import device_option, json_option

if TYPE_CHECKING:
    from benchmarks.augment.plan import Plan

IN_FOLDERS = ("people", "photos", "seeds")  # of what a plan says, where --data is all there is
IN_PLANS = (
    *("people", "photos", "synthetic_photos", "synthetic_share", "seeds", "kimg", "size", "backbone"),
    *("backbone_options", "batch_size", "learning_rate", "candidates", "arms"),
)


@click.command()
@click.option("--data", type=path_type, required=True, help="Aligned crops, one sub-folder a person.")
@roles_option
@click.option(
    "--user-role", default="user", show_default=True, help="Role whose photos are drawn from --data."
)
@click.option(
    "--report", "reports", type=path_type, multiple=True, help="Aligned crops of other people to verify."
)
@click.option("--report-role", default="report", show_default=True, help="Role of the people in --report.")
@click.option("--photos-folder", type=path_type, help="Original photos to verify too, with --pairs.")
@click.option("--pairs", type=path_type, help="Pairs of --photos-folder (LFW's pairs.txt or a CSV).")
@click.option("--landmarks", type=path_type, help="Published landmarks of --photos-folder.")
@click.option(
    "--plan",
    "plan_file",
    type=path_type,
    help="TOML file that says all that the options below say, and more; of lists of people or photos, each.",
)
@click.option("--runs", type=path_type, help="Folder of generators that the closed regime trains.")
@click.option("--people", default=200, show_default=True, help="People drawn a seed.")
@click.option("--photos", default=4, show_default=True, help="Real photos of each.")
@click.option("--synthetic-photos", default=16, show_default=True, help="Made-up photos of each.")
@click.option("--synthetic-share", default=0.5, show_default=True, help="Of each batch in the mixed arm.")
@click.option("--seeds", default=6, show_default=True, help="Paired repetitions.")
@click.option("--kimg", default=60.0, show_default=True, help="Thousands of crops seen a run.")
@click.option("--size", default=64, show_default=True, help="Side of the crops, px.")
@click.option("--backbone", default="resnet18", show_default=True, help="Any timm backbone.")
@click.option("--backbone-options", help="JSON for timm.create_model.  [default: a slim resnet18]")
@click.option("--batch-size", default=128, show_default=True, help="Crops a step.")
@click.option("--learning-rate", default=2e-3, show_default=True, help="Of AdamW, at its peak.")
@click.option("--generator", default="bundled-gan", show_default=True, help="Name or file of a generator.")
@click.option("--vae", default="bundled-vae", show_default=True, help="Name or file of a VAE, for plans.")
@click.option("--candidates", default=2, show_default=True, help="Made-up photos drawn for each one kept.")
@click.option("--arms", help="Comma-separated.  [default: none,classic,classic+synthetic,synthetic]")
@click.option("--cost-table", is_flag=True, help="Only estimate what each arm costs, from a few steps.")
@out_option
@device_option
@json_option
def augment(
    data: Path,
    roles: Path | None,
    user_role: str,
    reports: tuple[Path, ...],
    report_role: str,
    photos_folder: Path | None,
    pairs: Path | None,
    landmarks: Path | None,
    plan_file: Path | None,
    runs: Path | None,
    size: int,
    generator: str,
    vae: str,
    cost_table: bool,
    out: Path,
    device: str,
    as_json: bool,
    **_in_plans: object,
) -> None:
    """Measure what synthetic faces do to recognition, with paired seeds.

    Every arm of a seed gets the same photos of the same people, the same initial weights and the same number
    of gradient steps. Rows are appended as they come; the same call goes on where it stopped, and several at
    a time share the runs. With --data alone, half of the people are the exam, and the answer for them is a
    sentence.

    \b
    Example:
      recog bench augment --data crops
      recog bench augment --data crops/train --roles roles.csv --report crops/val --cost-table
      recog bench augment --data crops/train --roles roles.csv --report crops/val --people 200
    """
    if (photos_folder is None) != (pairs is None):
        raise click.UsageError("--photos-folder and --pairs go together.")
    alone = not reports and pairs is None

    from benchmarks import materials, rows
    from benchmarks.augment import own_folder
    from benchmarks.augment.bench import Bench
    from benchmarks.augment.costs import cost_table as estimate
    from benchmarks.augment.reading import read

    given = {name: value for name, value in click.get_current_context().params.items() if _is_given(name)}
    _check(given, plan_file, alone)
    plans = () if plan_file is None else read(plan_file)
    only: tuple[str, ...] | None = None
    if alone:
        side = plans[0].image_size if plans else size
        learned, asked = materials.half(data, side, roles, user_role)
        changes = {name: given[name] for name in IN_FOLDERS if name in given}
        plans = plans or (own_folder.plan_for(learned, **changes),)
        only, exams = learned.identities, [asked]
    else:
        plans = plans or (_usual(click.get_current_context().params),)
        exams = materials.exams_of(
            reports,
            roles,
            report_role,
            plans[0].image_size,
            photos=photos_folder,
            pairs=pairs,
            landmarks=landmarks,
            device=device,
        )
    material = materials.material(
        data,
        exams,
        plans[0],  # others differ in numbers of people and photos
        roles=roles,
        user_role=user_role,
        generators={"gan": generator, "vae": vae},
        runs=runs,
        only=only,
        device=device,
    )
    benches = [Bench(plan, material, device=device) for plan in plans]  # what does not fit is said first
    for bench in benches:
        if cost_table:
            print_rows(rows.append_all(out, estimate(bench)), as_json)
            continue
        print_rows(bench.run(out), as_json)
        if alone:
            there = [row for row in rows.read(rows.file_of(out, "augment")) if row.plan == bench.origin.plan]
            click.echo(own_folder.answer(there), err=as_json)


def _is_given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def _check(given: Mapping[str, Any], plan_file: Path | None, alone: bool) -> None:
    """Raises: click.UsageError: an option that the plan, or the folder, decides."""
    said = [name for name in IN_PLANS if name in given]
    if plan_file is not None and said:
        raise click.UsageError(f"--{said[0].replace('_', '-')} is the plan's to say: leave it out.")
    odd = [name for name in said if name not in IN_FOLDERS]
    if alone and odd:
        raise click.UsageError(f"--{odd[0].replace('_', '-')} needs --report or --pairs, or a --plan.")


def _usual(said: Mapping[str, Any]) -> Plan:
    from benchmarks.augment.plan import Plan, usual
    from benchmarks.choices import chosen

    every = usual(said["synthetic_photos"], said["synthetic_share"], said["candidates"])
    names = said["arms"].split(",") if said["arms"] else ()
    return Plan(
        people=said["people"],
        photos=said["photos"],
        seeds=said["seeds"],
        arms=chosen(every, names, "arm"),
        train={
            "total_kimg": said["kimg"],
            "image_size": said["size"],
            "backbone": said["backbone"],
            "backbone_options": _options(said["backbone"], said["backbone_options"]),
            "batch_size": said["batch_size"],
            "learning_rate": said["learning_rate"],
        },
    )


def _options(backbone: str, text: str | None) -> dict[str, object]:
    """The plan's default options fit its default backbone only."""
    if text is None:
        return {"channels": (48, 96, 192, 384)} if backbone == "resnet18" else {}
    try:
        options = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"not JSON ({error})", param_hint="--backbone-options") from error
    if not isinstance(options, dict):
        raise click.BadParameter("give a JSON object", param_hint="--backbone-options")
    return options
