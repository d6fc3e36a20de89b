"""`recog export | import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from recog.cli.options import emit, gallery_option, json_option

if TYPE_CHECKING:
    from recog.types import GalleryPlace


@click.command("export")
@click.argument("out", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["npz", "faiss"]),
    default="npz",
    show_default=True,
    help="npz: everything but kept faces, for import elsewhere. faiss: a FAISS index, and the names of its "
    "rows beside it.",
)
@gallery_option
@json_option
def export(out: Path, kind: str, gallery: GalleryPlace, as_json: bool) -> None:
    """Write the people of a gallery to a file.

    Other tools can read it, too. It holds names and vectors: keep it as safe as the gallery, and delete it
    when you honour an erasure.

    \b
    Example:
      recog export people.npz
    """
    from recog.gallery import open_gallery
    from recog.gallery.portable import Portable

    with open_gallery(gallery, create=False) as opened:
        found = Portable.of(opened)
    files = [out]
    if kind == "npz":
        found.write(out)
    else:
        files.append(found.write_faiss(out))
    templates = sum(map(len, found.people.values()))
    record = {"files": [str(file) for file in files], "people": len(found.people), "templates": templates}
    emit(record, as_json, f"{out}: {len(found.people)} people, {templates} templates")


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@gallery_option
@json_option
def import_(file: Path, gallery: GalleryPlace, as_json: bool) -> None:
    """Add the people of an exported file.

    What is enrolled already is skipped. An empty gallery takes the thresholds too. Vectors of another model
    than the gallery's are refused.

    \b
    Example:
      recog import people.npz --gallery copy.gallery
    """
    from recog.gallery import open_gallery
    from recog.gallery.portable import Portable

    found = Portable.read(file)
    with open_gallery(gallery) as opened:
        added = found.into(opened)
    templates = sum(map(len, found.people.values()))
    record = {"people": len(found.people), "added": added, "skipped": templates - added}
    emit(record, as_json, f"{file}: {len(found.people)} people, {added} templates added")
