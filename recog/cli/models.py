"""`recog models`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from recog.cli.options import check_roles, emit, json_option, role_option, roles_option


@click.group()
def models() -> None:
    """List, describe and fetch the models.

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
    from recog.catalogue import named_models
    from recog.fetching import located

    for card in named_models().values():
        here = bool(located(card))
        text = (
            f"{card.image_size} px  {card.embedding_size}-d  {'here' if here else 'to fetch'}  {card.licence}"
        )
        emit({**asdict(card), "here": here}, as_json, f"{card.name}  {text}")


@models.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a model's source, licence, sizes and published figures.

    \b
    Example:
      recog models show recog-s
    """
    from recog.catalogue import card_named
    from recog.fetching import located

    card = card_named(name)
    files = [str(path) for path in located(card)]
    record = {**asdict(card), "here": bool(files), "files": files}
    emit(record, as_json, "\n".join(f"{key}: {_plain(value)}" for key, value in record.items()))


def _plain(value: object) -> object:
    """A value of a card as people read it."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {entry:.2f}" for key, entry in value.items()) or "-"
    if isinstance(value, list):
        return ", ".join(value) or "-"
    return value


@models.command()
@click.argument("name")
@json_option
def fetch(name: str, as_json: bool) -> None:
    """Download a model, check its digest, and say where it lies.

    A download that was interrupted goes on where it stopped. Loading needs no network afterwards.

    \b
    Example:
      recog models fetch hf-hub:gaunernst/convnext_atto.cosface_ms1mv3
    """
    from recog.catalogue import card_named
    from recog.fetching import fetch as fetch_model

    card = card_named(name)
    fetched = fetch_model(card.name)
    record = {"name": card.name, "files": [str(path) for path in fetched.files], "sha256": fetched.sha256}
    if card.source == "bundled":
        click.echo(f"{card.name} comes with the package: nothing to fetch.", err=True)
    elif not fetched.confirmed:
        click.echo("No digest is known for these weights: compare the SHA-256 with one you trust.", err=True)
    emit(record, as_json, "\n".join([*record["files"], f"sha256 {fetched.sha256}"]))


@models.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The .safetensors file to write.")
@click.option("--name", required=True, help="What the model calls itself.")
@click.option(
    "--strangers", type=click.Path(path_type=Path), required=True, help="Crops of people it does not know."
)
@roles_option
@role_option
@click.option(
    "--whiten",
    type=click.Path(path_type=Path),
    help="Crops it learned from: makes small what differs between photos of one person.",
)
@click.option("--whiten-role", help="Of those the identities of this role only, with --roles.")
@json_option
def pack(
    run: Path,
    out: Path,
    name: str,
    strangers: Path,
    roles: Path | None,
    role: str | None,
    whiten: Path | None,
    whiten_role: str | None,
    as_json: bool,
) -> None:
    """Turn a training RUN into weights to ship: half precision, with thresholds.

    \b
    Example:
      recog models pack runs/embedder --out mine.safetensors --name mine --strangers others/
    """
    from recog.alignment import TEMPLATE_SIZE
    from recog.training import open_crops
    from recog.training.packing import pack as write

    if whiten_role and not (whiten and roles):
        raise click.UsageError("--whiten-role goes with --whiten and --roles.")
    check_roles(roles, role)
    known = None
    if whiten:
        known = open_crops(whiten, size=TEMPLATE_SIZE, roles=roles if whiten_role else None, role=whiten_role)
    unknown = open_crops(strangers, size=TEMPLATE_SIZE, roles=roles, role=role)
    embedder = write(run, out, name, unknown, whiten=known)
    result = {"weights": str(out), "model": embedder.digest, **embedder.card.to_config()}
    emit(result, as_json, f"{out}  {embedder.digest[:12]}  {len(embedder.card.entries)} thresholds")


@models.command()
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The .onnx file to write.")
@json_option
def export(name: str, out: Path, as_json: bool) -> None:
    """Write a model as ONNX: (B, 3, S, S) float32 in, (B, D) out, not normalised.

    The file says how its pixels are to be normalised, and carries the model's card.

    \b
    Example:
      recog models export recog-s --out recog-s.onnx
    """
    from recog.embedding import Embedder
    from recog.onnx_export import export as write

    embedder = Embedder.load(name, device="cpu")
    write(embedder, out)
    emit({"out": str(out), "model": embedder.digest}, as_json, f"{out}  {embedder.digest[:12]}")
