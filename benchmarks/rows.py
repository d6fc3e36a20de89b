"""Results are rows: one measurement a line of JSON, appended and never changed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import math
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from recog.errors import ConfigError, DataError, WriteFailed

logger = logging.getLogger(__name__)
FIGURES = "figures"  # of a folder of results: its pictures


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement.

    Raises: ConfigError: the value or its interval is not a finite number.
    """

    bench: str  # augment, verify, identify, ...: the file it lives in
    protocol: str  # what was done, in words
    data: str  # on which faces
    arm: str  # which of the compared things; a model's name where nothing is compared
    metric: str  # for example "TAR@FMR=1e-3"
    value: float  # fractions as 0..1; the metric names other units
    ci95: tuple[float, float] | None = None
    n: int  # comparisons, searches or photos behind the value
    seed: int | None = None
    plan: str  # hash of everything that was decided before measuring
    model: str | None = None  # digest of the embedder
    regime: str | None = None  # where synthetic faces come from; see benchmarks.augment.makers
    commit: str
    device: str
    seconds: float  # that the measurement took, training included
    command: str
    details: Mapping[str, Any] = field(default_factory=dict)  # what a reader may want beside the value

    def __post_init__(self) -> None:
        if not all(math.isfinite(number) for number in (self.value, *(self.ci95 or ()))):
            raise ConfigError(f"{self.metric} of {self.arm} is {self.value} {self.ci95}: not finite.")

    def to_json(self) -> dict[str, Any]:
        """The object that `recog bench --json` prints and that a line of the file holds."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Measurement:
    """A measured number, before it is known where it comes from; the fields are those of `Row`."""

    metric: str
    value: float
    n: int
    ci95: tuple[float, float] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What all rows of one call share: how to get them again."""

    bench: str
    protocol: str
    data: str
    plan: str
    commit: str
    device: str
    command: str

    def rows(
        self,
        found: Iterable[Measurement],
        *,
        arm: str,
        seconds: float,
        details: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> list[Row]:
        """A row of this origin for each measurement.

        Args:
            details: of all these rows, beside each one's own.
            more: other fields of Row.
        """
        shared = {**dataclasses.asdict(self), **more, "arm": arm, "seconds": round(seconds, 2)}
        return [
            Row(
                **shared,
                metric=one.metric,
                value=float(one.value),
                ci95=one.ci95,
                n=one.n,
                details={**(details or {}), **one.details},
            )
            for one in found
        ]


def slug(text: str) -> str:
    """A text as part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def origin(bench: str, protocol: str, data: str, plan: Mapping[str, Any], device: str = "auto") -> Origin:
    """The origin of rows that this process measures; `plan` is hashed with the protocol."""
    return Origin(
        bench=bench,
        protocol=protocol,
        data=data,
        plan=plan_hash({"bench": bench, "protocol": protocol, "data": data, **plan}),
        commit=commit(),
        device=describe_device(device),
        command=shlex.join(["recog", *sys.argv[1:]]),
    )


def label(folder: Path) -> str:
    """What rows call a folder of photos: its name and its parent's, for example lfw/images."""
    place = folder.resolve()
    return f"{place.parent.name}/{place.name}".lstrip("/")


def plan_hash(plan: Mapping[str, Any]) -> str:
    """Twelve hex digits that change when any decision of the plan does."""
    return hashlib.sha256(json.dumps(plan, sort_keys=True, default=str).encode()).hexdigest()[:12]


def append(path: Path | str, *rows: Row) -> None:
    """Add rows to the file in one write: after a crash they are there, or cut off at the end.

    Raises: WriteFailed: no space, no permission, ...
    """
    lines = "".join(json.dumps(row.to_json(), allow_nan=False, sort_keys=True) + "\n" for row in rows)
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _drop_torn_tail(target)
        with target.open("ab", buffering=0) as file:
            file.write(lines.encode())
            os.fsync(file.fileno())
    except OSError as error:
        raise WriteFailed(f"{path}: cannot be written ({error.strerror}). Choose another --out.") from error


def read(path: Path | str) -> list[Row]:
    """All rows of a file, in order; none without a file. A line cut off by a crash does not count.

    Raises: DataError: the file cannot be read, or a line is not a row.
    """
    target = Path(path)
    if not target.is_file():
        return []
    try:
        *whole, torn = target.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}). Results are lines of JSON in UTF-8.") from error
    if torn:
        logger.warning("%s: the last line was cut off by an interruption and does not count", path)
    return [
        _parsed(line, f"{path}, line {number}") for number, line in enumerate(whole, start=1) if line.strip()
    ]


def read_folder(folder: Path | str) -> list[Row]:
    """The rows of all `<bench>.jsonl` files of a folder, by file name.

    Raises: DataError: no rows there, or a line is not a row.
    """
    found = [row for file in sorted(Path(folder).glob("*.jsonl")) for row in read(file)]
    if not found:
        raise DataError(f"{folder}: no rows here. Run a benchmark (`recog bench --help`) with this --out.")
    return found


def file_of(folder: Path | str, bench: str) -> Path:
    """Where the rows of a benchmark live."""
    return Path(folder) / f"{bench}.jsonl"


def append_all(folder: Path | str, rows: Iterable[Row]) -> list[Row]:
    """Append rows to the files of their benchmarks, each file in one write; returns them."""
    kept = list(rows)
    for bench in dict.fromkeys(row.bench for row in kept):
        append(file_of(folder, bench), *(row for row in kept if row.bench == bench))
    return kept


def commit() -> str:
    """Commit of the checkout that this package runs from ("+" when changed), or the installed version.

    Rows that a run appends to the committed results, and documents, do not count as a change.
    """
    root = Path(__file__).resolve().parent.parent
    if (root / ".git").exists():
        described = _git(root, "describe", "--always", "--exclude=*", "--abbrev=10")
        changed = _git(root, "status", "--porcelain", "--", ".", ":!benchmarks/results", ":!*.md")
        return (described + "+" * bool(changed)) if described else "uncommitted"
    return "v" + metadata.version("recog")


def describe_device(device: str = "auto") -> str:
    """Device and how much of it, for example "cpu, 2 threads (AMD EPYC), torch 2.9.0"."""
    import torch

    from recog.device import resolve

    place = resolve(device)
    if place.type == "cuda":
        return torch.cuda.get_device_name(place)
    threads = f"{place.type}, {torch.get_num_threads()} threads"
    return f"{threads} ({_processor()}), torch {torch.__version__.partition('+')[0]}"


def _processor() -> str:
    """What the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _drop_torn_tail(path: Path) -> None:
    """Cut off a last line without its end: the row was never reported as measured."""
    if not path.is_file() or not path.stat().st_size:
        return
    with path.open("rb+") as file:
        content = file.read()
        if not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)


def _parsed(line: str, place: str) -> Row:
    try:
        fields = json.loads(line)
        if fields.get("ci95") is not None:
            fields["ci95"] = tuple(fields["ci95"])
        return Row(**fields)
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{place}: not a result row of this version ({error}).") from error
