"""`recog models`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from recog.cli.options import emit, json_option


@click.group()
def models() -> None:
    """List and describe the models.

    \b
    Example:
      recog models list
    """


@models.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """List the models that have names.

    \b
    Example:
      recog models list --json
    """
    from recog.models import named_models

    for card in named_models().values():
        emit(asdict(card), as_json, f"{card.name}  {card.embedding_size}-d  {card.licence}")


@models.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a model's source, licence and sizes.

    \b
    Example:
      recog models show recog-s
    """
    from recog.errors import ModelNotFound
    from recog.models import named_models

    cards = named_models()
    card = cards.get("recog-s" if name == "bundled" else name)
    if card is None:
        raise ModelNotFound(f"{name!r}: no model of this name. Known: {', '.join(cards)}.")
    emit(asdict(card), as_json, "\n".join(f"{key}: {value}" for key, value in asdict(card).items()))


@models.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The .safetensors file to write.")
@click.option("--name", required=True, help="What the model calls itself.")
@click.option(
    "--strangers", type=click.Path(path_type=Path), required=True, help="Crops of people it does not know."
)
@click.option("--roles", type=click.Path(path_type=Path), help="CSV identity,role; with --role.")
@click.option("--role", help="Use the strangers of this role only.")
@json_option
def pack(
    run: Path, out: Path, name: str, strangers: Path, roles: Path | None, role: str | None, as_json: bool
) -> None:
    """Turn a training RUN into weights to ship: half precision, with thresholds.

    \b
    Example:
      recog models pack runs/embedder --out mine.safetensors --name mine --strangers crops/
    """
    from recog.cli.training import chosen_crops
    from recog.embedding import Embedder
    from recog.training.packing import pack as write

    size = Embedder.load(run, device="cpu").image_size
    embedder = write(run, out, name, chosen_crops(strangers, size, roles, role))
    result = {"weights": str(out), "model": embedder.digest, "thresholds": embedder.thresholds}
    emit(result, as_json, f"{out}  {embedder.digest[:12]}  {embedder.thresholds}")
