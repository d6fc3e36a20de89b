"""Figures of the README and of model cards, from the committed rows and nothing else (cog calls this)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import rows
from benchmarks.augment.summary import confirmed
from benchmarks.generation import summary
from benchmarks.repair import summary as repair_summary
from benchmarks.report import build
from benchmarks.rows import Row
from benchmarks.summaries import Table, latest, number
from generative.models import GENERATORS
from recog import checkpoints
from recog.errors import DataError


@dataclass(frozen=True)
class Column:
    """A column of the table of models."""

    head: str
    bench: str
    data: str  # pattern of the data; of the whole text, as the next one is
    protocol: str
    metric: str

    def holds(self, row: Row) -> bool:
        """Whether a row is one of this column."""
        same = row.bench == self.bench and row.metric == self.metric
        found = re.fullmatch(self.data, row.data) and re.fullmatch(self.protocol, row.protocol)
        return same and found is not None


TAR = "TAR@FMR=1e-3"
LFW, CELEBA = "lfw/.*", "celeba/.*"
DETECTED = ".*; (MTCNN, largest central face|the model's own detection)(; without a face .* nobody)?"
MODELS = (
    Column("LFW accuracy", "verify", LFW, DETECTED, "accuracy"),
    Column(f"LFW {TAR}", "verify", LFW, DETECTED, TAR),
    Column(f"CelebA {TAR}", "verify", CELEBA, ".*; aligned crops", TAR),
    Column("8x down", "verify", CELEBA, ".*; damaged: 8x down", TAR),
    Column("30 % covered", "verify", CELEBA, ".*; damaged: 30 % covered", TAR),
    Column("motion blur", "verify", CELEBA, ".*; damaged: motion blur .*", TAR),
    Column("noise", "verify", CELEBA, ".*; damaged: noise .*", TAR),
    Column("ms a face, 1 thread", "speed", ".*", ".*; 1 at once, 1 thread, .*", "ms a face"),
)
OTHERWISE = "compared by (the most alike|their centre)"  # not as galleries do: for the report
GENERATED = (
    "KID, recogniser B",
    "FID, recogniser B",
    "precision, recogniser B",
    "recall, recogniser B",
    "identity AUC",
    "rank-1",
    "classification accuracy score",
    "within-identity diversity, of real",
    "face found",
    "Male as asked, balanced accuracy",
    "Smiling as asked, balanced accuracy",
    "Eyeglasses as asked, balanced accuracy",
    "age as asked, mean error, years",
    "membership attack, recogniser B, AUC",
)
CARD = (
    *GENERATED,
    "nearest training face, recogniser B, KS p",
    "nearest training face, autoencoder, KS p",
    "membership attack, autoencoder, AUC",
)
GALLERY = ("rank-1", "FNIR at FPIR 1 %", "FPIR, 1 % wanted")


def figures(results: Path | str) -> str:
    """Markdown: a line a model, a line a size of gallery, what generators reach, and what repair gives back.

    Raises: DataError: no rows in the folder.
    """
    measured = [row for row in rows.read_folder(Path(results)) if row.bench != "augment"]
    kept = latest(measured)
    tables = [_markdown(table) for table in (models(kept), *galleries(kept), *made_up(kept)) if table.body]
    said = [
        "\n".join([f"**{section.title}**", "", *(f"- {text}" for text in section.text)])
        for section in build(measured).sections
        if section.text
    ]
    return "\n\n".join([*tables, *said]) + "\n"


def synthesis(results: Path | str) -> str:
    """Markdown: what made-up faces did to recognition, where that was to be confirmed.

    Raises: DataError: no rows in the folder.
    """
    measured = [row for row in rows.read_folder(Path(results)) if row.bench == "augment"]
    return "\n\n".join(_markdown(table) for table in confirmed(latest(measured))) + "\n"


def models(measured: Sequence[Row]) -> Table:
    """A line a model that was asked whether photos show one person, of its latest weights."""
    last = {row.arm: row.model for row in measured if row.bench == "verify"}
    cells = {
        (row.arm, column.head): number(row)
        for row in measured
        for column in MODELS
        if column.holds(row) and row.model == last.get(row.arm)
    }
    heads = [column.head for column in MODELS if any((arm, column.head) in cells for arm in last)]
    return _table("Same person or not", cells, list(last), heads)


def galleries(measured: Sequence[Row]) -> list[Table]:
    """For each data set and protocol of open sets a line a model and size of gallery."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in measured:
        if row.metric in GALLERY and "people" in row.details and not re.search(OTHERWISE, row.protocol):
            found.setdefault((row.data, row.protocol), []).append(row)
    return [
        _table(
            f"Who is it, and are strangers refused ({data}; {protocol})",
            {(row.arm, row.metric): number(row) for row in chosen},
            list(dict.fromkeys(row.arm for row in chosen)),
            GALLERY,
        )
        for (data, protocol), chosen in found.items()
    ]


def made_up(measured: Sequence[Row]) -> list[Table]:
    """What generators reach beside real photos, in the measures that say most."""
    chosen = [row for row in measured if row.bench == "generate"]
    tables = summary.generators(chosen, GENERATED)
    return [Table(f"Faces that are made up ({table.caption})", table.head, table.body) for table in tables]


def card(results: Path | str, weights: Path | str) -> str:
    """Markdown for the card of a generator: what these very weights reach, beside real photos.

    Raises: DataError: no rows in the folder, or none of these weights.
    """
    chosen = _of_weights(results, "generate", weights, tuple(GENERATORS))
    return "\n\n".join(_markdown(table) for table in summary.generators(chosen, CARD)) + "\n"


def repairer_card(results: Path | str, weights: Path | str) -> str:
    """Markdown for the card of a repairer: what these very weights do for each damage, and to whole faces.

    Raises: DataError: no rows in the folder, or none of these weights.
    """
    chosen = _of_weights(results, "repair", weights, "repairer")
    return "\n\n".join(_markdown(table) for table in repair_summary.in_short(chosen)) + "\n"


def _of_weights(
    results: Path | str, bench: str, weights: Path | str, kind: str | tuple[str, ...]
) -> list[Row]:
    """The latest rows of these weights, and what was measured beside them that is of no weights."""
    digest = checkpoints.load(Path(weights), kind=kind).digest
    measured = [row for row in rows.read_folder(Path(results)) if row.bench == bench]
    plans = {row.plan for row in measured if row.model == digest}
    if not plans:
        raise DataError(f"{results} has no rows of {weights}. Run recog bench {bench}.")
    return latest([row for row in measured if row.plan in plans and row.model in (None, digest)])


def _table(
    caption: str, cells: Mapping[tuple[str, str], str], lines: Sequence[str], heads: Sequence[str]
) -> Table:
    return Table(
        caption, ["", *heads], [[line, *(cells.get((line, head), "") for head in heads)] for line in lines]
    )


def _markdown(table: Table) -> str:
    lines = [table.head, ["---"] * len(table.head), *table.body]
    return f"**{table.caption}**\n\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
