"""`recog query | verify`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recog.cli.options import (
    NO,
    Outcome,
    any_recognizer,
    device_option,
    emit,
    expanded,
    gallery_option,
    json_option,
    largest_option,
    model_option,
    threshold_option,
)

if TYPE_CHECKING:
    from recog.faces import Crops
    from recog.recognizer import Recognizer
    from recog.types import Answer, GalleryPlace

REPAIRS = ("never", "auto", "always")


@click.command()
@click.argument("photos", nargs=-1, metavar="[PHOTO]...")
@click.option("--video", metavar="FILE", help="A video file instead of photos.")
@click.option(
    "--camera", metavar="N", type=click.IntRange(0), help="A camera instead of photos; 0 is the first."
)
@click.option(
    "--fps",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Frames a second to look at, of a video or camera.",
)
@click.option("-k", default=5, show_default=True, type=click.IntRange(1), help="Candidates in each answer.")
@click.option(
    "--repair",
    type=click.Choice(REPAIRS),
    default=REPAIRS[0],
    show_default=True,
    help="Repair faces on photos before they are compared; auto: those that suffer from what repair was "
    "measured to help with.",
)
@threshold_option
@gallery_option
@model_option
@device_option
@json_option
def query(
    photos: tuple[str, ...],
    video: str | None,
    camera: int | None,
    fps: float,
    k: int,
    repair: str,
    threshold: float | None,
    gallery: GalleryPlace,
    model: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Name each face on photos.

    PHOTO is a file, a folder, or - for paths on standard input. Of a video or a camera, each face is followed
    and named once, when it has gone; Ctrl-C ends a camera. Exit code 1 when no face matched anyone.

    \b
    Example:
      recog query party.jpg
      find photos -name '*.jpg' | recog query --json -
      recog query --video door.mp4
      recog query --camera 0 --json
    """
    source = video if camera is None else camera
    if [bool(photos), video is not None, camera is not None].count(True) != 1:
        raise click.UsageError("Give PHOTO..., --video FILE or --camera N: one of the three.")
    if repair != REPAIRS[0] and source is not None:
        raise click.UsageError("--repair is for photos.")
    paths = expanded(photos) if source is None else []

    from recog.recognizer import Recognizer

    outcome, matches = Outcome(), 0
    mend = None if repair == REPAIRS[0] else _repairer(repair, device)
    with Recognizer.open(gallery, model, device, repair=mend, create=False) as recognizer:
        answers: Iterable[Answer] = (
            _on_photos(recognizer, paths, k, threshold)
            if source is None
            else recognizer.query_video(source, k, threshold=threshold, fps=fps)
        )
        for answer in answers:
            matches += answer.status == "match"
            _report(answer, as_json, outcome)
    outcome.leave(no=matches == 0)


def _repairer(repair: str, device: str) -> Callable[[Crops], Crops]:
    """What repairs crops, by name: this package does not depend on the one that makes faces."""
    from importlib import import_module

    repairer = import_module("generative.repair").Repairer.load(device=device)
    mend: Callable[[Crops], Crops] = repairer.where_it_helps if repair == "auto" else repairer
    return mend


def _on_photos(
    recognizer: Recognizer, paths: list[Path], k: int, threshold: float | None
) -> Iterator[Answer]:
    from recog.progress import progress

    for photo in progress(paths, total=len(paths), desc="query"):
        yield from recognizer.query(photo, k, threshold=threshold)


def _report(answer: Answer, as_json: bool, outcome: Outcome) -> None:
    if answer.status in ("error", "no_face"):
        outcome.fail(answer.photo, answer.error or "no face found")
        if as_json:
            emit(answer.to_json(), True, "")
    else:
        outcome.done += 1
        emit(answer.to_json(), as_json, _sentence(answer))


def _sentence(answer: Answer) -> str:
    x1, y1, x2, y2 = answer.box or (0, 0, 0, 0)
    place = f"{answer.photo}{_times(answer)} [{x1:.0f} {y1:.0f} {x2:.0f} {y2:.0f}]"
    if answer.similarity is None:
        return f"{place}: unknown (nobody is enrolled)"
    best = answer.candidates[0].identity
    name = answer.identity if answer.status == "match" else f"unknown, nearest {best}"
    repaired = ", repaired" if answer.repaired else ""
    return f"{place}: {name}{repaired} (similarity {answer.similarity:.3f}, threshold {answer.threshold:.3f})"


def _times(answer: Answer) -> str:
    """Of a track: from when to when, and how often."""
    from recog.types import TrackAnswer

    if not isinstance(answer, TrackAnswer):
        return ""
    return f" {answer.start:.1f}-{answer.end:.1f} s, seen {answer.sightings} times,"


@click.command()
@click.argument("photo_a")
@click.argument("photo_b")
@threshold_option
@largest_option
@gallery_option
@model_option
@device_option
@json_option
def verify(
    photo_a: str,
    photo_b: str,
    threshold: float | None,
    largest: bool,
    gallery: GalleryPlace,
    model: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Say whether two photos show one person.

    No gallery is needed; where there is one, its model and its threshold are used, unless --model names
    another. Exit code 1 when they do not show one person.

    \b
    Example:
      recog verify passport.jpg selfie.jpg
    """
    with any_recognizer(gallery, model, device) as recognizer:
        result = recognizer.verify(photo_a, photo_b, threshold=threshold, largest=largest)
    text = "same person" if result.same else "not the same person"
    text += f" (similarity {result.similarity:.3f}, threshold {result.threshold:.3f}"
    text += ")" if result.probability is None else f", probability {result.probability:.3f} at even odds)"
    emit(result.to_json(), as_json, text)
    if not result.same:
        click.get_current_context().exit(NO)
