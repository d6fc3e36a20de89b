"""Networks that judge synthetic faces, and that had no part in making them.

Recogniser B tells people apart, a reader tells attributes and ages, a small autoencoder tells faces apart by
their looks. They learn from one half of the identities (and of the photos of nobody known); what conditions,
guides or labels for a generator may learn from the other half. B is of another architecture than the bundled
embedder, learns from labels alone, and is never distilled from it or from its teacher.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable
from pathlib import Path

from recog.checkpoints import write_atomically
from recog.training import TrainConfig
from recog.training.data import read_roles

JUDGES, MAKERS = "judges", "makers"  # the halves
RECOGNISER = TrainConfig(
    backbone="resnet18",
    backbone_options={"channels": [32, 64, 128, 192]},
    total_kimg=600.0,
    ema_halflife_kimg=10.0,
)


def half_of(name: str) -> str:
    """Which half an identity (or the file of somebody unknown) belongs to: by its name alone, so for good."""
    return JUDGES if hashlib.sha256(name.encode()).digest()[0] % 2 else MAKERS


def write_halves(roles: Path, role: str, out: Path) -> Path:
    """Write a CSV of identity, role in which the identities of `role` are split into the halves.

    Raises: DataError: as `recog.training.data.read_roles`; WriteFailed.
    """
    return _written(out, ("identity", "role"), ((name, half_of(name)) for name in read_roles(roles, role)))


def _written(out: Path, header: Iterable[str], rows: Iterable[Iterable[str]]) -> Path:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_atomically(out, text.getvalue().encode())
    return out
