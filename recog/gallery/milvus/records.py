"""Small things of a Milvus gallery as JSON, in a collection of their own: people, thresholds, model, log."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recog.errors import GalleryError, NoGallery
from recog.gallery.milvus.connection import Connection, Kind, Row

VERSION = 1  # of what the collections hold
KIND = Kind({"id": 128, "kind": 16, "content": 16_384}, sought=["kind"], index="FLAT")  # a name: 800 at most
READ = ["id", "content", "number"]


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that is known."""

    key: str  # among those of its kind
    content: dict[str, Any]
    number: int = 0  # by which it can be looked up


class Records:
    """Everything but vectors, by kind and key."""

    def __init__(self, connection: Connection, *, create: bool) -> None:
        """Raises: NoGallery; GalleryError: the collection is not ours, or of a newer version."""
        self.collection = f"{connection.place.collection}_records"
        self._connection = connection
        if not create and not connection.has(self.collection):
            raise NoGallery(f"{connection}: no gallery here. First: recog enroll NAME PHOTO...")
        connection.make(self.collection, KIND, 2)  # Milvus wants a vector in every collection
        self._check_version()

    def _check_version(self) -> None:
        stored = self.get("gallery", ["version"])
        if not stored:
            self.put("gallery", [Record("version", {"version": VERSION})])
        elif stored["version"].content["version"] > VERSION:
            raise GalleryError(f"{self._connection} is a gallery of a newer version. Upgrade recog.")

    def __str__(self) -> str:
        return str(self._connection)

    def put(self, kind: str, records: Sequence[Record]) -> None:
        """Write records, in place of those with their keys."""
        rows = [
            {
                "id": f"{kind} {record.key}",
                "kind": kind,
                "content": json.dumps(record.content, ensure_ascii=False, sort_keys=True),
                "number": record.number,
                "vector": [0.0, 1.0],
            }
            for record in records
        ]
        self._connection.upsert(self.collection, rows)

    def get(self, kind: str, keys: Sequence[str]) -> Mapping[str, Record]:
        """Those of these keys, by key."""
        rows = self._connection.get(self.collection, [f"{kind} {key}" for key in keys], READ)
        return {record.key: record for record in map(self._record, rows)}

    def all(self, kind: str, from_number: int = 0) -> list[Record]:
        """Those of a kind with a number from this one on."""
        where = f'kind == "{kind}" and number >= {from_number}'
        return [self._record(row) for row in self._connection.rows(self.collection, where, READ)]

    def count(self, kind: str) -> int:
        """How many there are of a kind."""
        return self._connection.count(self.collection, f'kind == "{kind}"')

    def delete(self, kind: str, keys: Sequence[str]) -> None:
        """Forget those of these keys."""
        self._connection.delete(self.collection, [f"{kind} {key}" for key in keys])

    def damaged(self, what: str) -> GalleryError:
        """The error that says what is not as it was written."""
        return GalleryError(
            f"{self._connection}: is damaged ({what}). Restore a backup, or enroll again elsewhere."
        )

    def _record(self, row: Row) -> Record:
        try:
            content = json.loads(row["content"])
        except ValueError as error:
            raise self.damaged(f"the record {row['id']!r}") from error
        return Record(row["id"].partition(" ")[2], content, row["number"])
