"""`recog migrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from recog.cli.options import device_option, emit, gallery_option, json_option

if TYPE_CHECKING:
    from recog.types import GalleryPlace


@click.command()
@click.option("--model", required=True, help="Name or file of an embedder; see recog models list.")
@click.option("--drop", is_flag=True, help="Leave out templates without a kept crop, instead of refusing.")
@gallery_option
@device_option
@json_option
def migrate(model: str, drop: bool, gallery: GalleryPlace, device: str, as_json: bool) -> None:
    """Give a gallery another model, by kept faces.

    Faces are kept when people are enrolled with --keep-crops, in the size that the model of then takes; one
    that takes larger ones gets them enlarged. All of it is done, or nothing. Thresholds were of the other
    model: those of the new model's card hold until recog calibrate is run.

    \b
    Example:
      recog migrate --model facenet-vggface2
    """
    from recog.embedders import embedder_for
    from recog.gallery import Gallery
    from recog.migration import migrate as migrated
    from recog.progress import progress
    from recog.records import Model

    with Gallery(gallery.file, create=False, **gallery.options) as opened:
        embedder, name = embedder_for(model, None, device)
        made_by = Model(name or embedder.name, embedder.digest, embedder.embedding_size)
        done, dropped = migrated(
            opened, embedder, made_by, drop=drop, watch=lambda batches: progress(batches, desc="embed")
        )
    record = {"model": made_by.name, "digest": made_by.digest, "templates": done, "dropped": dropped}
    left = f", {dropped} dropped" if dropped else ""
    emit(record, as_json, f"{gallery}: {done} templates of {made_by.name} now{left}")
