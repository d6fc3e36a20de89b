"""`recog generate faces | people`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from generative.cli.options import (
    aligned_option,
    check_training,
    conditions_of,
    load_detector,
    path_type,
    synthesis_options,
    training_options,
)
from recog.cli.options import Outcome, emit, expanded, gallery_option

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from generative.curation import Learned
    from generative.folders import PeopleFolder
    from generative.synthesis import Sitter, Synthesizer
    from recog.embedding import Embedder
    from recog.types import GalleryPlace


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
@training_options("Aligned crops that the generator learned from: no copy is kept while others are left.")
@synthesis_options
def faces(
    photos: tuple[str, ...],
    name: str | None,
    folder: Path | None,
    like: tuple[str, ...],
    count: int,
    out: Path,
    gallery: GalleryPlace,
    training: Path | None,
    roles: Path | None,
    role: str | None,
    attributes: str | None,
    grid: Path | None,
    aligned: bool,
    candidates: int,
    spread: float | None,
    generator: str,
    model: str,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """Make new photos of people who are known from a few, or of nobody in particular.

    People are those on PHOTO..., in a folder, or enrolled in the gallery. Without any, --attributes says what
    the faces show, and each is of another person who does not exist. A call that was interrupted goes on
    where it was when it is made again.

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
    check_training(training, roles, role)
    from generative.curation import Learned
    from generative.folders import check_target
    from recog.photos import of_people

    asked = conditions_of(attributes)
    people = of_people(folder) if folder else {str(name): expanded(photos)} if photos else {}
    call = {
        "command": "faces",
        "count": count,
        "candidates": candidates,
        "seed": seed,
        "asked": asked,
        "people": _people(people, like, gallery),
    }
    check_target(out, people or like, call)
    embedder, synthesizer = _load(model, generator, device, spread)
    synthesizer.vocabulary.asked(asked)
    outcome = Outcome()
    known = _enrolled(gallery, like, embedder) if like else _seen(people, embedder, aligned, device, outcome)
    sitters = [
        synthesizer.sitter(identity, vectors, seed * 1_000_003 + number)
        for number, (identity, vectors) in enumerate(known.items())
        if len(vectors)
    ]
    if not known:  # of nobody in particular
        sitters = synthesizer.strangers(count, seed, max_similarity=1.0, conditions=asked)
    learned = Learned.open(training, embedder, roles, role) if training else None
    _write(out, call, sitters, count if known else 1, synthesizer, learned, outcome, grid, as_json)
    outcome.leave()


@click.command()
@click.option("--count", default=10, show_default=True, type=click.IntRange(min=1), help="People.")
@click.option("--photos", default=5, show_default=True, type=click.IntRange(min=1), help="Photos a person.")
@click.option("--out", type=path_type, required=True, help="Folder for the photos and manifest.jsonl.")
@training_options(
    "Aligned crops of real people, such as the generator learned from: mix distant ones, stay away from all, "
    "and keep no copy while others are left.",
    "--data",
)
@click.option(
    "--max-similarity", default=0.35, show_default=True, help="No two people are more alike (cosine)."
)
@synthesis_options
def people(
    count: int,
    photos: int,
    out: Path,
    grid: Path | None,
    training: Path | None,
    roles: Path | None,
    role: str | None,
    max_similarity: float,
    attributes: str | None,
    candidates: int,
    spread: float | None,
    generator: str,
    model: str,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """Make photos of people who do not exist.

    A call that was interrupted goes on where it was when it is made again.

    \b
    Example:
      recog generate people --count 10 --photos 5 --out cast
    """
    check_training(training, roles, role)
    from generative.curation import Learned
    from generative.folders import check_target

    asked = conditions_of(attributes)
    call = {
        "command": "people",
        "count": count,
        "photos": photos,
        "candidates": candidates,
        "seed": seed,
        "asked": asked,
        "max_similarity": max_similarity,
    }
    check_target(out, call=call)
    embedder, synthesizer = _load(model, generator, device, spread)
    learned = Learned.open(training, embedder, roles, role) if training else None
    sitters = synthesizer.strangers(
        count,
        seed,
        max_similarity=max_similarity,
        training_centres=learned.centres if learned else None,
        conditions=asked,
    )
    outcome = Outcome()
    _write(out, call, sitters, photos, synthesizer, learned, outcome, grid, as_json)
    outcome.leave()


def _load(model: str, generator: str, device: str, spread: float | None) -> tuple[Embedder, Synthesizer]:
    from generative.synthesis import Synthesizer
    from recog.embedding import Embedder

    embedder = Embedder.load(model, device)
    return embedder, Synthesizer.load(generator, embedder, device, spread=spread)


def _seen(
    people: Mapping[str, list[Path]], embedder: Embedder, aligned: bool, device: str, outcome: Outcome
) -> dict[str, NDArray[np.float32]]:
    """(M, D) of the largest face on each photo of each person; failures are named."""
    from recog.alignment import AlignedCrops
    from recog.faces import FaceReader

    if not people:
        return {}
    reader = FaceReader(AlignedCrops() if aligned else load_detector(device), embedder)
    known = {}
    for name, paths in people.items():
        found = reader.embed(paths, largest=True)
        for photo, why in found.failed:
            outcome.fail(photo, why)
        known[name] = found.embedding
    return known


def _enrolled(
    place: GalleryPlace, names: tuple[str, ...], embedder: Embedder
) -> dict[str, NDArray[np.float32]]:
    """(M, D) templates of enrolled people."""
    import numpy as np

    from recog.gallery import open_gallery

    with open_gallery(place, create=False) as gallery:
        gallery.check(embedder.digest, embedder.name)
        return {name: np.stack([t.embedding for t in gallery.templates(name)]) for name in names}


def _people(photos: Mapping[str, list[Path]], like: tuple[str, ...], gallery: GalleryPlace) -> str:
    """Tells the people of one call from those of another, without naming photos."""
    import hashlib

    text = str(
        [sorted((name, *map(str, paths)) for name, paths in photos.items()), like, like and str(gallery)]
    )
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _write(
    out: Path,
    call: Mapping[str, Any],
    sitters: Sequence[Sitter],
    count: int,
    synthesizer: Synthesizer,
    learned: Learned | None,
    outcome: Outcome,
    grid: Path | None,
    as_json: bool,
) -> None:
    """Make `count` photos of each sitter who has none yet, tell of them, and name those that are copies."""
    from generative.folders import PeopleFolder

    if not sitters:
        return
    folder = PeopleFolder(out, {**call, "training": learned.fingerprint if learned else None}, synthesizer)
    how = {
        "candidates": call["candidates"],
        "conditions": call["asked"],
        "training": learned.vectors if learned else None,
    }
    for sitter in folder.fill(sitters, count, **how):
        _tell(out, sitter.identity, folder.photos[sitter.identity], outcome, as_json)
    if grid is not None:
        _draw(grid, folder, sitters)


def _tell(out: Path, identity: str, lines: list[dict[str, Any]], outcome: Outcome, as_json: bool) -> None:
    """Of one person: where the photos are, and which of them should not be there."""
    outcome.done += len(lines)
    cosine = round(sum(line["scores"]["identity_cosine"] for line in lines) / len(lines), 3)
    record = {
        "identity": identity,
        "folder": str(out / identity),
        "photos": len(lines),
        "identity_cosine": cosine,
    }
    emit(record, as_json, f"{out / identity}  {len(lines)} photos, mean cosine to the person {cosine}")
    for line in lines:
        if line["scores"].get("copy"):
            nearest = line["scores"]["nearest_training_photo"]
            outcome.fail(
                out / line["file"],
                f"a copy of a training photo (cosine {nearest}): too few candidates are none. Remove it, or "
                "make more --candidates in another folder",
            )


def _draw(grid: Path, folder: PeopleFolder, sitters: Sequence[Sitter]) -> None:
    from generative.grids import arranged, sheet
    from recog import images
    from recog.checkpoints import write_atomically

    photos = [[images.read(folder.out / line["file"]) for line in folder.photos[s.identity]] for s in sitters]
    write_atomically(grid, sheet(arranged(photos)))
