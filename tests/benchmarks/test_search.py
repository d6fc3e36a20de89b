"""`recog bench search` on a few hundred templates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import search as bench
from benchmarks.populations import Population
from recog.errors import ConfigError, DataError
from recog.vectors import unit

SIZE = 8


def real(rng: np.random.Generator, people: int, photos: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Unit vectors around people's directions, photos straying differently far, and whose they are."""
    labels = np.repeat(np.arange(people), photos)
    scale = np.exp(rng.normal(0, 0.6, (len(labels), 1)) / 2)
    axes = np.linspace(1.5, 0.5, SIZE)
    vectors = axes * rng.normal(size=(people, SIZE))[labels] + 0.8 * scale * rng.normal(
        size=(len(labels), SIZE)
    )
    return unit(vectors).astype(np.float32), labels


@pytest.fixture(scope="module")
def population() -> Population:
    return Population.of(*real(np.random.default_rng(0), 600, 5))


def test_made_up_templates_spread_as_real_ones(population: Population) -> None:
    rng = np.random.default_rng(1)
    vectors, labels = real(rng, 600, 5)
    centres = population.people(rng, 3000)
    first, second = population.photos(rng, centres), population.photos(rng, centres)
    mated = np.einsum("nd,nd->n", vectors[:-1], vectors[1:])[labels[:-1] == labels[1:]]
    made = np.einsum("nd,nd->n", first, second)
    shares = [0.1, 0.25, 0.5, 0.75]
    np.testing.assert_allclose(np.quantile(made, shares), np.quantile(mated, shares), atol=0.08)
    strangers = np.einsum("nd,nd->n", first[:-1], second[1:])
    apart = np.einsum("nd,nd->n", vectors[:-5], vectors[5:])
    np.testing.assert_allclose(np.quantile(strangers, shares), np.quantile(apart, shares), atol=0.08)


def test_too_few_people_say_nothing_of_spread() -> None:
    with pytest.raises(DataError, match="larger folder"):
        Population.of(*real(np.random.default_rng(0), 5, 3))


def test_stores_are_built_opened_asked_and_changed(population: Population, tmp_path: Path) -> None:
    rows = bench.search(
        population, "noise", templates=300, probes=20, scratch=tmp_path, only=["recog gallery"]
    )
    found = {row.metric: row for row in rows}
    assert found["recall@1, enrolled"].value == found["recall@1, strangers"].value == 1
    assert found["query, median, ms"].value <= found["query, 99th percentile, ms"].value
    assert found["files, MB"].value > 0
    assert {row.arm for row in rows} == {"recog gallery"}
    assert {"open and answer, s", "memory, MB", "build, s", "add, median, ms", "remove, median, ms"} <= set(
        found
    )


def test_recall_counts_the_answers_of_an_exact_search(population: Population) -> None:
    given = bench.task(population, templates=50, probes=10, seed=3)
    for kind in bench.KINDS:
        exact = (given.probes[kind] @ given.rows.T).argmax(axis=1)
        np.testing.assert_array_equal(given.nearest[kind], exact)
    wrong = {kind: (given.nearest[kind] + (np.arange(10) < 3)).tolist() for kind in bench.KINDS}
    assert [one.value for one in bench._recall(wrong, given)] == [0.7, 0.7]


def test_a_store_that_is_not_there_is_named(population: Population) -> None:
    with pytest.raises(ConfigError, match="recog gallery"):
        bench.search(population, "noise", templates=10, probes=2, only=["lost"])
