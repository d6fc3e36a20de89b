"""`recog log`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from recog.cli.options import emit, gallery_option, json_option

if TYPE_CHECKING:
    from recog.types import GalleryPlace


@click.command()
@click.option("--verify", is_flag=True, help="Check that no entry was changed, dropped or put in between.")
@click.option(
    "--digest",
    metavar="DIGEST",
    help="With --verify: the last digest of an earlier check, which must still be there.",
)
@gallery_option
@json_option
def log(verify: bool, digest: str | None, gallery: GalleryPlace, as_json: bool) -> None:
    """Show what happened to a gallery, and whether the log is whole.

    Who was enrolled, renamed and removed when, and other changes. People appear under pseudonyms, with their
    names while they are enrolled. Each entry seals those before it. Note the last digest in another place:
    that shows later whether the end of the log was cut off.

    \b
    Example:
      recog log
      recog log --verify
    """
    if digest and not verify:
        raise click.UsageError("--digest goes with --verify.")
    from recog.errors import GalleryError
    from recog.gallery import open_gallery
    from recog.gallery.log import broken

    with open_gallery(gallery, create=False) as opened:
        entries, names = opened.log(), opened.pseudonyms()
    if verify:
        wrong = broken(entries, digest)
        if wrong:
            raise GalleryError(f"{opened}: the log is not whole: {wrong}. Compare it with a backup.")
        last = entries[-1].digest if entries else None
        text = f"The log is whole: {len(entries)} entries, the last digest is {last}"
        emit({"entries": len(entries), "digest": last}, as_json, text)
        return
    for entry in entries:
        name = names.get(str(entry.subject))
        who = f"{entry.subject or '-'}{f' ({name})' if name else ''}"
        detail = " ".join(f"{key}={value}" for key, value in entry.detail.items())
        text = f"{entry.number}  {entry.at}  {entry.event}  {who}  {detail}".rstrip()
        emit({**entry.to_json(), "identity": name}, as_json, text)
