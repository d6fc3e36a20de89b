"""`recog generate faces | people`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from generative.cli.options import (
    aligned_option,
    conditions_of,
    embedder_option,
    generator_option,
    grid_option,
    load_detector,
    path_type,
    seed_option,
)
from recog.cli.options import (
    Outcome,
    check_roles,
    device_option,
    emit,
    expanded,
    gallery_option,
    json_option,
    role_option,
    roles_option,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from generative.synthesis import Synthesizer, SyntheticPerson
    from recog.embedding import Embedder
    from recog.faces import FaceReader
    from recog.types import GalleryPlace

candidates_option = click.option(
    "--candidates",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Make so many for each photo and keep the clearest that are as alike as real photos are.",
)
attributes_option = click.option(
    "--attributes",
    metavar="LIST",
    help="What all photos show: smiling,no-eyeglasses,sex=female,blond-hair,age=40.",
)


def synthesis_options(command: Callable[..., None]) -> Callable[..., None]:
    """What faces and people share: with which models, how chosen, and what comes out."""
    shared = (
        attributes_option,
        candidates_option,
        generator_option("bundled-gan"),
        embedder_option,
        seed_option,
        device_option,
        grid_option,
    )
    for option in reversed((*shared, json_option)):
        command = option(command)
    return command


@click.command()
@click.argument("photos", nargs=-1, metavar="[PHOTO...]")
@click.option("--name", help="Name of the person on PHOTO...")
@click.option("--from", "folder", type=path_type, help="Instead: a folder with one sub-folder a person.")
@click.option("--like", multiple=True, metavar="PERSON", help="Instead: who is enrolled; several times.")
@click.option(
    "--count", default=10, show_default=True, type=click.IntRange(min=1), help="New photos a person."
)
@click.option("--out", type=path_type, required=True, help="Folder for the photos and manifest.jsonl.")
@gallery_option
@aligned_option
@synthesis_options
def faces(
    photos: tuple[str, ...],
    name: str | None,
    folder: Path | None,
    like: tuple[str, ...],
    count: int,
    out: Path,
    gallery: GalleryPlace,
    attributes: str | None,
    grid: Path | None,
    aligned: bool,
    candidates: int,
    generator: str,
    model: str,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """Make new photos of people who are known from a few, or of nobody in particular.

    People are those on PHOTO..., in a folder, or enrolled in the gallery. Without any, --attributes says what
    the faces show, and each is of another person who does not exist.

    \b
    Example:
      recog generate faces ada1.jpg ada2.jpg --name ada --count 20 --out made
      recog generate faces --like ada --attributes smiling,age=60 --out made
      recog generate faces --attributes smiling,male --count 8 --out made --grid made.png
    """
    if sum(map(bool, (photos, folder, like))) > 1:
        raise click.UsageError("Give one of PHOTO... with --name, --from FOLDER and --like PERSON.")
    if not (photos or folder or like or attributes):
        raise click.UsageError("Of whom? Give PHOTO... with --name, --from, --like, or --attributes.")
    if photos and not name:
        raise click.UsageError("--name is missing: who is on the photos?")
    if name and not photos:
        raise click.UsageError("--name goes with PHOTO... only.")
    from generative.folders import check_target
    from recog.photos import of_people

    asked = conditions_of(attributes)
    people = of_people(folder) if folder else {str(name): expanded(photos)} if photos else {}
    check_target(out, people or like)
    embedder, synthesizer = _load(model, generator, device)
    synthesizer.vocabulary.asked(asked)
    outcome = Outcome()
    if not (people or like):
        made = synthesizer.new_people(
            count, 1, seed, max_similarity=1.0, candidates=candidates, conditions=asked
        )
        _write(out, made, synthesizer, outcome, grid, as_json)
        outcome.leave()
        return
    if like:
        known = _enrolled(gallery, like, embedder)
    else:
        reader = _reader(embedder, aligned, device)
        known = {identity: _vectors(paths, reader, outcome) for identity, paths in people.items()}
    made = [
        synthesizer.person(
            identity,
            vectors,
            count,
            seed * 1_000_003 + number,
            candidates=candidates,
            conditions=asked,
        )
        for number, (identity, vectors) in enumerate(known.items())
        if len(vectors)
    ]
    _write(out, made, synthesizer, outcome, grid, as_json)
    outcome.leave()


@click.command()
@click.option("--count", default=10, show_default=True, type=click.IntRange(min=1), help="People.")
@click.option("--photos", default=5, show_default=True, type=click.IntRange(min=1), help="Photos a person.")
@click.option("--out", type=path_type, required=True, help="Folder for the photos and manifest.jsonl.")
@click.option(
    "--data", type=path_type, help="Aligned crops of real people: mix distant ones, and stay away from all."
)
@roles_option
@role_option
@click.option(
    "--max-similarity", default=0.35, show_default=True, help="No two people are more alike (cosine)."
)
@synthesis_options
def people(
    count: int,
    photos: int,
    out: Path,
    grid: Path | None,
    data: Path | None,
    roles: Path | None,
    role: str | None,
    max_similarity: float,
    attributes: str | None,
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
    check_roles(roles, role)
    from generative.folders import check_target

    asked = conditions_of(attributes)
    check_target(out)
    embedder, synthesizer = _load(model, generator, device)
    centres, training = _of_training(data, embedder, roles, role) if data else (None, None)
    made = synthesizer.new_people(
        count,
        photos,
        seed,
        max_similarity=max_similarity,
        training_centres=centres,
        candidates=candidates,
        conditions=asked,
        training=training,
    )
    outcome = Outcome()
    _write(out, made, synthesizer, outcome, grid, as_json)
    outcome.leave()


def _load(model: str, generator: str, device: str) -> tuple[Embedder, Synthesizer]:
    from generative.synthesis import Synthesizer
    from recog.embedding import Embedder

    embedder = Embedder.load(model, device)
    return embedder, Synthesizer.load(generator, embedder, device)


def _reader(embedder: Embedder, aligned: bool, device: str) -> FaceReader:
    from recog.alignment import AlignedCrops
    from recog.faces import FaceReader

    return FaceReader(AlignedCrops() if aligned else load_detector(device), embedder)


def _vectors(paths: list[Path], reader: FaceReader, outcome: Outcome) -> NDArray[np.float32]:
    """(M, D) of the largest face on each photo; failures are named."""
    found = reader.embed(paths, largest=True)
    for photo, why in found.failed:
        outcome.fail(photo, why)
    vectors: NDArray[np.float32] = found.embedding
    return vectors


def _enrolled(
    place: GalleryPlace, names: tuple[str, ...], embedder: Embedder
) -> dict[str, NDArray[np.float32]]:
    """(M, D) templates of enrolled people."""
    import numpy as np

    from recog.gallery import open_gallery

    with open_gallery(place, create=False) as gallery:
        gallery.check(embedder.digest, embedder.name)
        return {name: np.stack([t.embedding for t in gallery.templates(name)]) for name in names}


def _of_training(
    data: Path, embedder: Embedder, roles: Path | None, role: str | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(P, D) identity centres and (T, D) vectors of a folder of aligned crops."""
    from recog.alignment import TEMPLATE_SIZE
    from recog.training import open_crops
    from recog.training.embeddings import embeddings
    from recog.vectors import centres

    crops = open_crops(data, size=TEMPLATE_SIZE, roles=roles, role=role)
    vectors = embeddings(crops, embedder)
    return centres(vectors, crops.labels, len(crops.identities)), vectors


def _write(
    out: Path,
    made: list[SyntheticPerson],
    synthesizer: Synthesizer,
    outcome: Outcome,
    grid: Path | None,
    as_json: bool,
) -> None:
    from generative.folders import write
    from generative.grids import arranged, sheet
    from recog.checkpoints import write_atomically

    if not made:
        return
    outcome.done = write(out, made, synthesizer)
    if grid is not None:
        write_atomically(grid, sheet(arranged([list(person.images) for person in made])))
    for record, text in _summaries(out, made):
        emit(record, as_json, text)


def _summaries(out: Path, made: list[SyntheticPerson]) -> Iterator[tuple[dict[str, Any], str]]:
    for person in made:
        cosine = round(float(person.scores.similarities.mean()), 3)
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
