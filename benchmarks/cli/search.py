"""`recog bench search`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.cli.common import out_option, path_type, print_rows
from recog.cli.options import check_roles, device_option, json_option, role_option, roles_option


@click.command()
@click.option("--data", type=path_type, required=True, help="Aligned crops, whose spread templates get.")
@roles_option
@role_option
@click.option("--templates", default=1_000_000, show_default=True, help="In each store, one a person.")
@click.option(
    "--probes", default=500, show_default=True, help="Of enrolled people, and as many of strangers."
)
@click.option("--recall", default=0.99, show_default=True, help="That stores are searched for.")
@click.option("--only", multiple=True, help="A store, by name; several times. Default: all installed.")
@click.option("--scratch", type=path_type, help="Folder for the stores' files, about 3 kB a template.")
@click.option("--model", default="bundled", show_default=True, help="Name, weights file, or .onnx file.")
@click.option("--seed", default=0, show_default=True)
@out_option
@device_option
@json_option
def search(
    data: Path,
    roles: Path | None,
    role: str | None,
    templates: int,
    probes: int,
    recall: float,
    only: tuple[str, ...],
    scratch: Path | None,
    model: str,
    seed: int,
    out: Path,
    device: str,
    as_json: bool,
) -> None:
    """How quickly a large gallery answers, and how often rightly, beside other stores of vectors.

    Templates are synthetic, spread as those of real faces. Compared are those installed of hnswlib, usearch
    and milvus-lite (pip install 'recog[stores]').

    \b
    Example:
      recog bench search --data crops --templates 100000
    """
    check_roles(roles, role)
    import numpy as np

    from benchmarks import rows
    from benchmarks.materials import name_of
    from benchmarks.populations import Population
    from benchmarks.search import search as measure
    from recog.alignment import TEMPLATE_SIZE
    from recog.embedders import load_embedder
    from recog.training import open_crops

    crops = open_crops(data, size=TEMPLATE_SIZE, roles=roles, role=role)
    population = Population.of(load_embedder(model, device).embed(np.asarray(crops.images)), crops.labels)
    measured = measure(
        population,
        f"spread as {name_of(data, roles, role or '')}",
        templates=templates,
        probes=probes,
        recall=recall,
        seed=seed,
        only=only,
        scratch=scratch,
    )
    print_rows(rows.append_all(out, measured), as_json)
