"""Who in a Milvus gallery a probe looks like: Milvus finds rows, their people are compared here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recog.gallery.milvus.connection import DEEPEST
from recog.gallery.milvus.people import Identity, People
from recog.gallery.milvus.vectors import Vectors
from recog.gallery.ranking import Scored, best_people, similarities
from recog.types import Candidate

SHALLOW = 64  # rows that are looked at first


class Finder:
    """One search: what it has fetched of a person serves all of its probes."""

    def __init__(self, vectors: Vectors, people: People) -> None:
        self._vectors, self._people = vectors, people
        self._templates: dict[str, NDArray[np.float32]] = {}  # (T, D) by handle
        self._known: dict[str, Identity] = {}

    def search(self, queries: NDArray[np.float32], k: int) -> list[list[Candidate]]:
        """The k most similar people of each query (B, D), looking deeper until nobody else can be better.

        Sure as far as the index finds what is nearest (FLAT does; HNSW nearly always), and among the nearest
        16,384 rows, which is as far as Milvus looks.
        """
        answers: list[Scored] = [[] for _ in queries]
        open_, depth = np.arange(len(queries)), min(max(SHALLOW, 8 * k), DEEPEST)
        while len(open_):
            unsure, found = [], self._vectors.nearest(queries[open_], depth)
            self._fetch([person for rows in found for person in _first(rows, 2 * k)])  # in one call
            for place, rows in zip(open_.tolist(), found, strict=True):
                answers[place], sure = self._rank(queries[place], rows, k)
                if not sure and len(rows) == depth < DEEPEST:
                    unsure.append(place)
            open_, depth = np.array(unsure, np.int64), min(4 * depth, DEEPEST)
        return [
            [Candidate(self._known[person].name, s) for person, s in answer if np.isfinite(s)]
            for answer in answers
        ]

    def _rank(self, query: NDArray[np.float32], rows: list[tuple[str, float]], k: int) -> tuple[Scored, bool]:
        owners = np.array([person for person, _ in rows], np.str_)
        cosines = np.array([cosine for _, cosine in rows], np.float32)
        return best_people(owners, cosines, k, lambda people: self._similarities(query, people))

    def _similarities(self, query: NDArray[np.float32], people: NDArray[np.str_]) -> NDArray[np.float32]:
        """(P,) similarities; below all others where somebody was removed since their rows were found."""
        self._fetch(people.tolist())
        found = np.full(len(people), -np.inf, np.float32)
        present = np.array([person in self._templates for person in people.tolist()], bool)
        if present.any():
            templates = [self._templates[person] for person in people[present].tolist()]
            starts = np.cumsum([0, *map(len, templates)])
            found[present] = similarities(np.concatenate(templates), starts, query)
        return found

    def _fetch(self, people: list[str]) -> None:
        unknown = [person for person in dict.fromkeys(people) if person not in self._templates]
        enrolled = self._people.of(unknown)
        for person, templates in self._vectors.of(enrolled).items():
            self._templates[person] = np.stack([one.embedding for one in templates])
            self._known[person] = enrolled[person]


def _first(rows: list[tuple[str, float]], count: int) -> list[str]:
    """Whom the first rows belong to."""
    return list(dict.fromkeys(person for person, _ in rows))[:count]
