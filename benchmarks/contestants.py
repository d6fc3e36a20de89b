"""Stores of templates that `bench search` compares: ours, and those that people use instead."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from recog.gallery import Gallery
from recog.records import Model, Template

Rows = NDArray[np.float32]  # (N, D) unit vectors
BATCH = 10_000  # rows a call while building


class Contestant(Protocol):
    """A store in a folder of its own. Row i of what it was built from bears the number i."""

    efforts: ClassVar[Sequence[int]]  # settings of a search, cheapest first

    def __init__(self, folder: Path) -> None: ...
    def build(self, rows: Rows) -> None: ...
    def open(self, probe: NDArray[np.float32]) -> None: ...  # ready to answer, which a probe shows
    def nearest(self, probe: NDArray[np.float32], effort: int) -> int: ...
    def add(self, number: int, row: NDArray[np.float32]) -> None: ...
    def remove(self, number: int) -> None: ...


class Ours:
    """recog's gallery: every template somebody's, names, digests and log included."""

    efforts: ClassVar[Sequence[int]] = (0,)

    def __init__(self, folder: Path) -> None:
        self._path = folder / "people.gallery"

    def build(self, rows: Rows) -> None:
        model = _model(rows)
        with Gallery(self._path) as gallery:
            for first in range(0, len(rows), BATCH):
                part = enumerate(rows[first : first + BATCH], start=first)
                gallery.add_all({str(number): [_template(number, row)] for number, row in part}, model)
            gallery.search(rows[:1], 1)  # which makes the index

    def open(self, probe: NDArray[np.float32]) -> None:
        self._gallery = Gallery(self._path, create=False)
        self._gallery.search(probe[None], 1)

    def nearest(self, probe: NDArray[np.float32], effort: int) -> int:
        return int(self._gallery.search(probe[None], 1)[0][0].identity)

    def add(self, number: int, row: NDArray[np.float32]) -> None:
        self._gallery.add(str(number), [_template(number, row)], _model(row[None]))

    def remove(self, number: int) -> None:
        self._gallery.remove(str(number))


class Hnswlib:
    """hnswlib: a graph in memory."""

    efforts: ClassVar[Sequence[int]] = (64, 128, 256, 384, 512, 768, 1024, 1536, 2048)

    def __init__(self, folder: Path) -> None:
        self._path = str(folder / "index.hnsw")

    def build(self, rows: Rows) -> None:
        index = self._new(rows.shape[1])
        index.init_index(len(rows), ef_construction=100, M=32)
        for first in range(0, len(rows), BATCH):
            part = rows[first : first + BATCH]
            index.add_items(part, np.arange(first, first + len(part)))
        index.save_index(self._path)

    def open(self, probe: NDArray[np.float32]) -> None:
        self._index = self._new(len(probe))
        self._index.load_index(self._path)
        self._index.set_num_threads(1)
        self._index.knn_query(probe[None], 1)

    def nearest(self, probe: NDArray[np.float32], effort: int) -> int:
        self._index.set_ef(effort)
        return int(self._index.knn_query(probe[None], 1)[0][0, 0])

    def add(self, number: int, row: NDArray[np.float32]) -> None:
        self._index.resize_index(max(self._index.get_max_elements(), number + 1))
        self._index.add_items(row[None], [number])

    def remove(self, number: int) -> None:
        self._index.mark_deleted(number)

    @staticmethod
    def _new(size: int) -> Any:
        import hnswlib

        return hnswlib.Index("ip", size)


class Usearch:
    """usearch: a graph in memory."""

    efforts: ClassVar[Sequence[int]] = Hnswlib.efforts

    def __init__(self, folder: Path) -> None:
        self._path = str(folder / "index.usearch")

    def build(self, rows: Rows) -> None:
        index = self._new(rows.shape[1])
        for first in range(0, len(rows), BATCH):
            part = rows[first : first + BATCH]
            index.add(np.arange(first, first + len(part)), part)
        index.save(self._path)

    def open(self, probe: NDArray[np.float32]) -> None:
        self._index = self._new(len(probe))
        self._index.load(self._path)
        self._index.search(probe, 1, threads=1)

    def nearest(self, probe: NDArray[np.float32], effort: int) -> int:
        self._index.expansion_search = effort
        return int(self._index.search(probe, 1, threads=1).keys[0])

    def add(self, number: int, row: NDArray[np.float32]) -> None:
        self._index.add(number, row, threads=1)

    def remove(self, number: int) -> None:
        self._index.remove(number)

    @staticmethod
    def _new(size: int) -> Any:
        from usearch.index import Index

        return Index(ndim=size, metric="ip", dtype="f32", connectivity=32, expansion_add=100)


class MilvusLite:
    """Milvus in one file, through its client: HNSW in a server of its own."""

    efforts: ClassVar[Sequence[int]] = Hnswlib.efforts
    NAME = "people"

    def __init__(self, folder: Path) -> None:
        self._path = str(folder / "milvus.db")

    def build(self, rows: Rows) -> None:
        from pymilvus import DataType, MilvusClient

        client = MilvusClient(self._path)
        schema = client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=rows.shape[1])
        index = client.prepare_index_params()
        index.add_index(
            "vector", index_type="HNSW", metric_type="IP", params={"M": 32, "efConstruction": 100}
        )
        client.create_collection(self.NAME, schema=schema, index_params=index)
        for first in range(0, len(rows), BATCH):
            part = enumerate(rows[first : first + BATCH], start=first)
            client.insert(self.NAME, [{"id": number, "vector": row} for number, row in part])
        client.flush(self.NAME)
        client.load_collection(self.NAME)
        client.search(self.NAME, data=[rows[0]], limit=1)
        client.close()

    def open(self, probe: NDArray[np.float32]) -> None:
        from pymilvus import MilvusClient

        self._client = MilvusClient(self._path)
        self._client.load_collection(self.NAME)
        self.nearest(probe, 64)

    def nearest(self, probe: NDArray[np.float32], effort: int) -> int:
        found = self._client.search(
            self.NAME, data=[probe], limit=1, search_params={"params": {"ef": effort}}
        )
        return int(found[0][0]["id"])

    def add(self, number: int, row: NDArray[np.float32]) -> None:
        self._client.insert(self.NAME, [{"id": number, "vector": row}])

    def remove(self, number: int) -> None:
        self._client.delete(self.NAME, ids=[number])


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def fresh(folder: Path) -> Path:
    """The folder, new and empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _model(rows: Rows) -> Model:
    return Model("synthetic", "00" * 32, rows.shape[1])


def _template(number: int, row: NDArray[np.float32]) -> Template:
    return Template(row, f"{number:064x}", how="synthetic")


CONTESTANTS: dict[str, type[Contestant]] = {
    "recog gallery": Ours,
    "hnswlib": Hnswlib,
    "usearch": Usearch,
    "milvus-lite": MilvusLite,
}
