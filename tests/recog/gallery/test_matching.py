"""From templates to people, against a plain computation of the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from recog import index
from recog.gallery import Gallery, matching, slots
from recog.records import Model, Template
from recog.vectors import unit

SIZE = 24
MODEL = Model("m", "dd" * 32, SIZE)
Vectors = dict[str, NDArray[np.float32]]


def people(rng: np.random.Generator, count: int) -> Vectors:
    """Vectors of people with 1 to 6 photos, more alike than strangers."""
    return {
        f"p{i}": unit(rng.normal(size=SIZE) + 0.8 * rng.normal(size=(rng.integers(1, 7), SIZE))).astype("f4")
        for i in range(count)
    }


def enrolled(vectors: NDArray[np.float32], first: int = 0) -> list[Template]:
    return [Template(vector, f"photo {first + i}") for i, vector in enumerate(vectors)]


def expected(vectors: Vectors, probe: NDArray[np.float32], k: int) -> list[tuple[str, float]]:
    """Mean of the cosines to the best template and to the centre, best people first."""
    scores = {
        name: (float((rows @ probe).max()) + float(unit(rows.sum(axis=0)) @ probe)) / 2
        for name, rows in vectors.items()
    }
    return sorted(scores.items(), key=lambda one: -one[1])[:k]


def assert_answers(gallery: Gallery, vectors: Vectors, rng: np.random.Generator, k: int) -> None:
    probes = unit(rng.normal(size=(20, SIZE))).astype("f4")
    for probe, answer in zip(probes, gallery.search(probes, k), strict=True):
        wanted = expected(vectors, probe, k)
        assert [one.identity for one in answer] == [name for name, _ in wanted]
        assert [one.similarity for one in answer] == pytest.approx([s for _, s in wanted], abs=1e-5)


@pytest.mark.parametrize("k", [1, 5, 200])
@pytest.mark.parametrize("inverted", [False, True], ids=["flat", "inverted"])
def test_answers_are_those_of_a_plain_computation_whatever_changes(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch, k: int, inverted: bool
) -> None:
    if inverted:  # with so few rows the codes tell little: let it compare all of them again
        monkeypatch.setattr(matching, "FLAT_LIMIT", 100)
        monkeypatch.setattr(matching, "SHORTLIST", 10_000)
    rng = np.random.default_rng(k)
    vectors = people(rng, 120)
    gallery.add_all({name: enrolled(rows) for name, rows in vectors.items()}, MODEL)
    assert_answers(gallery, vectors, rng, k)
    for name in list(vectors)[::7]:
        gallery.remove(name)
        del vectors[name]
    more = unit(rng.normal(size=(3, SIZE))).astype("f4")
    gallery.add("p1", enrolled(more, first=100), MODEL)
    vectors["p1"] = np.concatenate([vectors["p1"], more])
    gallery.add("late", enrolled(more[:1]), MODEL)
    vectors["late"] = more[:1]
    assert_answers(gallery, vectors, rng, k)
    gallery.compact()
    assert_answers(gallery, vectors, rng, k)
    assert gallery.integrity() == []


def test_half_precision_halves_the_vectors_and_hardly_moves_similarities(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors, probe = people(rng, 200), unit(rng.normal(size=(1, SIZE)))
    found = {}
    for precision in ("float32", "float16"):
        with Gallery(tmp_path / precision, precision=precision) as gallery:
            gallery.add_all({name: enrolled(rows) for name, rows in vectors.items()}, MODEL)
            found[precision] = gallery.search(probe, 5)[0]
            assert gallery.integrity() == []
    assert [c.similarity for c in found["float16"]] == pytest.approx(
        [c.similarity for c in found["float32"]], abs=2e-3
    )
    sizes = [(tmp_path / name).stat().st_size for name in ("float32", "float16")]
    assert sizes[1] < sizes[0]


def test_many_late_templates_are_sorted_again(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "LATE", 10)
    rng = np.random.default_rng(1)
    vectors = people(rng, 5)
    gallery.add_all({name: enrolled(rows) for name, rows in vectors.items()}, MODEL)
    for round_ in range(8):
        assert_answers(gallery, vectors, rng, 3)
        more = unit(rng.normal(size=(3, SIZE))).astype("f4")
        gallery.add("p2", enrolled(more, first=100 * (1 + round_)), MODEL)
        vectors["p2"] = np.concatenate([vectors["p2"], more])
    assert_answers(gallery, vectors, rng, 3)


def test_an_index_that_was_kept_learns_anew_when_it_is_outgrown(
    gallery_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "FLAT_LIMIT", 50)
    monkeypatch.setattr(index, "ROWS_A_LIST", 20)
    monkeypatch.setattr(index, "FEWEST_LISTS", 3)
    vectors = people(np.random.default_rng(0), 120)
    lists = []
    for first in range(0, 120, 10):
        with Gallery(gallery_path) as gallery:  # each time it begins with the index of the last
            some = list(vectors)[first : first + 10]
            gallery.add_all({name: enrolled(vectors[name]) for name in some}, MODEL)
            gallery.search(vectors["p0"][:1], 1)
            inverted = gallery._searching._matcher.inverted
            lists.append(inverted._lists.nlist if inverted else 0)
    none, first, *later = dict.fromkeys(lists)
    assert none == 0
    assert len(later) == 1
    assert later[0] > 2 * first
