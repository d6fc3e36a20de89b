"""The audit log of a Milvus gallery: the same chain of sealed entries as a gallery file keeps.

Milvus has no transactions, so two programs may seal an entry onto the same one at once. Each looks again
after it has written; who finds another entry of its number, or the one before gone, takes its own back and
writes anew. A third program within the same milliseconds may still seal onto what is taken back: then
`recog log --verify` names the entry.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from recog.errors import GalleryError
from recog.gallery.log import BEGINNING, Entry
from recog.gallery.milvus.records import Record, Records
from recog.gallery.roster import now

KIND = "log"
SLACK = 64  # entries that may be there twice for a moment
TRIES = 20


@dataclass(frozen=True, slots=True)
class Event:
    """What an entry is to tell."""

    event: str
    subject: str | None
    detail: dict[str, Any]


class Chain:
    """The log, oldest first."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def append(self, events: Sequence[Event]) -> None:
        """Add entries, all in one call. Raises: GalleryError: others write all the time."""
        for _ in range(TRIES):
            last = self._last()
            entries = _sealed(events, last)
            self._records.put(KIND, [_record(entry) for entry in entries])
            if self._between(last, entries[-1]) == entries:
                return
            self._records.delete(KIND, [entry.digest for entry in entries])
            time.sleep(random.uniform(0.005, 0.1))
        raise GalleryError(
            "The change is made, but others write to the log all the time: it is not told there."
        )

    def count(self) -> int:
        """How many entries there are."""
        return self._records.count(KIND)

    def entries(self) -> list[Entry]:
        """All entries, oldest first."""
        return self._from(0)

    def _last(self) -> Entry | None:
        found = self._from(self.count() - SLACK)
        return found[-1] if found else None

    def _between(self, before: Entry | None, last: Entry) -> list[Entry] | None:
        """The entries after one and up to another; None where that one is gone, or not alone."""
        first = before.number if before else 0
        found = [entry for entry in self._from(first) if entry.number <= last.number]
        if before is None:
            return found
        return found[1:] if [entry for entry in found if entry.number == first] == [before] else None

    def _from(self, number: int) -> list[Entry]:
        found = [self._entry(record) for record in self._records.all(KIND, max(number, 0))]
        return sorted(found, key=lambda entry: (entry.number, entry.digest))

    def _entry(self, record: Record) -> Entry:
        try:
            return Entry(number=record.number, digest=record.key, **record.content)
        except TypeError as error:
            raise self._records.damaged("an entry of the log") from error


def _sealed(events: Sequence[Event], last: Entry | None) -> list[Entry]:
    """Entries that follow the last one."""
    number, before = (last.number, last.digest) if last else (0, BEGINNING)
    entries = []
    for place, what in enumerate(events, start=number + 1):
        entry = Entry(place, now(), what.event, what.subject, what.detail, "")
        before = entry.sealed(before)
        entries.append(replace(entry, digest=before))
    return entries


def _record(entry: Entry) -> Record:
    content = {"at": entry.at, "event": entry.event, "subject": entry.subject, "detail": entry.detail}
    return Record(entry.digest, content, entry.number)
