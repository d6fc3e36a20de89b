"""How what is personal stands in a gallery file: as it is, or sealed under a key for each person.

Both kinds answer the same questions, so that the rest of the gallery does not know which one it has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from recog.errors import MissingKeys
from recog.gallery.store import Store, handle_of, packed, unpacked

if TYPE_CHECKING:
    from recog.gallery.keystore import Keystore, Sealer

Stored = str | bytes


class Opened(Protocol):
    """The means to write and read what is stored of certain people, by their handles."""

    def seal_name(self, handle: bytes, name: str) -> Stored: ...
    def name(self, handle: bytes, stored: Stored) -> str: ...
    def seal_photo(self, handle: bytes, digest: str) -> Stored: ...
    def photo(self, handle: bytes, stored: Stored) -> str: ...
    def seal(self, handle: bytes, content: bytes) -> bytes: ...
    def content(self, handle: bytes, stored: bytes) -> bytes: ...


class Vault(Protocol):
    """Who may be found by a name, and what opens what is stored of them."""

    id: bytes | None  # of the keystore; None: nothing is sealed
    path: Path | None  # of the keystore
    overhead: int  # bytes that sealing adds

    def handles(self, name: str) -> list[bytes]:
        """Under which a person of this name may stand in the gallery."""

    def admit(self, names: Sequence[str]) -> list[bytes]:
        """The handles of new people."""

    def renamed(self, handle: bytes, name: str) -> bytes:
        """The handle of a person who gets another name."""

    def opened(self, handles: Collection[bytes] | None) -> Opened:
        """The means for these people (None: all). Raises: GalleryError: a key is not there."""

    def destroy(self, handles: Collection[bytes]) -> None:
        """Make unreadable, in every copy, what stands under these. Raises: ErasureIncomplete."""

    def destroyed(self, after: int) -> tuple[int, set[bytes]]:
        """How many were ever destroyed, and the handles of those after the first `after`."""

    def close(self) -> None:
        """Release what is open."""


class Plain:
    """Everything as it is."""

    id: bytes | None = None
    path: Path | None = None
    overhead = 0

    def __init__(self, store: Store) -> None:
        self._store = store
        (self._salt,) = store.row("SELECT salt FROM gallery")
        if not isinstance(self._salt, bytes):
            raise store.damaged("its salt")

    def handles(self, name: str) -> list[bytes]:
        """The digest of the name."""
        return self.admit([name])

    def admit(self, names: Sequence[str]) -> list[bytes]:
        """The digests of the names."""
        return [handle_of(self._salt, name) for name in names]

    def renamed(self, handle: bytes, name: str) -> bytes:
        """The digest of the name."""
        return handle_of(self._salt, name)

    def opened(self, handles: Collection[bytes] | None) -> Opened:
        """Nothing is needed to read."""
        return self

    def destroy(self, handles: Collection[bytes]) -> None:
        """There are no keys."""

    def destroyed(self, after: int) -> tuple[int, set[bytes]]:
        """There are no keys."""
        return after, set()

    def close(self) -> None:
        """Nothing is open."""

    def seal_name(self, handle: bytes, name: str) -> Stored:
        """As it is."""
        return name

    def name(self, handle: bytes, stored: Stored) -> str:
        """As it is, once its digest is right."""
        if not isinstance(stored, str) or handle_of(self._salt, stored) != handle:
            raise self._store.damaged("the name of a person")
        return stored

    def seal_photo(self, handle: bytes, digest: str) -> Stored:
        """Shorter."""
        return packed(digest)

    def photo(self, handle: bytes, stored: Stored) -> str:
        """What `seal_photo` was given."""
        return unpacked(stored)

    def seal(self, handle: bytes, content: bytes) -> bytes:
        """As it is."""
        return content

    def content(self, handle: bytes, stored: bytes) -> bytes:
        """As it is."""
        return stored


class Sealed:
    """Everything under a key of its person, which a keystore holds."""

    def __init__(self, store: Store, keystore: Keystore, number: bytes) -> None:
        from recog.gallery.keystore import OVERHEAD

        self._store, self._keystore = store, keystore
        self.id: bytes | None = number
        self.path = keystore.path
        self.overhead = OVERHEAD

    def handles(self, name: str) -> list[bytes]:
        """Numbers of keys of those who have, or had, this name; not all of them are in the gallery."""
        return self._keystore.numbers(name)

    def admit(self, names: Sequence[str]) -> list[bytes]:
        """The numbers of new keys."""
        return self._keystore.make(names) if names else []

    def renamed(self, handle: bytes, name: str) -> bytes:
        """The same: the key stays, so that older copies of the gallery can be used."""
        self._keystore.mark(handle, name)
        return handle

    def opened(self, handles: Collection[bytes] | None) -> Opened:
        """The keys of these people."""
        return OpenedKeys(self._store, self._keystore, self._keystore.wrapped(handles))

    def destroy(self, handles: Collection[bytes]) -> None:
        """Destroy their keys."""
        self._keystore.destroy(handles)

    def destroyed(self, after: int) -> tuple[int, set[bytes]]:
        """As the keystore says."""
        return self._keystore.destroyed(after)

    def rotate(self, master: bytes) -> None:
        """Change the master key. Raises: ErasureIncomplete."""
        self._keystore.rotate(master)

    def close(self) -> None:
        """Close the keystore."""
        self._keystore.close()


class OpenedKeys:
    """Keys of people, wrapped until they are needed: unwrapped ones take ten times the memory."""

    def __init__(self, store: Store, keystore: Keystore, wrapped: Mapping[bytes, bytes]) -> None:
        self._store, self._keystore, self._wrapped = store, keystore, wrapped

    def seal_name(self, handle: bytes, name: str) -> Stored:
        """Encrypted."""
        return self._sealer(handle).seal(name.encode(), b"name")

    def name(self, handle: bytes, stored: Stored) -> str:
        """Decrypted."""
        return self._open(handle, stored, b"name").decode()

    def seal_photo(self, handle: bytes, digest: str) -> Stored:
        """Encrypted: with the photo at hand nobody can tell."""
        return self._sealer(handle).seal(digest.encode(), b"photo")

    def photo(self, handle: bytes, stored: Stored) -> str:
        """Decrypted."""
        return self._open(handle, stored, b"photo").decode()

    def seal(self, handle: bytes, content: bytes) -> bytes:
        """Encrypted."""
        return self._sealer(handle).seal(content, b"content")

    def content(self, handle: bytes, stored: bytes) -> bytes:
        """Decrypted."""
        return self._open(handle, stored, b"content")

    def _sealer(self, handle: bytes) -> Sealer:
        wrapped = self._wrapped.get(handle)
        if wrapped is None:
            raise MissingKeys(
                f"{self._store}: the key of a person is not in the keystore. Pass --keystore with the one "
                "that belongs to it."
            )
        return self._keystore.sealer(handle, wrapped)

    def _open(self, handle: bytes, stored: Any, purpose: bytes) -> bytes:
        try:
            return self._sealer(handle).open(stored, purpose)
        except ValueError as error:
            raise self._store.damaged(f"a sealed {purpose.decode()}") from error
