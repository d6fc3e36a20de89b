"""What a benchmark measures, chosen by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from recog.errors import ConfigError

T = TypeVar("T")


def chosen(every: Mapping[str, T], names: Sequence[str], what: str) -> dict[str, T]:
    """Those of these names; all of them without names.

    Raises: ConfigError: an unknown name.
    """
    unknown = [name for name in names if name not in every]
    if unknown:
        raise ConfigError(f"No {what} is called {unknown[0]!r}; give one of {', '.join(every)}.")
    return {name: every[name] for name in names or every}
