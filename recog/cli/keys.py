"""`recog keys new | encrypt | rotate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from recog.cli.options import emit, gallery_option, json_option

if TYPE_CHECKING:
    from recog.types import GalleryPlace


@click.group()
def keys() -> None:
    """Encrypt a gallery, and keep its keys.

    Names, photo digests, vectors and kept crops are sealed under a key for each person (AES-256-GCM). Those
    keys are wrapped by a master key and kept in a keystore, apart from the gallery: `recog remove` destroys
    the person's, so that no backup of the gallery can be read of them any more. Whoever has gallery, keystore
    and master key can read everything; whoever loses one of them, nothing.

    \b
    Example:
      recog keys new people.key
      recog enroll ada ada1.jpg --key people.key
    """


@keys.command()
@click.argument("place")
@json_option
def new(place: str, as_json: bool) -> None:
    """Make a master key.

    PLACE is a file, or keyring:NAME for the system's keyring. A key that is there is not replaced.

    \b
    Example:
      recog keys new people.key
    """
    from recog.keys import new_key

    new_key(place)
    emit({"key": place}, as_json, f"{place}: a new key. Keep a copy where backups of the gallery are not.")


@keys.command()
@gallery_option
@json_option
def encrypt(gallery: GalleryPlace, as_json: bool) -> None:
    """Encrypt a gallery that is not, with the key of --key.

    What stood there before is erased. A new gallery needs no such step: pass --key when you enroll.

    \b
    Example:
      recog keys encrypt --key people.key
    """
    from recog.errors import GalleryError, KeyUnavailable
    from recog.gallery import Gallery

    if gallery.key is None:
        raise click.UsageError("Give the key: --key FILE, env:VARIABLE or keyring:NAME.")
    try:
        plain = Gallery(gallery.file, create=False)
    except KeyUnavailable as error:
        with Gallery(gallery.file, create=False, **gallery.options):  # which finishes what was interrupted
            raise GalleryError(f"{gallery}: is encrypted already. Its key: recog keys rotate") from error
    with plain as opened:
        opened.encrypt(gallery.key, gallery.keystore)
        record = {"gallery": str(opened), "keystore": str(opened.keystore)}
    emit(record, as_json, f"{gallery} is encrypted; its people's keys are in {record['keystore']}")


@keys.command()
@click.argument("new_place", metavar="NEW")
@gallery_option
@json_option
def rotate(new_place: str, gallery: GalleryPlace, as_json: bool) -> None:
    """Change the master key of a gallery from that of --key to NEW.

    The old one opens nothing any more, except older copies of the keystore: delete those.

    \b
    Example:
      recog keys new new.key
      recog keys rotate new.key --key people.key
    """
    from recog.gallery import Gallery

    with Gallery(gallery.file, create=False, **gallery.options) as opened:
        opened.rotate(new_place)
    emit({"gallery": str(gallery), "key": new_place}, as_json, f"{gallery} opens with {new_place} now")
