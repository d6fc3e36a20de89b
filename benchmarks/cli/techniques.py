"""`recog bench techniques`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.cli.common import keeper, out_option, path_type
from benchmarks.cli.generate import conditioning_option
from recog.cli.options import check_roles, device_option, json_option, roles_option


@click.command()
@click.argument("names", nargs=-1, metavar="[TECHNIQUE]...")
@click.option("--data", type=path_type, required=True, help="Aligned crops, one sub-folder an identity.")
@roles_option
@click.option("--role", help="Learn from these identities, with --roles.")
@click.option("--judge", type=path_type, required=True, help="Crops of other people, to measure on.")
@click.option("--judge-role", help="Of --judge, the identities of this role only.")
@click.option("--attributes", type=path_type, help="CSV of what the crops show, of both folders.")
@conditioning_option
@click.option("--judges", type=path_type, help="Folder of judges [default: those of this package].")
@click.option("--kimg", default=60.0, show_default=True, help="Thousands of faces that each run sees.")
@click.option("--size", default=64, show_default=True, help="Side of the faces, px.")
@click.option("--batch-size", default=16, show_default=True, help="Faces a step.")
@click.option("--learning-rate", type=float, help="Of all arms [default: what is usual for the kind].")
@click.option("--runs", type=path_type, required=True, help="Folder of the runs: the same call goes on.")
@click.option("--seed", default=0, show_default=True)
@out_option
@device_option
@json_option
def techniques(
    names: tuple[str, ...],
    data: Path,
    roles: Path | None,
    role: str | None,
    judge: Path,
    judge_role: str | None,
    attributes: Path | None,
    model: str,
    judges: Path | None,
    kimg: float,
    size: int,
    batch_size: int,
    learning_rate: float | None,
    runs: Path,
    seed: int,
    out: Path,
    device: str,
    as_json: bool,
) -> None:
    """Train a generator in many ways, for as long, and measure what each technique is worth.

    \b
    Example:
      recog bench techniques --data crops --judge others --attributes labels.csv --runs runs/techniques
    """
    check_roles(roles, role or judge_role)
    from benchmarks import rows
    from benchmarks.choices import chosen
    from benchmarks.generation.bench import Materials, Measured, Plan
    from benchmarks.generation.subjects import Subjects
    from benchmarks.generation.techniques import ARMS
    from benchmarks.generation.techniques import techniques as measure
    from benchmarks.judging.judges import Judges
    from benchmarks.materials import name_of
    from generative.data import open_faces
    from recog.embedding import Embedder

    arms = chosen(ARMS, names, "technique")
    embedder = Embedder.load(model, device)
    faces = open_faces(
        data, size=size, embedder=embedder, roles=roles if role else None, role=role, attributes=attributes
    )
    chosen_roles = roles if judge_role else None
    subjects = Subjects.open(
        judge,
        embedder,
        size=size,
        name=name_of(judge, chosen_roles, judge_role or ""),
        roles=chosen_roles,
        role=judge_role,
        attributes=attributes,
    )
    measured = Measured(Materials(Judges.load(judges, device), subjects), Plan(seed=seed))
    done = frozenset(row.plan for row in rows.read(rows.file_of(out, "techniques")))
    pace = {
        "total_kimg": kimg,
        "image_size": size,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "seed": seed,
    }

    measure(
        arms, faces, embedder, measured, runs, pace=pace, kept=keeper(out, as_json), done=done, device=device
    )
