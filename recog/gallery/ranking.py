"""From rows that look like a probe to the people they belong to: what every kind of gallery computes alike.

A person's similarity is the mean of two cosines: to the most alike of their templates, and to the centre of
all of them; with one template that is the plain cosine. Against the best template alone it misses fewer
people (`benchmarks/results/README.md`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.vectors import unit

People = NDArray[Any]  # (P,) their numbers, or what else tells them apart
Scored = list[tuple[Any, float]]  # a person and their similarity, best first


def best_people(
    owners: People,
    found: NDArray[np.float32],
    k: int,
    similarities_of: Callable[[People], NDArray[np.float32]],
) -> tuple[Scored, bool]:
    """The best people among rows (templates and centres) that come best first.

    Args:
        owners: (N,) whose each row is. found: (N,) cosines of the rows.
        similarities_of: (P,) people -> (P,) their similarities.
    Returns: k people at most, best first, and whether nobody else can be better.
    """
    people, first = np.unique(owners, return_index=True)  # an upper bound of each comes with `first`
    order = np.argsort(first)
    people, bounds = people[order], np.append(found[first[order]], found[-1:])
    scored: Scored = []
    for start in range(0, len(people), 2 * k):
        block = people[start : start + 2 * k]
        scored += zip(block.tolist(), similarities_of(block).tolist(), strict=True)
        scored.sort(key=lambda one: -one[1])
        if len(scored) >= k and scored[k - 1][1] >= bounds[min(start + 2 * k, len(people))]:
            return scored[:k], True
    return scored[:k], False


def similarities(
    vectors: NDArray[np.float32], starts: NDArray[np.int64], query: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(P,) similarities of people to a query (D,).

    Args:
        vectors: (N, D) their templates, one person's after the other's.
        starts: (P + 1,) where each person's begin, and N; nobody is without.
    """
    cosines: NDArray[np.float32] = vectors @ query
    if len(vectors) == len(starts) - 1:
        return cosines
    best = np.maximum.reduceat(cosines, starts[:-1])
    mean: NDArray[np.float32] = np.where(
        np.diff(starts) == 1, best, (best + centres(vectors, starts) @ query) / 2
    )
    return mean


def centres(vectors: NDArray[np.float32], starts: NDArray[np.int64]) -> NDArray[np.float32]:
    """(P, D) unit vectors: the centre of each person's templates; arguments as of `similarities`."""
    return unit(np.add.reduceat(vectors, starts[:-1]))
