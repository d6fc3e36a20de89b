"""Calls to Milvus through pymilvus: in time or not at all, and with errors that say what to do next."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recog.errors import GalleryError
from recog.gallery.milvus import lite
from recog.gallery.milvus.place import TOKEN, Place

CONNECT_S = 5.0  # seconds until a server counts as not there
CALL_S = 30.0  # seconds a call may take; without a limit pymilvus tries 75 times
ROWS = 5_000  # written in a call: with 512 numbers each 10 MB, and Milvus takes 64
KEYS = 1_000  # looked up in a call
DEEPEST = 16_384  # rows that Milvus finds for a query at most
FOUND = 100_000  # rows found in a call for all of its queries
STRONG = "Strong"  # what one program wrote, all others read

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """What the rows of a collection hold, beside a number and a vector."""

    texts: Mapping[str, int]  # name and the most bytes of each text; the first is the key
    sought: Sequence[str]  # texts that rows are looked up by
    index: str  # of the vectors


class Connection:
    """An open connection to a server, or to Milvus Lite in this process. Safe to share between threads."""

    def __init__(self, place: Place, *, create: bool) -> None:
        """
        Args:
            create: make the folder of Milvus Lite when it is missing.
        Raises: NoGallery; GalleryError: pymilvus is not installed, the server does not answer or refuses the
            token, or the folder is none of Milvus Lite or in use.
        """
        self.place = place
        _require("pymilvus", "milvus_lite" if place.folder else "pymilvus")
        from pymilvus import DataType, MilvusClient
        from pymilvus.exceptions import MilvusException

        _quieten()
        self._types, self._error = DataType, MilvusException
        lite.check(place, create)
        with lite.counted(place), self.reporting():
            self._client = MilvusClient(
                place.address, token=place.token, db_name=place.database, timeout=CONNECT_S, dedicated=True
            )

    def __str__(self) -> str:
        return str(self.place)

    def close(self) -> None:
        """Release the connection, and the folder of Milvus Lite when nobody in this process uses it."""
        self._client.close()
        lite.release(self.place)

    @contextlib.contextmanager
    def reporting(self) -> Iterator[None]:
        """Errors of pymilvus become ours, with what to do."""
        try:
            yield
        except self._error as error:
            raise GalleryError(f"{self}: {_remedy(self.place, _said(error))}") from error

    # ---------------------------------------------------------------- collections

    def has(self, collection: str) -> bool:
        """Whether there is such a collection."""
        return bool(self._call("has_collection", collection))

    def make(self, collection: str, kind: Kind, size: int) -> None:
        """Make a collection, as far as it is not there, and ready to answer.

        Args:
            size: numbers in a vector.
        Raises: GalleryError: there is one of another kind.
        """
        if not self.has(collection):
            self._create(collection, kind, size)
        found = {field["name"] for field in self._call("describe_collection", collection)["fields"]}
        if found != {*kind.texts, "number", "vector"}:
            raise GalleryError(
                f"{self}: the collection {collection} is another program's. Choose another with "
                "?collection=NAME in the URI."
            )
        self._index(collection, kind)
        self._call("load_collection", collection)

    def _create(self, collection: str, kind: Kind, size: int) -> None:
        types = self._types
        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        for place, (name, longest) in enumerate(kind.texts.items()):
            schema.add_field(name, types.VARCHAR, max_length=longest, is_primary=place == 0)
        schema.add_field("number", types.INT64)
        schema.add_field("vector", types.FLOAT_VECTOR, dim=size)
        try:
            self._call("create_collection", collection, schema=schema, consistency_level=STRONG)
        except GalleryError:
            if not self.has(collection):  # else another program has just made it
                raise

    def _index(self, collection: str, kind: Kind) -> None:
        known = self._call("list_indexes", collection)
        indexes = self._client.prepare_index_params()
        if "vector" not in known:
            params = {"M": 32, "efConstruction": 200} if kind.index == "HNSW" else {}
            indexes.add_index(
                "vector", index_type=kind.index, index_name="vector", metric_type="IP", params=params
            )
        for name in kind.sought:
            if name not in known:
                indexes.add_index(name, index_type="INVERTED", index_name=name)
        if len(indexes):  # not waited for: an empty collection has nothing to build
            self._call("create_index", collection, index_params=indexes, sync=False)

    def drop(self, collection: str) -> None:
        """Delete a collection, if it is there."""
        self._call("drop_collection", collection)

    def compact(self, collection: str) -> None:
        """Ask for the bytes of deleted rows to go: new rows into files, and files without deleted rows.

        A server does the second in its own time, and drops the old files later still.
        """
        self._call("flush", collection)
        self._call("compact", collection)

    # ---------------------------------------------------------------- rows

    def upsert(self, collection: str, rows: Sequence[Row]) -> None:
        """Write rows, in place of those with their keys; up to ROWS of them in one call."""
        for first in range(0, len(rows), ROWS):
            self._call("upsert", collection, list(rows[first : first + ROWS]))
        if self.place.folder and len(rows) >= KEYS:  # Milvus Lite is slow with what is not in its files yet
            self._call("flush", collection)

    def delete(self, collection: str, keys: Sequence[str]) -> None:
        """Delete the rows of these keys."""
        for first in range(0, len(keys), KEYS):
            self._call("delete", collection, ids=list(keys[first : first + KEYS]))

    def get(self, collection: str, keys: Sequence[str], fields: Sequence[str]) -> list[Row]:
        """The rows of these keys, as far as there are any."""
        found: list[Row] = []
        for first in range(0, len(keys), KEYS):
            part = list(keys[first : first + KEYS])
            found += self._query(collection, ids=part, output_fields=list(fields))
        return [dict(row) for row in found]

    def rows(self, collection: str, where: str, fields: Sequence[str]) -> Iterator[Row]:
        """All rows of which an expression holds."""
        few = self._query(collection, filter=where, output_fields=list(fields), limit=KEYS)
        if len(few) < KEYS:  # one call; an iterator makes four
            yield from (dict(row) for row in few)
            return
        with self.reporting():
            pages = self._client.query_iterator(
                collection,
                batch_size=KEYS,
                filter=where,
                output_fields=list(fields),
                timeout=CALL_S,
                consistency_level=STRONG,
            )
        while True:
            with self.reporting():
                page = pages.next()
            if not page:
                return
            yield from (dict(row) for row in page)

    def count(self, collection: str, where: str) -> int:
        """How many rows there are of which an expression holds."""
        return int(self._query(collection, filter=where, output_fields=["count(*)"])[0]["count(*)"])

    def any(self, collection: str, where: str, field: str) -> bool:
        """Whether there is a row of which an expression holds."""
        return bool(self._query(collection, filter=where, output_fields=[field], limit=1))

    def nearest(
        self, collection: str, queries: Sequence[Any], depth: int, field: str
    ) -> list[list[tuple[str, float]]]:
        """A field of the rows with the highest inner products with each query, and these, best first."""
        found: list[list[tuple[str, float]]] = []
        step = max(1, FOUND // depth)
        for first in range(0, len(queries), step):
            answers = self._call(
                "search",
                collection,
                data=list(queries[first : first + step]),
                limit=depth,
                output_fields=[field],
                search_params={"params": {"ef": max(2 * depth, 128)}},  # of HNSW: how many rows it looks at
                consistency_level=STRONG,
            )
            found += [[(hit["entity"][field], hit["distance"]) for hit in answer] for answer in answers]
        return found

    # ---------------------------------------------------------------- inside

    def _query(self, collection: str, **arguments: Any) -> Any:
        return self._call("query", collection, consistency_level=STRONG, **arguments)

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        with self.reporting():
            return getattr(self._client, name)(*arguments, timeout=CALL_S, **options)


def _require(*modules: str) -> None:
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise GalleryError(f"A gallery on Milvus needs {module}. Install it: pip install 'recog[milvus]'")


def _quieten() -> None:
    """What goes wrong is raised, and we say it: their logs would say it again, with tracebacks."""
    for name in ("pymilvus", "milvus_lite"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger("grpc._server").addFilter(_is_about_more)


def _is_about_more(record: logging.LogRecord) -> bool:
    """Not about a call that Milvus Lite does not know, which pymilvus tries first and can do without."""
    return not (record.exc_info and record.exc_info[0] is NotImplementedError)


# ---------------------------------------------------------------- what to do

REMEDIES: tuple[tuple[str, str], ...] = (
    (
        "Open local milvus failed",
        "cannot be opened. Milvus Lite serves one program at a time: close the other; or it is damaged.",
    ),
    ("auth|permission|denied|privilege", f"refuses the token. Give one that may do this in {TOKEN}."),
    ("database not found", "has no such database. Create it there, or leave it out of the URI."),
    (
        "connecting|unavailable|unimplemented|deadline|retry timeout",
        "does not answer as Milvus does. Check the address, and that Milvus runs there.",
    ),
)


def _said(error: Any) -> str:
    """What an error of pymilvus says, and what the call under it said (of a token only that tells)."""
    details = getattr(error.__cause__, "details", str)()
    return f"{error.message} {details or ''}".strip()


def _remedy(place: Place, message: str) -> str:
    for causes, remedy in REMEDIES:
        if any(cause.lower() in message.lower() for cause in causes.split("|")):
            return remedy
    said = message.splitlines()[0][:200] if message else "it does not say why"
    if place.token:
        said = said.replace(place.token, "***")
    return f"Milvus refuses ({said}). Check the server and what else uses the collection."
