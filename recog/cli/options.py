"""What commands share: options, output, exit codes."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from recog.types import GalleryPlace

if TYPE_CHECKING:
    from recog.faces import DetectorLike
    from recog.recognizer import Recognizer

DONE, NO, USAGE, PARTLY, FAILED, INTERRUPTED = 0, 1, 2, 3, 4, 130


def default_gallery() -> str:
    """The gallery file in the user's data folder."""
    import platformdirs

    return str(Path(platformdirs.user_data_dir("recog", appauthor=False)) / "people.gallery")


def a_number(_context: click.Context, _parameter: click.Parameter, value: float | None) -> float | None:
    """Refuse nan, which click's ranges let through."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is no number to compare with.")
    return value


def gallery_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where the gallery is and what opens it, as one argument `gallery`."""

    @click.option(
        "--gallery",
        metavar="PATH|URI",
        default=default_gallery,
        envvar="RECOG_GALLERY",
        show_default="in the user's data folder, or RECOG_GALLERY",
        help="The gallery: a file, or milvus+http://HOST:PORT.",
    )
    @click.option(
        "--key",
        metavar="SOURCE",
        envvar="RECOG_KEY",
        help="Of an encrypted gallery: a file, env:VARIABLE or keyring:NAME. Or RECOG_KEY.",
    )
    @click.option(
        "--keystore",
        metavar="PATH",
        envvar="RECOG_KEYSTORE",
        help="Of an encrypted gallery, where it is not in the user's data folder. Or RECOG_KEYSTORE.",
    )
    @functools.wraps(command)
    def placed(*args: Any, gallery: str, key: str | None, keystore: str | None, **rest: Any) -> Any:
        return command(*args, gallery=GalleryPlace(gallery, key, keystore), **rest)

    return placed


device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="Where to compute; an error if it is not there.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line on standard output."
)
model_option = click.option(
    "--model",
    default=None,
    show_default="the gallery's own, or bundled",
    help="Name or file of an embedder; see recog models list.",
)
largest_option = click.option(
    "--largest", is_flag=True, help="Of several faces on a photo, take the largest."
)
flip_option = click.option(
    "--flip/--no-flip",
    default=True,
    show_default=True,
    help="Average with the mirror image: slightly more accurate; without it twice as quick.",
)
threshold_option = click.option(
    "--threshold",
    type=click.FloatRange(-1, 1),
    callback=a_number,
    show_default="the gallery's, or the model card's",
    help="Cosine from which faces match.",
)
roles_option = click.option(
    "--roles", type=click.Path(path_type=Path), help="CSV with columns identity,role; with --role."
)
role_option = click.option("--role", help="Use the identities of this role only.")
photos_argument = click.argument("photos", nargs=-1, required=True, metavar="PHOTO...")


def any_recognizer(
    gallery: GalleryPlace | None, model: str | None, device: str, detector: DetectorLike | None = None
) -> Recognizer:
    """The gallery's recogniser; where there is none, or --model names another model, one without it."""
    from recog.errors import ModelMismatch, NoGallery
    from recog.recognizer import Recognizer

    try:
        return Recognizer.open(gallery, model, device, detector=detector, create=False)
    except (ModelMismatch, NoGallery):
        return Recognizer.open(None, model, device, detector=detector)


def emit(record: Any, as_json: bool, text: str) -> None:
    """Print a record as one line of JSON, or as text for people."""
    line = json.dumps(record, ensure_ascii=False, allow_nan=False) if as_json else text
    encoding = sys.stdout.encoding or "utf-8"
    try:
        line.encode(encoding)
    except UnicodeEncodeError:  # a file name that is no text here must not cost the other answers
        escaped = text.encode(encoding, "backslashreplace").decode(encoding)
        line = json.dumps(record, allow_nan=False) if as_json else escaped
    with _between_bars():
        click.echo(line)


def _between_bars() -> contextlib.AbstractContextManager[None]:
    """Clears a progress bar that is on the terminal, and draws it again below."""
    tqdm = sys.modules.get("tqdm")  # not imported: no bar
    return tqdm.tqdm.external_write_mode() if tqdm else contextlib.nullcontext()


def cleaned(_context: click.Context, _parameter: click.Parameter, name: str | None) -> str | None:
    """A NAME argument as the gallery spells it; what is no name is wrong usage."""
    if name is None:
        return None
    from recog.errors import ConfigError
    from recog.records import clean_name

    try:
        return clean_name(name)
    except ConfigError as error:
        raise click.BadParameter(str(error)) from error


def all_cleaned(
    context: click.Context, parameter: click.Parameter, names: tuple[str, ...]
) -> tuple[str, ...]:
    """NAME arguments as the gallery spells them, each once."""
    return tuple(dict.fromkeys(str(cleaned(context, parameter, name)) for name in names))


def expanded(photos: Sequence[str]) -> list[Path]:
    """The photos that PHOTO arguments name.

    Raises: DataError: standard input named none.
    """
    from recog.errors import DataError
    from recog.photos import expand

    found = expand(photos)
    if not found:
        raise DataError("No photos: standard input is empty. Give paths, one a line.")
    return found


def check_roles(roles: Path | None, role: str | None) -> None:
    """Raises: click.UsageError: one of --roles and --role without the other."""
    if (roles is None) != (role is None):
        raise click.UsageError("--roles and --role go together.")


@dataclass
class Outcome:
    """Counts what was done and what failed, and turns that into the exit code."""

    done: int = 0
    failed: int = 0

    def fail(self, what: object, why: str | None, *, named: bool = True) -> None:
        """Count a failed input, and name it on standard error."""
        self.failed += 1
        if named:
            with _between_bars():
                click.echo(f"{what}: {why}", err=True)

    def leave(self, *, no: bool = False) -> NoReturn:
        """End the command.

        Args:
            no: everything was done, and the answer is "no".
        """
        code = (PARTLY if self.done else FAILED) if self.failed else (NO if no else DONE)
        click.get_current_context().exit(code)
