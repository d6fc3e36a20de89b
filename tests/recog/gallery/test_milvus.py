"""What only a gallery on Milvus does: reach a server, be refused, mend what was interrupted."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recog.errors import ConfigError, ErasureIncomplete, GalleryError, ModelMismatch
from recog.gallery import Gallery, open_gallery
from recog.gallery.log import broken
from recog.gallery.milvus import MilvusGallery
from recog.gallery.milvus.place import place_of
from recog.gallery.milvus.records import Record
from recog.gallery.milvus.upkeep import mend
from recog.records import Template
from recog.types import GalleryPlace
from tests.recog.gallery.tools import MODEL, content, templates, vector

pytest.importorskip("milvus_lite", reason="milvus-lite is not installed")


@pytest.fixture
def place(tmp_path: Path) -> str:
    return f"milvus+file:{tmp_path / 'people.milvus.db'}"


@pytest.fixture
def milvus(place: str) -> Iterator[MilvusGallery]:
    with MilvusGallery(place) as opened:
        yield opened


# ---------------------------------------------------------------- the URI


def test_a_uri_says_where() -> None:
    place = place_of("milvus+https://root:p%40ss@milvus.example/faces?collection=staff&index=FLAT")
    assert (place.address, place.token) == ("https://milvus.example:443", "root:p@ss")
    assert (place.database, place.collection, place.index) == ("faces", "staff", "FLAT")
    assert str(place) == "milvus+https://milvus.example:443/faces?collection=staff&index=FLAT"
    assert "p@ss" not in repr(place)
    near = place_of("milvus+http://localhost")
    assert (near.address, near.collection, near.index) == ("http://localhost:19530", "people", "HNSW")
    assert place_of("milvus+http://[::1]:1").address == "http://[::1]:1"
    assert place_of("milvus+file:a/b.db?collection=staff").folder == Path("a/b.db")


def test_a_token_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOG_MILVUS_TOKEN", "secret")
    assert place_of("milvus+http://localhost").token == "secret"
    assert place_of("milvus+http://other@localhost").token == "other"


@pytest.mark.parametrize(
    ("uri", "wrong"),
    [
        ("milvus+ftp://host", "milvus[+]http://HOST"),
        ("milvus+http://", "milvus[+]http://HOST"),
        ("milvus+http://host:99999", "port"),
        ("milvus+file:people.gallery", "end in .db"),
        ("milvus+file:a.db?colection=b", "'colection' is no option"),
        ("milvus+file:a.db?collection=a-b", "letters, digits and _"),
        ("milvus+file:a.db?index=hnsw", "HNSW or FLAT"),
        ("http://host:19530", "milvus[+]http://HOST"),
    ],
)
def test_what_is_no_place(uri: str, wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        open_gallery(uri)


def test_settings_of_gallery_files_are_refused(place: str) -> None:
    with pytest.raises(ConfigError, match="precision"):
        open_gallery(place, precision="float16")


# ---------------------------------------------------------------- servers that are not there


def test_nobody_answers() -> None:
    with socket.socket() as reserved:  # bound, but nobody listens
        reserved.bind(("127.0.0.1", 0))
        began = time.monotonic()
        with pytest.raises(GalleryError, match=r"milvus\+http://127.*does not answer.*Check the address"):
            open_gallery(f"milvus+http://root:hidden@127.0.0.1:{reserved.getsockname()[1]}")
    assert time.monotonic() - began < 10


def test_somebody_listens_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recog.gallery.milvus.connection.CONNECT_S", 0.5)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        began = time.monotonic()
        with pytest.raises(GalleryError, match="does not answer"):
            open_gallery(f"milvus+http://127.0.0.1:{mute.getsockname()[1]}")
    assert time.monotonic() - began < 5


def test_a_refused_token_is_named_and_not_shown() -> None:
    import grpc

    class Refusing(grpc.GenericRpcHandler):
        def service(self, _: Any) -> Any:
            def refuse(_: bytes, context: grpc.ServicerContext) -> bytes:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "auth check failure for root:hidden")

            return grpc.unary_unary_rpc_method_handler(refuse)

    server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[Refusing()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with pytest.raises(GalleryError, match=r"refuses the token.*RECOG_MILVUS_TOKEN") as refused:
            open_gallery(f"milvus+http://root:hidden@127.0.0.1:{port}")
    finally:
        server.stop(None).wait()
    assert "hidden" not in str(refused.value)


def test_pymilvus_is_not_installed(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(GalleryError, match=r"pip install 'recog\[milvus\]'"):
        open_gallery(place)


# ---------------------------------------------------------------- folders and collections of others


def test_what_is_no_folder_of_milvus_lite(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no gallery")
    (tmp_path / "photos.db").mkdir()
    (tmp_path / "photos.db" / "a.jpg").write_bytes(b"photo")
    with Gallery(tmp_path / "sqlite.db"):
        for name in ("text.db", "photos.db", "sqlite.db"):
            with pytest.raises(GalleryError, match=r"no folder of Milvus Lite"):
                open_gallery(f"milvus+file:{tmp_path / name}")
        with pytest.raises(GalleryError, match=r"Check the path"):
            open_gallery(f"milvus+file:{tmp_path / 'text.db' / 'people.db'}")
    assert [one.name for one in (tmp_path / "photos.db").iterdir()] == ["a.jpg"]


def test_one_program_at_a_time_opens_milvus_lite(place: str) -> None:
    code = "import sys; from recog.gallery import open_gallery; open_gallery(sys.argv[1]).close()"
    command = [sys.executable, "-c", code, place]
    with open_gallery(place):
        other = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "Milvus Lite serves one program at a time" in other.stderr
    other = subprocess.run(command, capture_output=True, text=True, check=False)  # closed: free again
    assert other.stderr == ""


def test_another_programs_collection_is_left_alone(place: str, tmp_path: Path) -> None:
    from pymilvus import MilvusClient

    client = MilvusClient(str(tmp_path / "people.milvus.db"), dedicated=True)
    client.create_collection("people_records", dimension=4)
    client.close()
    with pytest.raises(GalleryError, match=r"another program's.*[?]collection=NAME"):
        open_gallery(place)
    with open_gallery(f"{place}?collection=staff") as staff:
        staff.add("ada", templates("ada", 1), MODEL)
        assert "people_records" in staff._connection._client.list_collections()


def test_a_newer_gallery_is_refused(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr("recog.gallery.milvus.records.VERSION", 2)
        open_gallery(place).close()
    with pytest.raises(GalleryError, match="Upgrade"):
        open_gallery(place)


# ---------------------------------------------------------------- searching


def test_it_looks_deeper_until_it_is_sure(milvus: MilvusGallery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many templates of few people come first: the third is beyond the first rows."""
    monkeypatch.setattr("recog.gallery.milvus.finding.SHALLOW", 4)
    depths: list[int] = []
    nearest = milvus._connection.nearest
    monkeypatch.setattr(
        milvus._connection,
        "nearest",
        lambda collection, queries, depth, field: (
            depths.append(depth) or nearest(collection, queries, depth, field)
        ),
    )
    counts = {"ada": 60, "bob": 1, "eve": 1}
    milvus.add_all({name: templates(name, count) for name, count in counts.items()}, MODEL)
    assert [len(top) for top in milvus.search(vector("ada 0")[None], 3)] == [3]
    assert depths == [24, 96]


@pytest.mark.parametrize("index", ["HNSW", "FLAT"])
def test_either_index_answers_as_sqlite_does(place: str, index: str) -> None:
    """So many that Milvus Lite has them in files, where its index is."""
    people = {f"p{number}": templates(f"p{number}", 1 + number % 3) for number in range(600)}
    probes = np.stack([vector(f"p{number} 9") for number in range(0, 600, 20)])
    with MilvusGallery(f"{place}?index={index}") as milvus, Gallery(None) as sqlite:
        for gallery in (milvus, sqlite):
            gallery.add_all(people, MODEL)
        stored = milvus._connection._client.describe_index(milvus._vectors().collection, "vector")
        found, wanted = milvus.search(probes, 5), sqlite.search(probes, 5)
    assert stored["index_type"] == index
    for ours, theirs in zip(found, wanted, strict=True):
        assert [c.identity for c in ours] == [c.identity for c in theirs]
        assert [c.similarity for c in ours] == pytest.approx([c.similarity for c in theirs], abs=1e-5)


# ---------------------------------------------------------------- interrupted, or at once with others


def test_an_interrupted_enrollment_is_completed_by_repeating_it(
    milvus: MilvusGallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise GalleryError("gone")

    for step in ("centre", "add"):
        with monkeypatch.context() as patch:
            patch.setattr(f"recog.gallery.milvus.vectors.Vectors.{step}", interrupted)
            with pytest.raises(GalleryError, match="gone"):
                milvus.add(step, templates(step, 3), MODEL)
        milvus.add(step, templates(step, 3), MODEL)
    milvus.purge()
    assert milvus._vectors().uncentred() == []
    assert {name: len(photos) for name, photos in content(milvus).items()} == {"add": 3, "centre": 3}


@pytest.mark.parametrize("step", ["move", "drop"])
def test_an_interrupted_renaming_is_completed_by_repeating_it(
    milvus: MilvusGallery, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def interrupted(*_: object) -> None:
        raise GalleryError("gone")

    milvus.add("ada", templates("ada", 2), MODEL)
    with monkeypatch.context() as patch:
        patch.setattr(f"recog.gallery.milvus.vectors.Vectors.{step}", interrupted)
        with pytest.raises(GalleryError, match="gone"):
            milvus.rename("ada", "eve")
    milvus.rename("ada", "eve")
    assert content(milvus) == {"eve": ["digest of ada 0", "digest of ada 1"]}
    assert milvus.size() == (1, 2)


def test_templates_of_nobody_are_never_named_and_go(milvus: MilvusGallery) -> None:
    milvus.add_all({name: templates(name, 2) for name in ("ada", "bob")}, MODEL)
    milvus._people.drop([milvus._people.one("ada")])  # as if another program had enrolled while we removed
    assert [c.identity for c in milvus.search(vector("ada 0")[None], 5)[0]] == ["bob"]
    assert milvus.names_with("digest of ada 0") == set()
    assert list(milvus.everyone()) == ["bob"]
    assert milvus.size() == (1, 4)
    milvus.purge()
    assert milvus.size() == (1, 2)


def test_two_that_write_to_the_log_at_once_both_do(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second seals onto an entry while the first has sealed its own onto the same."""
    with MilvusGallery(place) as first, MilvusGallery(place) as second:
        first.add("ada", templates("ada", 1), MODEL)
        stale = [second._chain._last()]
        first.add("bob", templates("bob", 1), MODEL)
        fresh = second._chain._last
        monkeypatch.setattr(second._chain, "_last", lambda: stale.pop() if stale else fresh())
        second.add("eve", templates("eve", 1), MODEL)
        entries = first.log()
        assert not stale
        assert [(entry.number, entry.event) for entry in entries] == [(n, "enroll") for n in (1, 2, 3)]
        assert broken(entries) is None


def test_a_removal_that_milvus_does_not_compact_says_so(
    milvus: MilvusGallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    milvus.add_all({name: templates(name, 2) for name in ("ada", "bob")}, MODEL)

    def busy(*_: object) -> None:
        raise GalleryError("Milvus refuses (rate limit).")

    monkeypatch.setattr(milvus._connection, "compact", busy)
    with pytest.raises(ErasureIncomplete, match=r"change is made.*rate limit.*recog doctor"):
        milvus.remove("ada")
    assert list(content(milvus)) == ["bob"]


def test_damage_is_found(milvus: MilvusGallery) -> None:
    milvus.add_all({name: templates(name, 1) for name in ("ada", "bob")}, MODEL)
    assert milvus.integrity() == []
    vectors = milvus._vectors()
    fields = ["id", "person", "photo", "content", "number"]
    (row,) = vectors._of([milvus._people.one("ada").handle], "", fields)
    milvus._connection.upsert(vectors.collection, [{**row, "vector": 2 * vector("ada 0")}])
    assert milvus.integrity() == ["a template has length 2.000"]
    milvus._connection.upsert(vectors.collection, [{**row, "content": "{", "vector": vector("ada 0")}])
    (found,) = milvus.integrity()
    assert "is damaged (row" in found


def test_vectors_come_back_as_they_went(milvus: MilvusGallery) -> None:
    sent = [Template(vector(f"ada {i}"), f"photo {i}", None if i else 0.25, "repaired") for i in range(3)]
    milvus.add("ada", sent, MODEL)
    for before, after in zip(sent, milvus.templates("ada"), strict=True):
        np.testing.assert_array_equal(before.embedding, after.embedding)
        assert (before.quality, before.how) == (after.quality, after.how)


def test_mending_spares_who_is_enrolled_meanwhile(milvus: MilvusGallery, place: str) -> None:
    milvus.add("ada", templates("ada", 1), MODEL)
    vectors = milvus._vectors()
    assert vectors is not None
    everyone = milvus._people.all

    class People:
        def all(self) -> list[Any]:
            found = everyone()
            if not any(milvus.is_enrolled(name) for name in ("eve",)):
                milvus.add("eve", templates("eve", 1), MODEL)  # after they were read
            return found

    mend(People(), vectors)  # type: ignore[arg-type]
    assert len(milvus.templates("eve")) == 1


def test_another_model_at_the_same_moment_is_refused(
    milvus: MilvusGallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = milvus._records.put

    def overtaken(kind: str, records: Any) -> None:
        put(kind, records)
        if kind == "model":
            put(kind, [Record("current", {**records[0].content, "digest": "cc" * 32})])

    monkeypatch.setattr(milvus._records, "put", overtaken)
    with pytest.raises(ModelMismatch):
        milvus.add("ada", templates("ada", 1), MODEL)


def test_no_message_tells_the_password() -> None:
    place = GalleryPlace("milvus+http://root:secret@localhost:1", key="people.key")
    assert str(place) == "milvus+http://localhost:1"
    with pytest.raises(ConfigError) as caught:
        open_gallery(place)
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        place.file.upper()
    assert "secret" not in str(caught.value)
