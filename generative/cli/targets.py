"""Where photos that were changed are written."""

from __future__ import annotations

from pathlib import Path

import click

BESIDE = "-side-by-side"  # behind a photo's name, of the picture that shows it before and after


class Targets:
    """A file for a single photo, else a folder in which folders of photos keep their shape."""

    def __init__(self, out: Path, photos: tuple[str, ...]) -> None:
        """
        Args:
            out: ends like a picture and is no folder: the file; anything else: the folder.
            photos: PHOTO arguments.
        Raises: click.UsageError: a file for several photos, for itself, or of a kind that is not written;
        DataError: no photos.
        """
        from recog.cli.options import expanded
        from recog.images import WRITTEN
        from recog.photos import SUFFIXES

        self.out = out
        if out.suffix.lower() in SUFFIXES - set(WRITTEN) and not out.is_dir():
            raise click.UsageError(f"--out {out}: pictures are written as {', '.join(WRITTEN)}.")
        self.originals = expanded(photos)
        self._file = out.suffix.lower() in WRITTEN and not out.is_dir()
        if self._file and (len(self.originals) > 1 or any(Path(photo).is_dir() for photo in photos)):
            raise click.UsageError(f"--out {out} is a file, and there may be several photos: name a folder.")
        if self._file and out.resolve() == self.originals[0].resolve():
            raise click.UsageError(f"--out {out} is the photo itself: name another file.")
        self._taken = {photo.resolve() for photo in self.originals}
        self._homes = {photo.resolve().parent for photo in self.originals}
        self._folders = [Path(photo) for photo in photos if Path(photo).is_dir()]

    def of(self, photo: Path) -> Path:
        """The new file of a photo: none of the originals, nor given to an earlier one."""
        return self.out if self._file else self._free(self._place(photo), photo.stem)

    def beside(self, target: Path) -> Path:
        """Where to show a photo before and after, given its new file."""
        return self._free(target.parent, f"{target.stem}{BESIDE}")

    def _place(self, photo: Path) -> Path:
        """The folder in `out` that stands for the one the photo is in."""
        for folder in self._folders:
            if photo.is_relative_to(folder):
                return self.out / photo.relative_to(folder).parent
        return self.out

    def _free(self, place: Path, stem: str) -> Path:
        target, number = place / f"{stem}.png", 1
        beside = place.resolve() in self._homes  # among originals: what is there is somebody's photo
        while target.resolve() in self._taken or (beside and target.exists()):
            number += 1
            target = place / f"{stem}-{number}.png"
        self._taken.add(target.resolve())
        return target
