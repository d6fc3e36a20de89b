"""Who must not be the same for a measurement to mean anything."""

from __future__ import annotations

from collections.abc import Collection

from benchmarks.judging.judges import Judges
from generative.data import FaceData
from recog.errors import ConfigError, DataError


def require_apart(one: FaceData, other: FaceData) -> None:
    """Names stand for people: the folders are of one data set.

    Raises: DataError: somebody is both learned from and judged by, or a stranger is no stranger.
    """
    both = {*one.crops.identities} & {*other.crops.identities}
    if both:
        raise DataError(
            f"{len(both)} people are both learned from and judged by, as {min(both)!r}. Give roles that part "
            "them, or another folder."
        )


def require_judges_apart(name: str, guides: Collection[str], judges: Judges) -> None:
    """Who guides a generator does not judge it.

    Args:
        guides: digests of the models that `name` learns to please.
    Raises: ConfigError: one of them is a judge.
    """
    partial = [kind for kind, digest in judges.digests.items() if digest in guides]
    if partial:
        raise ConfigError(f"{name} learns from the judges' {partial[0]}: give other judges (--judges).")
