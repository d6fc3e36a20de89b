"""Grids of what became of faces: of real ones any and the worst, of people who do not exist the first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.generation.ranking import faces_of_nobody
from benchmarks.repair.cases import CASES, Crops
from benchmarks.rows import slug
from generative.grids import sheet
from generative.repair import Repairer
from generative.synthesis import Synthesizer
from recog.checkpoints import write_atomically

SHOWN = 8  # faces of either kind
MADE_UP = 4  # people who do not exist
SHOWN_CASES = ("hole of 24 px of 64, told where", "mask, to be found", "sunglasses, to be found", "4x down")


def of_nobody(repairer: Repairer, synthesizer: Synthesizer, seed: int) -> tuple[bytes, str]:
    """People who do not exist, damaged and repaired: a PNG with a row each, and what to say of it."""
    clean = faces_of_nobody(synthesizer, MADE_UP, seed)
    rows = [list(clean)]
    for name in SHOWN_CASES:
        case = CASES[name]
        damaged, covered = case.apply(clean, seed)
        rows += [list(damaged), list(repairer.repair(damaged, covered if case.told else "auto"))]
    caption = "People who do not exist: first as they are, then damaged and repaired in turn: "
    return sheet(rows), caption + "; ".join(SHOWN_CASES)


def rows_of(alike: NDArray[np.float64]) -> NDArray[np.int64]:
    """The first faces, and those whose repair is least like them."""
    return np.concatenate([np.arange(min(SHOWN, len(alike))), np.argsort(alike)[:SHOWN]])


def save_grid(folder: Path, name: str, shown: Mapping[str, Crops], alike: NDArray[np.float64]) -> Path:
    """Write a PNG: a row each of clean, damaged and repaired faces; left any of them, right the worst.

    Args:
        shown: (N, S, S, 3) by arm. alike: (N,) how like the clean face the last arm is.
    """
    chosen = rows_of(alike)
    file = folder / f"repair-{slug(name)}.png"
    write_atomically(file, sheet([list(faces[chosen]) for faces in shown.values()]))
    return file
