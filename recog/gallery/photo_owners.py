"""Who was enrolled with which photo."""

from __future__ import annotations

from recog.gallery.store import Store, packed
from recog.gallery.vault import Vault


class PhotoOwners:
    """Asks the file; where it is encrypted it cannot be asked, and its digests are followed in memory.

    Inside the caller's transactions.
    """

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store, self._vault = store, vault
        self._known: dict[str, set[int]] = {}
        self._seen = (-1, 0)  # epoch and removals, as of which `_known` holds
        self._last = 0  # template that is in `_known`

    def of(self, digest: str) -> set[int]:
        """The numbers of people enrolled with this photo."""
        if self._vault.id is None:
            query = "SELECT identity_id FROM template WHERE photo_digest = ?"
            return {number for (number,) in self._store.rows(query, packed(digest))}
        self._follow()
        return self._known.get(digest, set())

    def where(self, condition: str, *values: object) -> list[tuple[int, int, str]]:
        """(template number, person's number, photo digest) of the templates for which a condition holds."""
        query = (
            "SELECT template.id, identity_id, handle, photo_digest FROM template JOIN identity "
            f"ON identity.id = identity_id WHERE {condition}"
        )
        rows = self._store.rows(query, *values)
        opened = self._vault.opened({handle for _, _, handle, _ in rows})
        return [(number, person, opened.photo(handle, stored)) for number, person, handle, stored in rows]

    def _follow(self) -> None:
        query = (
            "SELECT epoch, (SELECT IFNULL(MAX(id), 0) FROM removed), "
            "(SELECT IFNULL(MAX(id), 0) FROM template) FROM gallery"
        )
        epoch, removals, last = self._store.row(query)
        if (epoch, removals) != self._seen:
            self._known, self._last = {}, 0
        for _, person, digest in self.where("template.id > ?", self._last):
            self._known.setdefault(digest, set()).add(person)
        self._seen, self._last = (epoch, removals), last
