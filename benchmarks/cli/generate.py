"""`recog bench generate` and `recog bench judges`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.cli.common import keeper, out_option, path_type
from generative.cli.options import CANDIDATES
from recog.cli.options import check_roles, device_option, emit, json_option, role_option, roles_option

conditioning_option = click.option(
    "--model", default="bundled", show_default=True, help="Embedder that generators are conditioned on."
)


def judged_options(command: Callable[..., None]) -> Callable[..., None]:
    """By whom, and on whose photos, what generators make is judged."""
    options = (
        click.option(
            "--data", type=path_type, required=True, help="Aligned crops of people not learned from."
        ),
        roles_option,
        role_option,
        click.option("--attributes", type=path_type, help="CSV of what the crops show; edit reads it off."),
        conditioning_option,
        click.option("--judges", type=path_type, help="Folder of judges [default: those of this package]."),
        click.option("--no-detection", is_flag=True, help="Do not look for faces in what is made."),
        click.option("--seed", default=0, show_default=True),
        out_option,
        device_option,
        json_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("generators", nargs=-1)
@judged_options
@click.option("--training", type=path_type, help="Crops that the generators learned from: checks for leaks.")
@click.option("--training-role", help="Of --training, the identities of this role only.")
@click.option(
    "--strangers-role",
    help="Of --training, people whom nobody learned from: are made-up faces nearer to training faces?",
)
@click.option("--ages", type=path_type, help="Crops of known age that the judges have not learned from.")
@click.option("--ages-table", type=path_type, help="CSV of file and age of these.")
@click.option("--photos", default=4, show_default=True, help="Made-up photos a person.")
@click.option("--candidates", default=CANDIDATES, show_default=True, help="Made for each that is kept.")
@click.option("--shown", default=1000, show_default=True, help="People asked for attributes, and for ages.")
@click.option("--leak", default=1000, show_default=True, help="Faces a side of the leak check.")
def generate(
    generators: tuple[str, ...],
    data: Path,
    roles: Path | None,
    role: str | None,
    attributes: Path | None,
    model: str,
    training: Path | None,
    training_role: str | None,
    strangers_role: str | None,
    ages: Path | None,
    ages_table: Path | None,
    judges: Path | None,
    photos: int,
    candidates: int,
    shown: int,
    leak: int,
    no_detection: bool,
    seed: int,
    out: Path,
    device: str,
    as_json: bool,
) -> None:
    """How good made-up faces are, by judges that had no part in making them.

    GENERATORS are bundled-gan, bundled-vae, files or run directories; default both bundled ones.

    \b
    Example:
      recog bench generate --data crops --attributes labels.csv
      recog bench generate runs/gan --data crops --training fit-crops
    """
    if (training_role or strangers_role) and roles is None:
        raise click.UsageError("--training-role and --strangers-role need --roles.")
    check_roles(roles, role or training_role or strangers_role)
    if (ages is None) != (ages_table is None):
        raise click.UsageError("--ages and --ages-table go together.")
    if strangers_role and (training is None or training_role is None):
        raise click.UsageError("--strangers-role needs --training and --training-role.")
    from benchmarks.generation.bench import Materials, Plan
    from benchmarks.generation.bench import generate as measure
    from benchmarks.generation.subjects import Subjects
    from benchmarks.judging.judges import Judges
    from benchmarks.materials import name_of
    from generative.data import FaceData, open_faces, open_read_faces
    from generative.synthesis import Synthesizer
    from recog.detection import Detector
    from recog.embedding import Embedder

    plan = Plan(photos=photos, candidates=candidates, shown=shown, leak=leak, seed=seed)
    embedder = Embedder.load(model, device)
    names = generators or ("bundled-gan", "bundled-vae")
    arms = [_arm(name) for name in names]
    if len(set(arms)) < len(arms):
        raise click.UsageError(f"Two generators are called {max(arms, key=arms.count)!r}: rename a folder.")
    loaded = {arm: Synthesizer.load(name, embedder, device) for arm, name in zip(arms, names, strict=True)}
    size = next(iter(loaded.values())).image_size
    judged = roles if role else None
    subjects = Subjects.open(
        data,
        embedder,
        size=size,
        name=name_of(data, judged, role or ""),
        roles=judged,
        role=role,
        attributes=attributes,
    )
    learned: FaceData | None = None
    strangers: FaceData | None = None
    if training is not None:
        chosen = roles if training_role else None
        learned = open_faces(training, size=size, embedder=embedder, roles=chosen, role=training_role)
    if training is not None and strangers_role:
        strangers = open_faces(training, size=size, embedder=embedder, roles=roles, role=strangers_role)
    aged = open_read_faces([(ages, ages_table)], size=size) if ages and ages_table else None
    materials = Materials(
        Judges.load(judges, device),
        subjects,
        learned,
        strangers,
        aged,
        None if no_detection else Detector(device),
    )
    kept = keeper(out, as_json)
    measure(loaded, materials, plan, kept, device, out)


@click.command()
@click.option("--data", type=path_type, required=True, help="Aligned crops, one sub-folder an identity.")
@roles_option
@click.option("--role", help="Use the identities of this role only; one half of them.")
@click.option("--attributes", type=path_type, required=True, help="CSV of what the crops show.")
@click.option("--others", type=path_type, multiple=True, help="Further crops, for ages, of nobody known.")
@click.option("--others-table", type=path_type, multiple=True, help="CSV of each of these.")
@click.option("--out", type=path_type, required=True, help="Folder of the runs; the same call resumes them.")
@device_option
@json_option
def judges(
    data: Path,
    roles: Path | None,
    role: str | None,
    attributes: Path,
    others: tuple[Path, ...],
    others_table: tuple[Path, ...],
    out: Path,
    device: str,
    as_json: bool,
) -> None:
    """Train judges of made-up faces on one half of the identities.

    \b
    Example:
      recog bench judges --data crops --roles roles.csv --role fit --attributes labels.csv --out runs/judges
    """
    check_roles(roles, role)
    if len(others) != len(others_table):
        raise click.UsageError("--others needs --others-table for each, in the same order.")
    if roles is None or role is None:
        raise click.UsageError("--roles and --role say whom judges may learn from.")
    import logging

    from benchmarks.judging.judges import train_judges

    logging.getLogger("generative").setLevel(logging.INFO)  # hours of silence help nobody
    tables = tuple(zip(others, others_table, strict=True))
    for file in train_judges(out, data, roles, role, attributes, tables, device):
        emit({"weights": str(file)}, as_json, str(file))


@click.command()
@click.argument("generator", default="bundled-vae")
@judged_options
def edit(
    generator: str,
    data: Path,
    roles: Path | None,
    role: str | None,
    attributes: Path | None,
    model: str,
    judges: Path | None,
    no_detection: bool,
    seed: int,
    out: Path,
    device: str,
    as_json: bool,
) -> None:
    """Edit and anonymize photos: are people still recognised where they should be, and not where not.

    GENERATOR is bundled-vae, a file or a run directory of a vae or vae-gan.

    \b
    Example:
      recog bench edit --data crops --out recog-results
    """
    check_roles(roles, role)
    from benchmarks import rows
    from benchmarks.generation.bench import Materials
    from benchmarks.generation.changing import edit as measure
    from benchmarks.generation.subjects import Subjects
    from benchmarks.judging.judges import Judges
    from benchmarks.materials import name_of
    from generative.editing import Editor
    from recog.alignment import TEMPLATE_SIZE
    from recog.detection import Detector
    from recog.embedding import Embedder

    embedder = Embedder.load(model, device)
    editor = Editor.load(generator, embedder, device=device)
    name = name_of(data, roles, role or "")
    subjects = Subjects.open(
        data, embedder, size=TEMPLATE_SIZE, name=name, roles=roles, role=role, attributes=attributes
    )
    detector = None if no_detection else Detector(device)
    materials = Materials(Judges.load(judges, device), subjects, detector=detector)
    done = {(row.plan, row.arm, row.model) for row in rows.read(rows.file_of(out, "edit"))}
    measure(editor, _arm(generator), materials, seed, keeper(out, as_json), done, device)


def _arm(generator: str) -> str:
    """What rows call a generator: its file's folder says more than `final.safetensors`."""
    from recog.checkpoints import FINAL

    path = Path(generator)
    return path.resolve().parent.name if path.name == FINAL else path.name


@click.command()
@click.argument("table", type=path_type)
@click.option("--half", type=click.Choice(["makers", "judges"]), default="makers", show_default=True)
@roles_option
@click.option("--role", help="Only identities of this role; the identity decides then, else the file.")
@click.option("--out", type=path_type, required=True, help="CSV with the lines of that half.")
@json_option
def halves(table: Path, half: str, roles: Path | None, role: str | None, out: Path, as_json: bool) -> None:
    """Write the half of a TABLE of attributes that makers of faces may learn from, or judges.

    \b
    Example:
      recog bench halves celeba.csv --roles roles.csv --role fit --out makers.csv
    """
    check_roles(roles, role)
    from benchmarks.judging.halves import write_half

    write_half(table, half, out, roles=roles, role=role)
    emit({"table": str(out)}, as_json, str(out))
