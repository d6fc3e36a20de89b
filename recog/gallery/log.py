"""The audit log: who was enrolled and removed when, by pseudonym, each entry sealed by the one before.

The digest of an entry is SHA-256 over the digest before it and the entry itself, so no entry can be changed,
dropped or put in between without all later digests changing. Whoever keeps the last digest elsewhere sees
that, and also whether the end was cut off.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from recog.gallery.store import Store

BEGINNING = "0" * 64


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of a gallery."""

    number: int
    at: str  # ISO 8601, UTC
    event: str  # "enroll", "remove", ...
    subject: str | None  # the person's pseudonym
    detail: dict[str, Any]  # nothing personal
    digest: str

    def sealed(self, before: str) -> str:
        """The digest that this entry should have after the one before."""
        content = json.dumps(
            [before, self.number, self.at, self.event, self.subject, self.detail], sort_keys=True
        )
        return hashlib.sha256(content.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The object that `recog log --json` prints."""
        return {name: getattr(self, name) for name in self.__slots__}


class Log:
    """The log of one gallery file."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def append(self, at: str, event: str, subject: bytes | None, **detail: object) -> None:
        """Add an entry, inside the transaction of what it tells of."""
        last = self._store.rows("SELECT id, digest FROM log ORDER BY id DESC LIMIT 1")
        number, before = last[0] if last else (0, bytes.fromhex(BEGINNING))
        entry = Entry(int(number) + 1, at, event, subject.hex() if subject else None, detail, "")
        self._store.rows(
            "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)",
            *(
                entry.number,
                at,
                event,
                subject,
                json.dumps(detail, sort_keys=True),
                bytes.fromhex(entry.sealed(before.hex())),
            ),
        )

    def entries(self) -> list[Entry]:
        """All entries, oldest first. Raises: GalleryError: one is not readable."""
        found = self._store.rows("SELECT id, at, event, subject, detail, digest FROM log ORDER BY id")
        try:
            return [
                Entry(number, at, event, subject.hex() if subject else None, json.loads(detail), digest.hex())
                for number, at, event, subject, detail, digest in found
            ]
        except (ValueError, AttributeError, TypeError) as error:
            raise self._store.damaged("an entry of the log") from error


def broken(entries: Iterable[Entry], known: str | None = None) -> str | None:
    """What is wrong with a log; None when nothing is.

    Args:
        known: a digest that was noted earlier and must still be in it.
    """
    before, seen = BEGINNING, known is None
    for count, entry in enumerate(entries, start=1):
        if entry.number != count:
            return f"entry {count} is missing"
        if entry.digest != entry.sealed(before):
            return f"entry {count} was changed, or one before it"
        before = entry.digest
        seen = seen or before == known
    return None if seen else f"no entry has the digest {known}: the end was cut off, or all was written anew"
