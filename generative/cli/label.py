"""`recog generate label`."""

from __future__ import annotations

from pathlib import Path

import click

from generative.cli.options import path_type
from recog.cli.options import device_option, emit, json_option


@click.command()
@click.argument("folder", type=path_type)
@click.option("--out", type=path_type, required=True, help="CSV to write: file, attributes, age.")
@click.option("--known", type=path_type, help="CSV of what is known already; only the rest is read off.")
@click.option("--reader", default="bundled", show_default=True, help="bundled, a file or run directory.")
@device_option
@json_option
def label(folder: Path, out: Path, known: Path | None, reader: str, device: str, as_json: bool) -> None:
    """Read attributes and ages off a FOLDER of aligned crops, for `recog generate train --attributes`.

    They say how people look on the pictures, as annotators saw such pictures, and are often wrong of a
    single one.

    \b
    Example:
      recog generate label crops/ --out labels.csv
      recog generate label crops/ --known celeba.csv --out with-ages.csv
    """
    import numpy as np

    from generative.labels import filled, labels_of, write_labels
    from generative.reading import AttributeReader
    from recog.training.data import open_crops

    loaded = AttributeReader.load(reader, device)
    crops = open_crops(folder, size=loaded.image_size, labelled=False)
    found = loaded.vocabulary.values(loaded.read(np.asarray(crops.images)))
    if known is not None:
        found = filled(labels_of(crops.files, known), found)
    count = write_labels(out, crops.files, found)
    emit({"labels": str(out), "faces": count}, as_json, f"{out}  {count} faces")
