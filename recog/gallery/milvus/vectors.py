"""The templates of one model in a Milvus collection, each person's centre beside them.

A row is a template, under a key that follows from the person and the photo, so that enrolling one twice, or
from two programs at once, writes one row. The centre of a person with several templates is a row without a
photo: it only helps to find people whose templates surround a probe; similarities are computed from the
templates.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.errors import GalleryError
from recog.gallery.milvus.connection import KEYS, Connection, Kind, Row
from recog.gallery.roster import now
from recog.records import Model, Template
from recog.vectors import unit

TEXTS = {"id": 80, "person": 32, "photo": 32, "content": 4_096}  # bytes
TEMPLATES, CENTRES = 'photo != ""', 'photo == ""'
ALL = [*TEXTS, "number", "vector"]


@dataclass(frozen=True, slots=True)
class Owned:
    """A template and whose it is."""

    person: str  # handle
    number: int  # grows with time
    template: Template


def short(text: str) -> str:
    """32 hexadecimal digits that stand for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Vectors:
    """Templates by the handle of the person."""

    def __init__(self, connection: Connection, model: Model) -> None:
        self.collection = f"{connection.place.collection}_{short(model.digest)}"
        self._connection, self._model = connection, model

    def make(self) -> None:
        """Make the collection where there is none, and make it ready. Raises: GalleryError."""
        kind = Kind(TEXTS, sought=["person", "photo"], index=self._connection.place.index)
        self._connection.make(self.collection, kind, self._model.embedding_size)

    def discard(self) -> None:
        """Delete the collection."""
        self._connection.drop(self.collection)

    # ---------------------------------------------------------------- reading

    def is_empty(self) -> bool:
        """Whether there is no template."""
        return not self._connection.any(self.collection, TEMPLATES, "id")

    def count(self) -> int:
        """How many templates there are."""
        return self._connection.count(self.collection, TEMPLATES)

    def counts(self) -> Counter[str]:
        """How many templates each person has."""
        return Counter(row["person"] for row in self._rows(TEMPLATES, ["person"]))

    def has(self, person: str, photo_digest: str) -> bool:
        """Whether a person has a template of this photo."""
        return bool(self._connection.get(self.collection, [_key(person, short(photo_digest))], ["id"]))

    def owners_of(self, photo_digest: str) -> set[str]:
        """Whose templates were made of this photo."""
        return {row["person"] for row in self._rows(f'photo == "{short(photo_digest)}"', ["person"])}

    def photo_digests(self) -> set[str]:
        """Those of all photos that templates were made of."""
        return {self._content(row)["photo_digest"] for row in self._rows(TEMPLATES, ["id", "content"])}

    def all(self) -> Iterator[Owned]:
        """All templates."""
        return map(self._owned, self._rows(TEMPLATES, ALL))

    def of(self, people: Collection[str]) -> dict[str, list[Template]]:
        """The templates of those people who have any, oldest first."""
        found = sorted(map(self._owned, self._of(people, TEMPLATES, ALL)), key=lambda one: one.number)
        grouped: dict[str, list[Template]] = {}
        for one in found:
            grouped.setdefault(one.person, []).append(one.template)
        return grouped

    def nearest(self, queries: NDArray[np.float32], depth: int) -> list[list[tuple[str, float]]]:
        """Whose the rows nearest to each query (B, D) are, with their cosines, best first."""
        return self._connection.nearest(self.collection, list(queries), depth, "person")

    # ---------------------------------------------------------------- writing

    def add(self, people: Mapping[str, Sequence[Template]]) -> Counter[str]:
        """Write the templates of photos that a person does not have yet; gives how many each person got."""
        given = {
            _key(person, short(template.photo_digest)): (person, template)
            for person, templates in people.items()
            for template in reversed(templates)  # of one photo twice, the first counts
        }
        known = {row["id"] for row in self._connection.get(self.collection, list(given), ["id"])}
        new = {key: one for key, one in reversed(given.items()) if key not in known}
        started = time.time_ns()
        rows = [_row(*one, started + place) for place, one in enumerate(new.values())]
        self._connection.upsert(self.collection, rows)
        added = Counter(person for person, _ in new.values())
        self.centre(added)
        return added

    def move(self, old: str, new: str) -> None:
        """Write the templates of one person as another's, too."""
        owned = map(self._owned, self._of([old], TEMPLATES, ALL))
        self._connection.upsert(self.collection, [_row(new, one.template, one.number) for one in owned])
        self.centre([new])

    def drop(self, people: Collection[str]) -> Counter[str]:
        """Delete people's rows; gives how many templates each had."""
        rows = list(self._of(people, "", ["id", "person", "photo"]))
        self._connection.delete(self.collection, [row["id"] for row in rows])
        return Counter(row["person"] for row in rows if row["photo"])

    def centre(self, people: Iterable[str]) -> None:
        """Write the centres of those with several templates."""
        rows = []
        for person, templates in self.of(list(people)).items():
            if len(templates) > 1:
                middle = unit(np.sum([one.embedding for one in templates], axis=0, dtype=np.float32))
                content = json.dumps({"templates": len(templates)})
                rows.append(_fields(person, "", content, 0, middle))
        self._connection.upsert(self.collection, rows)

    def uncentred(self) -> list[str]:
        """Who has several templates but no centre of just these: an interrupted change leaves that."""
        rows = self._rows(CENTRES, ["id", "person", "content"])
        stored = {row["person"]: self._content(row) for row in rows}
        return [
            person
            for person, count in self.counts().items()
            if count > 1 and stored.get(person) != {"templates": count}
        ]

    # ---------------------------------------------------------------- inside

    def _rows(self, where: str, fields: Sequence[str]) -> Iterator[Row]:
        return self._connection.rows(self.collection, where, fields)

    def _of(self, people: Collection[str], where: str, fields: Sequence[str]) -> Iterator[Row]:
        handles = list(people)
        for first in range(0, len(handles), KEYS):
            theirs = f"person in {json.dumps(handles[first : first + KEYS])}"
            yield from self._rows(f"{theirs} and {where}" if where else theirs, fields)

    def _owned(self, row: Row) -> Owned:
        try:
            template = Template(np.asarray(row["vector"], np.float32), **self._content(row))
        except TypeError as error:
            raise self._damaged(row) from error
        return Owned(row["person"], row["number"], template)

    def _content(self, row: Row) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(row["content"])
        except ValueError as error:
            raise self._damaged(row) from error
        return content

    def _damaged(self, row: Row) -> GalleryError:
        return GalleryError(
            f"{self._connection}: is damaged (row {row['id']!r}). Restore a backup, or enroll elsewhere."
        )


def _key(person: str, photo: str) -> str:
    return f"{person} {photo or 'centre'}"


def _row(person: str, template: Template, number: int) -> Row:
    content = {
        "photo_digest": template.photo_digest,
        "quality": template.quality,
        "how": template.how,
        "enrolled_at": template.enrolled_at or now(),
    }
    text = json.dumps(content, ensure_ascii=False)
    return _fields(person, short(template.photo_digest), text, number, template.embedding)


def _fields(person: str, photo: str, content: str, number: int, vector: NDArray[np.float32]) -> Row:
    return {
        "id": _key(person, photo),
        "person": person,
        "photo": photo,
        "content": content,
        "number": number,
        "vector": np.asarray(vector, np.float32),
    }
