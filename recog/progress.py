"""Progress bars: on standard error, and only where someone is watching."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(
    iterable: Iterable[T], *, total: int | None = None, desc: str = "", unit: str = "it"
) -> Iterable[T]:
    """Iterate with a bar on stderr when it is a terminal; otherwise unchanged.

    The bar shows how many of `total` are done, the time left, and the rate in `unit` a second.
    """
    quiet = not sys.stderr.isatty()
    bar: Iterable[T] = tqdm(
        iterable, total=total, desc=desc, unit=unit, file=sys.stderr, disable=quiet, leave=False
    )
    return bar
