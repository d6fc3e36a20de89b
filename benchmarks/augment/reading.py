"""Plans from TOML files."""

from __future__ import annotations

import dataclasses
import itertools
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.augment.plan import Arm, Plan, settings_of
from generative.augmenting import Synthesis
from recog.embedding import Embedder
from recog.errors import ConfigError

SIZES = ("people", "photos")


def read(path: Path | str) -> tuple[Plan, ...]:
    """The plan of a TOML file; of lists of people or photos, a plan for each combination.

    Raises: ConfigError: it cannot be read, or says what plans do not know.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        said = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: is no TOML ({error}).") from error
    try:
        return tuple(parsed({**said, **size}) for size in _sizes(said))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _sizes(said: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Numbers of people and photos, each said once or in a list."""
    lists = {name: said[name] for name in SIZES if isinstance(said.get(name), list)}
    for name, counts in lists.items():
        if not counts or len(set(map(str, counts))) < len(counts):
            raise ConfigError(f"{name} is {counts!r}; give a number, or different ones in a list.")
    for combination in itertools.product(*lists.values()):
        yield dict(zip(lists, combination, strict=True))


def parsed(said: Mapping[str, Any]) -> Plan:
    """A plan from what a TOML file says; one with a start has that embedder's architecture.

    Raises: ConfigError: it says what plans do not know; ModelNotFound: there is no such start.
    """
    _require_known(said, Plan, "A plan")
    _require_tables(said, "A plan", "train", "arms")
    for name in ("confirms", "own"):
        _require(isinstance(said.get(name, True), bool), name, said)
    if said.get("start"):
        like = settings_of(Embedder.load(str(said["start"]), "cpu"))
        said = {**said, "train": {**like, **said.get("train", {})}}
    if "arms" not in said:
        return Plan(**said)
    return Plan(**{**said, "arms": {name: _arm(f"Arm {name!r}", one) for name, one in said["arms"].items()}})


def _arm(what: str, said: Any) -> Arm:
    if not isinstance(said, Mapping):
        raise ConfigError(f"{what} is {said!r}; give a table.")
    _require_known(said, Arm, what)
    _require_tables(said, what, "train", "synthesis")
    _require(isinstance(said.get("trains", True), bool), "trains", said)
    made = said.get("synthesis")
    if made is None:
        return Arm(**said)
    _require_known(made, Synthesis, f"The synthesis of {what[0].lower()}{what[1:]}")
    return Arm(**{**said, "synthesis": Synthesis(**made)})


def _require_tables(said: Mapping[str, Any], what: str, *names: str) -> None:
    for name in names:
        if not isinstance(said.get(name, {}), Mapping):
            raise ConfigError(f"{what} has {name} = {said[name]!r}; give a table.")


def _require(fine: bool, name: str, said: Mapping[str, Any]) -> None:
    if not fine:
        raise ConfigError(f"{name} is {said[name]!r}; give true or false.")


def _require_known(said: Mapping[str, Any], kind: type, what: str) -> None:
    known = [one.name for one in dataclasses.fields(kind)]
    unknown = sorted(set(said) - set(known))
    if unknown:
        raise ConfigError(f"{what} has no {unknown[0]!r}; it knows {', '.join(known)}.")
