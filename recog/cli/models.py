"""`recog models`."""

from __future__ import annotations

from dataclasses import asdict

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
