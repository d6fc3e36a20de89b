"""`recog enroll | list | show | rename | remove`."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recog.cli.options import (
    Outcome,
    a_number,
    all_cleaned,
    cleaned,
    device_option,
    emit,
    expanded,
    gallery_option,
    json_option,
    largest_option,
    model_option,
)
from recog.cli.tally import Tally

if TYPE_CHECKING:
    from recog.recognizer import Recognizer
    from recog.types import Enrollment, GalleryPlace


@click.command()
@click.argument("name", required=False, callback=cleaned)
@click.argument("photos", nargs=-1, metavar="PHOTO...")
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path),
    help="Enroll everyone in FOLDER: one sub-folder a person.",
)
@largest_option
@click.option(
    "--min-quality",
    type=click.FloatRange(0, 1),
    callback=a_number,
    default=0.0,
    show_default=True,
    help="Refuse photos whose face scores less, 0..1.",
)
@click.option(
    "--keep-crops", is_flag=True, help="Keep the aligned faces, so that recog migrate can change the model."
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "float16"]),
    help="Of vectors in a new gallery. float16 halves them, and moves similarities by 0.001 at most.",
)
@click.option(
    "--failures",
    "listing",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that gets a JSON line (photo, identity, cause, message) for each photo that failed.",
)
@gallery_option
@model_option
@device_option
@json_option
def enroll(
    name: str | None,
    photos: tuple[str, ...],
    folder: Path | None,
    largest: bool,
    min_quality: float,
    keep_crops: bool,
    precision: str | None,
    listing: Path | None,
    gallery: GalleryPlace,
    model: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Add photos of a person to the gallery.

    PHOTO is a file, a folder, or - for paths on standard input. Each photo must show one face. A photo that
    is enrolled already is skipped, so the same call can be repeated, and goes on where an interrupted one
    was. Poor photos are named on standard error.

    \b
    Example:
      recog enroll ada ada1.jpg ada2.jpg
      recog enroll --from people/ --failures failed.jsonl
    """
    if (folder is None) == (name is None):
        raise click.UsageError("Give NAME PHOTO..., or --from FOLDER.")
    if folder is None and not photos:
        raise click.UsageError("Give at least one PHOTO.")
    from recog.photos import in_folders

    entries = in_folders(folder) if folder else [(str(name), photo) for photo in expanded(photos)]

    from recog.recognizer import Recognizer

    with Tally(listing) as tally, Recognizer.open(gallery, model, device, precision=precision) as recognizer:
        try:
            terms = {"largest": largest, "min_quality": min_quality, "keep_crops": keep_crops}
            seconds = _enroll(recognizer, entries, tally, as_json, **terms)
        except KeyboardInterrupt:
            people, templates = recognizer.gallery.size()
            kept = f"{templates:,} templates of {people:,} people are in {gallery}"
            click.echo(f"Interrupted. {kept}; the same call goes on from there.", err=True)
            raise
    if folder:
        click.echo(tally.summary(seconds), err=True)
    tally.outcome.leave()


def _enroll(
    recognizer: Recognizer, entries: list[tuple[str, Path]], tally: Tally, as_json: bool, **terms: Any
) -> float:
    """Enroll photos and print a line a person; gives the seconds that it took."""
    from tqdm.contrib.logging import logging_redirect_tqdm

    from recog.progress import progress

    started = time.monotonic()
    taken = progress(entries, total=len(entries), desc="enroll", unit=" photos")
    enrolled = recognizer.enroll_all(taken, on_failure=tally.fail, **terms)
    with logging_redirect_tqdm(), contextlib.closing(enrolled) as results:  # warnings stand above the bar
        for result in results:
            tally.count(result)
            emit(result.to_json(), as_json, _summary(result))
    return time.monotonic() - started


def _summary(result: Enrollment) -> str:
    parts = [f"{result.added} added"]
    parts += [f"{result.skipped} already there"] if result.skipped else []
    parts += [f"{len(result.failed)} failed"] if result.failed else []
    return f"{result.identity}: {', '.join(parts)}"


@click.command("list")
@gallery_option
@json_option
def list_people(gallery: GalleryPlace, as_json: bool) -> None:
    """List the people who are enrolled.

    \b
    Example:
      recog list --json
    """
    from recog.gallery import open_gallery

    with open_gallery(gallery, create=False) as opened:
        for person in opened.people():
            emit(person.to_json(), as_json, f"{person.identity}  {person.templates}  {person.enrolled_at}")


@click.command()
@click.argument("name", callback=cleaned)
@gallery_option
@json_option
def show(name: str, gallery: GalleryPlace, as_json: bool) -> None:
    """Show what is stored of a person.

    \b
    Example:
      recog show ada
    """
    from recog.gallery import open_gallery

    with open_gallery(gallery, create=False) as opened:
        templates = opened.templates(name)
    shown = [
        {"photo_digest": t.photo_digest, "quality": t.quality, "how": t.how, "enrolled_at": t.enrolled_at}
        for t in templates
    ]
    lines = [f"{name}: {len(shown)} templates"]
    lines += [f"  {t['photo_digest']}  quality {t['quality']}  {t['how']}  {t['enrolled_at']}" for t in shown]
    emit({"identity": name, "templates": shown}, as_json, "\n".join(lines))


@click.command()
@click.argument("old", callback=cleaned)
@click.argument("new", callback=cleaned)
@gallery_option
@json_option
def rename(old: str, new: str, gallery: GalleryPlace, as_json: bool) -> None:
    """Give a person another name.

    \b
    Example:
      recog rename ada "Ada Lovelace"
    """
    from recog.gallery import open_gallery

    with open_gallery(gallery, create=False) as opened:
        opened.rename(old, new)
    emit({"renamed": old, "identity": new}, as_json, f"{old} is now {new}")


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...", callback=all_cleaned)
@gallery_option
@json_option
def remove(names: tuple[str, ...], gallery: GalleryPlace, as_json: bool) -> None:
    """Erase people: names, vectors and all.

    When this returns, their bytes are overwritten in all files of the gallery; where another program prevents
    that, it says so and ends with 3, and the next change of the gallery finishes it. Milvus is only asked to
    compact its files, and keeps old bytes until it has. Backups and photos are yours to delete. Several names
    at once take hardly longer than one.

    \b
    Example:
      recog remove ada
    """
    from recog.gallery import open_gallery

    outcome = Outcome()
    with open_gallery(gallery, create=False) as opened:
        enrolled = [name for name in names if opened.is_enrolled(name)]
        if not enrolled:
            opened.remove_all(names)  # which says what is wrong
        for name in names:
            if name not in enrolled:
                outcome.fail(name, "nobody of this name is enrolled. See: recog list")
        for name, count in opened.remove_all(enrolled).items():
            outcome.done += 1
            text = f"{name} removed, {count} templates erased"
            emit({"removed": name, "templates": count}, as_json, text)
    outcome.leave()
