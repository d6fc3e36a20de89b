"""`recog generate` and `recog repair`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recog.cli.options import Outcome, device_option, emit, expanded, json_option

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from generative.repair import Repairer
    from generative.synthesis import Person, Synthesizer
    from recog.embedding import Embedder
    from recog.types import Face

path_type = click.Path(path_type=Path)
embedder_option = click.option(
    "--model",
    default="bundled",
    show_default=True,
    help="The embedder that conditions: name, file or run directory.",
)
generator_option = click.option(
    "--generator",
    default="bundled-gan",
    show_default=True,
    help="bundled-gan, bundled-vae, a file or run directory.",
)
grid_option = click.option(
    "--grid", type=path_type, help="Also write one picture of them all here (PNG), a person a row."
)
seed_option = click.option("--seed", default=0, show_default=True, help="The same seed makes the same faces.")
aligned_option = click.option("--aligned", is_flag=True, help="The photos are aligned crops already.")
candidates_option = click.option(
    "--candidates",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Make so many for each photo and keep those most like the person.",
)


@click.group()
def generate() -> None:
    """Train generators, and make faces with them.

    \b
    Example:
      recog generate people --count 10 --photos 5 --out cast
    """


@generate.command()
@click.argument("kind", type=click.Choice(["gan", "vae", "repairer"]))
@click.option("--data", type=path_type, required=True, help="Aligned crops, one sub-folder an identity.")
@click.option("--out", type=path_type, required=True, help="Run directory; the same call resumes it.")
@click.option("--roles", type=path_type, help="CSV identity,role; with --role.")
@click.option("--role", help="Train on the identities of this role only.")
@click.option("--attributes", type=path_type, help="CSV with CelebA's attributes; without it there are none.")
@click.option(
    "--model",
    help="The embedder that conditions (gan, vae) or guides (repairer: optional) [default: bundled].",
)
@click.option("--total-kimg", type=float, help="Length of the run, thousands of faces seen.")
@click.option("--batch-size", type=int, help="Faces a step.")
@click.option("--image-size", type=int, help="Side of the faces, px.")
@click.option("--learning-rate", type=float)
@click.option("--snapshot-kimg", type=float, help="Between saved states and sample grids.")
@click.option("--r1-gamma", type=float, help="gan: weight of the R1 penalty.")
@click.option("--identity-weight", type=float, help="Weight of the identity term; 0 switches it off.")
@click.option("--identity-every", type=int, help="Steps between uses of the identity term, which is slow.")
@seed_option
@device_option
@json_option
def train(
    kind: str,
    data: Path,
    out: Path,
    roles: Path | None,
    role: str | None,
    attributes: Path | None,
    model: str | None,
    r1_gamma: float | None,
    identity_weight: float | None,
    identity_every: int | None,
    device: str,
    as_json: bool,
    **changes: Any,
) -> None:
    """Train a generator (gan, vae) or a repairer on a folder of aligned crops.

    \b
    Example:
      recog generate train gan --data crops/ --out runs/gan --total-kimg 300
      recog generate train repairer --data crops/ --out runs/repairer
    """
    import logging

    from generative import presets
    from generative.data import open_faces
    from generative.training import train as run_training
    from recog.embedding import Embedder

    if (roles is None) != (role is None):
        raise click.UsageError("--roles and --role go together.")
    if r1_gamma is not None and kind != "gan":
        raise click.UsageError("--r1-gamma belongs to gan.")
    logging.getLogger("generative").setLevel(logging.INFO)  # hours of silence help nobody
    config = presets.pace(kind, **changes)
    guided = kind != "repairer" or model is not None
    embedder = Embedder.load(model or "bundled", device) if guided else None
    conditions = None if kind == "repairer" else embedder
    faces = open_faces(
        data, size=config.image_size, embedder=conditions, roles=roles, role=role or "", attributes=attributes
    )
    settings = {"r1_gamma": r1_gamma, "identity_weight": identity_weight, "identity_every": identity_every}
    objective = presets.objective(kind, config, faces, embedder, settings)
    weights = run_training(config, faces, objective, out, device)
    record = {"kind": kind, "weights": str(weights), "faces": len(faces), "total_kimg": config.total_kimg}
    emit(record, as_json, f"{weights}  {config.total_kimg:g} kimg of {len(faces)} faces")


@generate.command()
@click.argument("photos", nargs=-1, metavar="[PHOTO...]")
@click.option("--name", help="Name of the person on PHOTO...")
@click.option("--from", "folder", type=path_type, help="Instead: a folder with one sub-folder a person.")
@click.option(
    "--count", default=10, show_default=True, type=click.IntRange(min=1), help="New photos a person."
)
@click.option("--out", type=path_type, required=True, help="Folder for the photos and manifest.jsonl.")
@aligned_option
@candidates_option
@generator_option
@embedder_option
@seed_option
@device_option
@grid_option
@json_option
def faces(
    photos: tuple[str, ...],
    name: str | None,
    folder: Path | None,
    count: int,
    out: Path,
    grid: Path | None,
    aligned: bool,
    candidates: int,
    generator: str,
    model: str,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """Make new photos of people who are known from a few.

    \b
    Example:
      recog generate faces ada1.jpg ada2.jpg --name ada --count 20 --out made
      recog generate faces --from people/ --count 20 --out made
    """
    if bool(photos) == bool(folder):
        raise click.UsageError("Give either PHOTO... with --name, or --from FOLDER.")
    if photos and not name:
        raise click.UsageError("--name is missing: who is on the photos?")
    from recog.cli.people import people_of

    embedder, synthesizer = _load(model, generator, device)
    outcome = Outcome()
    people = people_of(folder) if folder else {str(name): expanded(photos)}
    made = []
    for number, (identity, paths) in enumerate(people.items()):
        vectors = _vectors(paths, embedder, aligned, device, outcome)
        if len(vectors):
            made.append(
                synthesizer.person(identity, vectors, count, seed * 1_000_003 + number, candidates=candidates)
            )
    _write(out, made, synthesizer, outcome, grid, as_json)
    outcome.leave()


@generate.command()
@click.option("--count", default=10, show_default=True, type=click.IntRange(min=1), help="People.")
@click.option("--photos", default=5, show_default=True, type=click.IntRange(min=1), help="Photos a person.")
@click.option("--out", type=path_type, required=True, help="Folder for the photos and manifest.jsonl.")
@click.option(
    "--data", type=path_type, help="Aligned crops of real people: mix distant ones, and stay away from all."
)
@click.option("--roles", type=path_type, help="CSV identity,role; with --role.")
@click.option("--role", help="With --data: mix people of this role only.")
@click.option(
    "--max-similarity", default=0.35, show_default=True, help="No two people are more alike (cosine)."
)
@candidates_option
@generator_option
@embedder_option
@seed_option
@device_option
@grid_option
@json_option
def people(
    count: int,
    photos: int,
    out: Path,
    grid: Path | None,
    data: Path | None,
    roles: Path | None,
    role: str | None,
    max_similarity: float,
    candidates: int,
    generator: str,
    model: str,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """Make photos of people who do not exist.

    \b
    Example:
      recog generate people --count 10 --photos 5 --out cast
    """
    embedder, synthesizer = _load(model, generator, device)
    made = synthesizer.new_people(
        count,
        photos,
        seed,
        max_similarity=max_similarity,
        training_centres=_centres(data, embedder, roles, role) if data else None,
        candidates=candidates,
    )
    outcome = Outcome()
    _write(out, made, synthesizer, outcome, grid, as_json)
    outcome.leave()


@click.command()
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...")
@click.option("--out", type=path_type, required=True, help="Folder for the repaired photos (PNG).")
@click.option("--mask", type=path_type, help="Picture of the photo's size, white where pixels are missing.")
@click.option("--weights", default="bundled", show_default=True, help="bundled, a file or run directory.")
@aligned_option
@device_option
@json_option
def repair(
    photos: tuple[str, ...],
    out: Path,
    mask: Path | None,
    weights: str,
    aligned: bool,
    device: str,
    as_json: bool,
) -> None:
    """Repair the faces on damaged photos: holes, noise, blur, low resolution.

    What is filled in is a plausible guess, never evidence of what was there. With --mask only the
    missing pixels change.

    \b
    Example:
      recog repair old.jpg --out repaired
      recog repair crop.png --aligned --mask hole.png --out repaired
    """
    from generative.grids import png
    from generative.repair import Repairer
    from recog import images
    from recog.checkpoints import write_atomically
    from recog.errors import DataError, FaceError, ImageError

    repairer = Repairer.load(weights, device)
    detector = None if aligned else _detector(device)
    missing = images.read(mask).mean(axis=2) > 127 if mask else None
    outcome = Outcome()
    originals = expanded(photos)
    names = _free_names(out, originals)
    for photo in originals:
        try:
            image = images.read(photo)
            found = [] if detector is None else detector.detect(image)
            if detector is not None and not found:
                outcome.fail(photo, "no face found; if it is an aligned crop, pass --aligned")
                continue
            repaired = _repaired(repairer, image, found, missing)
        except (ImageError, FaceError, DataError) as error:
            outcome.fail(photo, str(error))
            continue
        target = names(photo)
        write_atomically(target, png(repaired))
        outcome.done += 1
        emit({"photo": str(photo), "repaired": str(target), "faces": len(found) or 1}, as_json, str(target))
    outcome.leave()


def _repaired(
    repairer: Repairer, image: NDArray[np.uint8], found: list[Face], missing: NDArray[np.bool_] | None
) -> NDArray[np.uint8]:
    if found:
        return repairer.repair_photo(image, found, missing)
    crop: NDArray[np.uint8] = repairer.repair(image[None], None if missing is None else missing[None])[0]
    return crop


def _free_names(out: Path, originals: list[Path]) -> Any:
    """Photo -> a file in `out` that is none of the originals, nor given to an earlier photo of this call."""
    taken = {photo.resolve() for photo in originals}

    def name(photo: Path) -> Path:
        target, number = out / f"{photo.stem}.png", 1
        while target.resolve() in taken:
            number += 1
            target = out / f"{photo.stem}-{number}.png"
        taken.add(target.resolve())
        return target

    return name


def _detector(device: str) -> Any:
    from recog.detection import Detector

    return Detector(device)


def _load(model: str, generator: str, device: str) -> tuple[Embedder, Synthesizer]:
    from generative.synthesis import Synthesizer
    from recog.embedding import Embedder

    embedder = Embedder.load(model, device)
    return embedder, Synthesizer.load(generator, embedder, device)


def _vectors(
    paths: list[Path], embedder: Embedder, aligned: bool, device: str, outcome: Outcome
) -> NDArray[np.float32]:
    """(M, D) of the largest face on each photo; failures are named."""
    from recog.alignment import AlignedCrops
    from recog.faces import FaceReader

    reader = FaceReader(AlignedCrops() if aligned else _detector(device), embedder)
    found = reader.embed(paths, largest=True)
    for photo, why in found.failed:
        outcome.fail(photo, why)
    vectors: NDArray[np.float32] = found.embedding
    return vectors


def _centres(data: Path, embedder: Embedder, roles: Path | None, role: str | None) -> NDArray[np.float32]:
    """(P, D) identity centres of a folder of aligned crops."""
    import numpy as np

    from recog.cli.training import chosen_crops

    crops = chosen_crops(data, embedder.image_size, roles, role)
    vectors = embedder.embed(crops.images)
    sums = np.zeros((len(crops.identities), vectors.shape[1]), np.float32)
    np.add.at(sums, crops.labels, vectors)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True).clip(min=1e-6)
    return np.asarray(sums / lengths, np.float32)


def _write(
    out: Path,
    made: list[Person],
    synthesizer: Synthesizer,
    outcome: Outcome,
    grid: Path | None,
    as_json: bool,
) -> None:
    from generative.grids import contact_sheet
    from generative.synthesis import write_identity_folder
    from recog.checkpoints import write_atomically

    if not made:
        return
    outcome.done = write_identity_folder(
        out, made, weights_digest=synthesizer.digest, attribute_names=synthesizer.attribute_names
    )
    if grid is not None:
        write_atomically(grid, contact_sheet([person.images for person in made]))
    for record, text in _summaries(out, made):
        emit(record, as_json, text)


def _summaries(out: Path, made: list[Person]) -> Iterator[tuple[dict[str, Any], str]]:
    for person in made:
        cosine = round(float(person.similarities.mean()), 3)
        folder = str(out / person.identity)
        yield (
            {
                "identity": person.identity,
                "folder": folder,
                "photos": len(person.images),
                "identity_cosine": cosine,
            },
            f"{folder}  {len(person.images)} photos, mean cosine to the person {cosine}",
        )
