"""Who is enrolled in a Milvus gallery."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recog.errors import UnknownIdentity
from recog.gallery.milvus.records import Record, Records
from recog.gallery.roster import now
from recog.records import clean_name

KIND = "person"


@dataclass(frozen=True, slots=True)
class Identity:
    """One person."""

    handle: str  # follows from the name, so that two programs that enroll one person at once agree
    name: str
    enrolled_at: str
    pseudonym: str  # in the log


def handle_of(name: str) -> str:
    """32 hexadecimal digits by which a name is found."""
    return hashlib.sha256(f"recog {name}".encode()).hexdigest()[:32]


class People:
    """The people of one gallery, by handle."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def find(self, name: str) -> Identity | None:
        """The person of this name."""
        handle = handle_of(clean_name(name))
        return self.of([handle]).get(handle)

    def one(self, name: str) -> Identity:
        """The person of this name. Raises: UnknownIdentity."""
        found = self.find(name)
        if found is None:
            raise UnknownIdentity(f"Nobody called {name!r} is enrolled in {self._records}. See: recog list")
        return found

    def of(self, handles: Sequence[str]) -> dict[str, Identity]:
        """Those of these handles who are enrolled."""
        return {handle: self._identity(found) for handle, found in self._records.get(KIND, handles).items()}

    def all(self) -> list[Identity]:
        """Everyone, by name."""
        return sorted(map(self._identity, self._records.all(KIND)), key=lambda one: one.name)

    def count(self) -> int:
        """How many there are."""
        return self._records.count(KIND)

    def enroll(self, names: Iterable[str]) -> dict[str, Identity]:
        """The people of these names by handle; who is new is written down."""
        names = list(names)
        known = self.of([handle_of(name) for name in names])
        new = [self.named(name) for name in names if handle_of(name) not in known]
        self.put(new)
        return known | {person.handle: person for person in new}

    @staticmethod
    def named(name: str) -> Identity:
        """Somebody new."""
        return Identity(handle_of(name), name, now(), secrets.token_hex(8))

    def put(self, people: Sequence[Identity]) -> None:
        """Write people down."""
        self._records.put(
            KIND,
            [
                Record(
                    one.handle, {"name": one.name, "enrolled_at": one.enrolled_at, "pseudonym": one.pseudonym}
                )
                for one in people
            ],
        )

    def drop(self, people: Iterable[Identity]) -> None:
        """Forget people."""
        self._records.delete(KIND, [person.handle for person in people])

    def _identity(self, record: Record) -> Identity:
        try:
            person = Identity(record.key, **record.content)
        except TypeError as error:
            raise self._records.damaged("what it says of a person") from error
        if handle_of(person.name) != person.handle:
            raise self._records.damaged("the name of a person")
        return person
