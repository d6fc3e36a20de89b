"""What groups of settings check of themselves, so that a value out of range is named before anything runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from recog.errors import ConfigError

Checks = dict[str, tuple[bool, str]]  # by setting: whether its value is possible, and which values are


def check(settings: Any, checks: Callable[[], Checks]) -> None:
    """Refuse what is impossible; a dataclass of settings calls it when it is made.

    Args:
        settings: dataclass instance.
        checks: asked for once the fields of type int and float are known to hold numbers.
    Raises: ConfigError: a value is no number where one is needed, or outside its range.
    """
    for setting in fields(settings):
        value = getattr(settings, setting.name)
        if setting.type == "int" and (not isinstance(value, int) or isinstance(value, bool)):
            raise ConfigError(f"{setting.name} is {value!r}; give a whole number.")
        if str(setting.type).startswith("float") and not _is_number(value, optional=setting.type != "float"):
            raise ConfigError(f"{setting.name} is {value!r}; give a number.")
    for name, (fine, wanted) in checks().items():
        if not fine:
            raise ConfigError(f"{name} is {getattr(settings, name)!r}; give {wanted}.")


def _is_number(value: object, *, optional: bool) -> bool:
    """Whether a value is a number that says how much; of an optional one its range says what infinity is."""
    if value is None:
        return optional
    return isinstance(value, int | float) and (optional or math.isfinite(value))


def at_least(low: int, settings: object, *names: str) -> Checks:
    """Each of these settings is `low` or more."""
    return {name: (getattr(settings, name) >= low, f"{low} or more") for name in names}


def above_zero(settings: object, *names: str) -> Checks:
    """Each of these settings is more than 0."""
    return {name: (getattr(settings, name) > 0, "more than 0") for name in names}


def shares(settings: object, *names: str) -> Checks:
    """Each of these settings is 0 to 1."""
    return {name: (0 <= getattr(settings, name) <= 1, "0 to 1") for name in names}
