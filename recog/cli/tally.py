"""What became of the photos of an enrollment: counted, failures named and listed."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

import click

from recog.cli.options import Outcome
from recog.errors import WriteFailed

if TYPE_CHECKING:
    from recog.types import Enrollment, Failure

NAMED = 20  # failed photos on standard error; a list of thousands hides everything else


class Tally:
    """Counts photos, names those that fail, and lists them in a file where one is given."""

    def __init__(self, listing: Path | None) -> None:
        """
        Args:
            listing: gets a line a failed photo at once, so that an interrupted run leaves what it met. It is
                begun anew: photos that failed are tried again, and listed again.
        Raises: WriteFailed.
        """
        self.outcome = Outcome()
        self._listing, self._file = listing, None if listing is None else _begun(listing)
        self._added = self._skipped = 0
        self._causes: Counter[str] = Counter()

    def __enter__(self) -> Tally:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # the line that could not be written has been told of
                self._file.close()
        if self.outcome.failed > NAMED:
            where = f"{self._listing} lists" if self._listing else "--failures FILE lists"
            click.echo(f"{self.outcome.failed - NAMED:,} more failed; {where} all of them.", err=True)

    def fail(self, failure: Failure) -> None:
        """Take down a photo that cannot be used. Raises: WriteFailed."""
        self._causes[failure.cause] += 1
        self.outcome.fail(failure.photo, failure.message, named=self.outcome.failed < NAMED)
        if self._file is not None:
            try:
                self._file.write(json.dumps(failure.to_json()) + "\n")
            except OSError as error:
                raise _unwritten(self._file.name, error) from error

    def count(self, result: Enrollment) -> None:
        """Take down what became of a person's photos."""
        self._added += result.added
        self._skipped += result.skipped
        self.outcome.done += result.added + result.skipped

    def summary(self, seconds: float) -> str:
        """How many photos there were, how many failed of what, and how long it took."""
        photos = self._added + self._skipped + self.outcome.failed
        parts = [f"{self._added:,} added"]
        parts += [f"{self._skipped:,} already there"] if self._skipped else []
        causes = ", ".join(f"{number:,} {cause}" for cause, number in self._causes.most_common())
        parts += [f"{self.outcome.failed:,} failed ({causes})"] if causes else []
        rate = photos / max(seconds, 1e-3)
        return f"{photos:,} photos in {seconds:.1f} s ({rate:.1f} photos/s): {', '.join(parts)}"


def _begun(listing: Path) -> TextIO:
    try:
        listing.parent.mkdir(parents=True, exist_ok=True)
        return listing.open("w", encoding="ascii", buffering=1)  # by the line: a kill cuts none
    except OSError as error:
        raise _unwritten(listing, error) from error


def _unwritten(listing: Path | str, error: OSError) -> WriteFailed:
    return WriteFailed(
        f"{listing}: cannot be written ({error.strerror}). Free some space or choose another place."
    )
