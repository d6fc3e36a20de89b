"""`recog bench enrich`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.cli.common import out_option, path_type, print_rows, roles_option
from recog.cli.options import device_option, json_option


@click.command()
@click.option("--data", type=path_type, required=True, help="Aligned crops, one sub-folder a person.")
@roles_option
@click.option("--user-role", default="user", show_default=True, help="Enroll and search these, with --roles.")
@click.option("--rich", type=path_type, help="Crops of other people, to learn how a person's photos vary.")
@click.option("--rich-role", help="Of --rich, the identities of this role only.")
@click.option("--people", default=300, show_default=True, help="People enrolled.")
@click.option(
    "--photos", default="1,2,5", show_default=True, help="Photos of each, one gallery after another."
)
@click.option("--copies", default=8, show_default=True, help="Templates added for each photo.")
@click.option("--seeds", default=10, show_default=True, help="Paired repetitions.")
@click.option("--fpir", default=0.01, show_default=True, help="Share of strangers who may be named.")
@click.option(
    "--generator",
    "generators",
    multiple=True,
    default=("bundled-gan", "bundled-vae"),
    show_default=True,
    help="Name or file of a generator; again for others.",
)
@out_option
@device_option
@json_option
def enrich(
    data: Path,
    roles: Path | None,
    user_role: str,
    rich: Path | None,
    rich_role: str | None,
    people: int,
    photos: str,
    copies: int,
    seeds: int,
    fpir: float,
    generators: tuple[str, ...],
    out: Path,
    device: str,
    as_json: bool,
) -> None:
    """Measure what made-up templates add to galleries of few photos a person.

    Nothing is trained: the bundled embedder sees the photos, and beside them augmented copies, photos that
    generators make of the same people, and vectors drawn as photos of others vary. Rows are appended as they
    come; the same call goes on where it stopped.

    \b
    Example:
      recog bench enrich --data crops --roles roles.csv --rich crops --rich-role fit
    """
    if rich_role is not None and roles is None:
        raise click.UsageError("--rich-role needs --roles.")
    if rich is not None and roles is not None and rich_role is None:
        raise click.UsageError("--rich needs --rich-role where there are --roles.")
    try:
        counts = tuple(int(one) for one in photos.split(","))
    except ValueError as error:
        raise click.BadParameter("give numbers, as 1,2,5", param_hint="--photos") from error

    from benchmarks import rows
    from benchmarks.augment.enriching import BENCH, EnrichPlan, ways, whole
    from benchmarks.augment.enriching import enrich as measure
    from benchmarks.materials import name_of
    from generative.synthesis import Synthesizer
    from recog.alignment import TEMPLATE_SIZE
    from recog.embedding import Embedder
    from recog.errors import DataError
    from recog.training import open_crops

    plan = EnrichPlan(people=people, photos=counts, seeds=seeds, fpir=fpir)
    embedder = Embedder.load("bundled", device)
    role = user_role if roles else None
    crops = open_crops(data, size=TEMPLATE_SIZE, roles=roles, role=role)
    others = None
    if rich is not None:
        others = open_crops(rich, size=TEMPLATE_SIZE, roles=roles if rich_role else None, role=rich_role)
        both = set(others.identities) & set(crops.identities)
        if both:
            raise DataError(f"{len(both)} people are both enrolled and learned from, as {min(both)!r}.")
    if len(set(generators)) < len(generators):
        raise click.UsageError("A --generator is named twice.")
    made = {name: Synthesizer.load(name, embedder, device) for name in generators}
    done = whole(rows.read(rows.file_of(out, BENCH)))
    measured = measure(
        crops,
        embedder,
        ways(embedder, made, others, copies),
        name_of(data, roles, user_role),
        plan,
        kept=lambda found: rows.append(rows.file_of(out, BENCH), *found),
        done=done,
        device=device,
    )
    print_rows(measured, as_json)
