"""What every kind of gallery keeps to: SQLite in memory and in a file, and Milvus, here as Milvus Lite."""

from __future__ import annotations

import importlib.util
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from recog.errors import ConfigError, DataError, GalleryError, ModelMismatch, NoGallery, UnknownIdentity
from recog.gallery import Gallery, GalleryLike, open_gallery
from recog.gallery.log import broken
from recog.gallery.portable import Portable
from recog.records import Calibration, Model, Template
from recog.vectors import unit
from tests.recog.gallery.tools import content
from tests.recog.gallery.tools import templates as drawn

MODEL = Model("tiny", "aa" * 32, 2)
OTHER = Model("other", "bb" * 32, 2)
WIDE = Model("wide", "cc" * 32, 24)

needs_milvus = pytest.mark.skipif(
    importlib.util.find_spec("milvus_lite") is None,
    reason="milvus-lite is not installed (pip install recog[milvus])",
)
FILE, LITE = "people.gallery", "milvus+file:{}/people.milvus.db"
KEPT = [FILE, pytest.param(LITE, marks=needs_milvus)]  # those that can be opened again


def template(vector: Sequence[float], photo: str = "photo") -> Template:
    return Template(np.array(vector, np.float32), photo, 0.5)


@pytest.fixture(params=KEPT, ids=["file", "milvus-lite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return request.param.format(tmp_path) if "{}" in request.param else str(tmp_path / request.param)


@pytest.fixture(params=[None, *KEPT], ids=["memory", "file", "milvus-lite"])
def any_gallery(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GalleryLike]:
    named = request.param
    if named is not None:
        named = named.format(tmp_path) if "{}" in named else tmp_path / named
    with open_gallery(named) as opened:
        yield opened


@pytest.fixture
def two(any_gallery: GalleryLike) -> GalleryLike:
    any_gallery.add("ada", [template([1, 0])], MODEL)
    any_gallery.add("bob", [template([0, 1])], MODEL)
    return any_gallery


def names(gallery: GalleryLike) -> list[str]:
    return [person.identity for person in gallery.people()]


# ---------------------------------------------------------------- people


def test_a_new_gallery_is_empty(any_gallery: GalleryLike) -> None:
    assert any_gallery.search(np.eye(2), k=1) == [[], []]
    assert (any_gallery.model(), any_gallery.size(), any_gallery.everyone()) == (None, (0, 0), {})
    assert (any_gallery.people(), any_gallery.photo_digests(), any_gallery.log()) == ([], set(), [])
    any_gallery.check(OTHER.digest, OTHER.name)
    assert any_gallery.integrity() == []
    any_gallery.purge()


def test_what_is_enrolled_is_told(two: GalleryLike) -> None:
    two.add("ada", [template([0.6, 0.8], "second")], MODEL)
    assert [(p.identity, p.templates) for p in two.people()] == [("ada", 2), ("bob", 1)]
    assert two.size() == (2, 3)
    first, second = two.templates("ada")
    np.testing.assert_allclose(first.embedding, [1, 0])
    np.testing.assert_allclose(second.embedding, [0.6, 0.8])
    assert (first.photo_digest, first.quality, first.how) == ("photo", 0.5, "photo")
    assert first.enrolled_at.endswith("+00:00")
    assert {name: [t.photo_digest for t in found] for name, found in two.everyone().items()} == {
        "ada": ["photo", "second"],
        "bob": ["photo"],
    }
    assert two.photo_digests() == {"photo", "second"}
    assert two.names_with("photo") == {"ada", "bob"}
    assert two.names_with("second") == {"ada"}
    assert two.model() == MODEL
    assert two.integrity() == []


def test_a_photo_is_stored_once_a_person(two: GalleryLike) -> None:
    assert two.add("ada", [template([0, 1]), template([0, 1], "new"), template([1, 0], "new")], MODEL) == 1
    np.testing.assert_allclose(two.templates("ada")[1].embedding, [0, 1])  # of one photo twice, the first
    assert two.has("ada", "photo")
    assert two.has("bob", "photo")
    assert not two.has("bob", "new")
    assert not two.has("eve", "photo")
    assert two.add("ada", [], MODEL) == 0


def test_several_people_at_once(any_gallery: GalleryLike) -> None:
    people = {"ada": [template([1, 0]), template([0, 1], "b")], "bob": [template([0, 1])]}
    assert any_gallery.add_all(people, MODEL) == 3
    assert any_gallery.add_all(people, MODEL) == 0
    assert [(p.identity, p.templates) for p in any_gallery.people()] == [("ada", 2), ("bob", 1)]


@pytest.mark.parametrize("vector", [[np.nan, 0], [1, 0, 0], [2, 0], [0, 0]])
def test_bad_vectors_are_refused_and_leave_no_trace(two: GalleryLike, vector: list[float]) -> None:
    before = two.revision
    with pytest.raises(DataError):
        two.add("eve", [template([1, 0]), template(vector, "x")], MODEL)
    assert names(two) == ["ada", "bob"]
    assert two.revision == before


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\0b", "x" * 201])
def test_bad_names(any_gallery: GalleryLike, name: str) -> None:
    with pytest.raises(ConfigError):
        any_gallery.add(name, [template([1, 0])], MODEL)


def test_names_have_one_spelling(any_gallery: GalleryLike) -> None:
    name = unicodedata.normalize("NFD", " Jos\u00e9 ")
    any_gallery.add(name, [template([1, 0])], MODEL)
    assert names(any_gallery) == ["Jos\u00e9"]
    assert any_gallery.is_enrolled(name)
    any_gallery.remove(name)
    assert not any_gallery.is_enrolled(name)


def test_names_are_any_text(any_gallery: GalleryLike) -> None:
    odd = ['"; DROP TABLE identity', "%s {} \\", "\U0001f600" * 200]
    for number, name in enumerate(odd):
        any_gallery.add(name, [template([1, 0], f"{name} {number}")], MODEL)
    assert sorted(names(any_gallery)) == sorted(odd)
    assert any_gallery.names_with(f"{odd[0]} 0") == {odd[0]}
    assert sum(any_gallery.remove_all(odd).values()) == 3


def test_removal(two: GalleryLike) -> None:
    two.add("ada", [template([0.6, 0.8], "second")], MODEL)
    assert two.remove("ada") == 2
    assert names(two) == ["bob"]
    assert [c.identity for c in two.search([[1, 0]], k=5)[0]] == ["bob"]
    assert two.size() == (1, 1)
    for change in (two.remove, two.templates, lambda name: two.rename(name, "x")):
        with pytest.raises(UnknownIdentity, match=r"'ada'.*recog list"):
            change("ada")
    two.add("ada", [template([0, 1], "third")], MODEL)
    assert [t.photo_digest for t in two.templates("ada")] == ["third"]  # nothing of before is back


def test_removal_is_of_all_or_of_nobody(two: GalleryLike) -> None:
    with pytest.raises(UnknownIdentity):
        two.remove_all(["ada", "eve"])
    assert names(two) == ["ada", "bob"]
    assert two.remove_all(["bob", "ada", "bob"]) == {"bob": 1, "ada": 1}
    assert two.remove_all([]) == {}
    assert names(two) == []


def test_renaming(two: GalleryLike) -> None:
    two.add("ada", [template([0.6, 0.8], "second")], MODEL)
    two.rename("ada", "lovelace")
    assert [(p.identity, p.templates) for p in two.people()] == [("bob", 1), ("lovelace", 2)]
    assert [t.photo_digest for t in two.templates("lovelace")] == ["photo", "second"]
    assert [c.identity for c in two.search([[1, 0]], k=5)[0]] == ["lovelace", "bob"]
    with pytest.raises(GalleryError, match="already enrolled"):
        two.rename("bob", "lovelace")
    two.rename("bob", "bob")
    two.add("ada", [template([1, 0], "another's")], MODEL)  # the name is free again
    assert names(two) == ["ada", "bob", "lovelace"]


@pytest.mark.parametrize("change", ["add", "remove", "rename"])
def test_every_change_raises_the_revision(two: GalleryLike, change: str) -> None:
    before = two.revision
    {
        "add": lambda: two.add("ada", [template([0, 1], "new")], MODEL),
        "remove": lambda: two.remove("ada"),
        "rename": lambda: two.rename("ada", "eve"),
    }[change]()
    assert two.revision == before + 1


# ---------------------------------------------------------------- the model, and opening again


def test_another_models_vectors_are_refused(two: GalleryLike) -> None:
    with pytest.raises(ModelMismatch, match=r"'tiny'.*'other'.*--model"):
        two.add("ada", [template([0, 1], "new")], OTHER)
    with pytest.raises(ModelMismatch):
        two.check(OTHER.digest, OTHER.name)
    two.check(MODEL.digest, "whatever its name")


def test_an_emptied_gallery_may_change_its_model(two: GalleryLike) -> None:
    two.remove_all(["ada", "bob"])
    assert two.model() is None
    two.add("eve", [Template(unit(np.ones(24, np.float32)), "photo")], WIDE)
    assert two.model() == WIDE
    assert [c.identity for c in two.search(np.ones((1, 24)), k=5)[0]] == ["eve"]


def test_what_is_enrolled_is_there_after_reopening(place: str) -> None:
    with pytest.raises(NoGallery, match=r"no gallery here.*recog enroll"):
        open_gallery(place, create=False)
    with open_gallery(place) as gallery:
        gallery.add("ada", [template([1, 0]), template([0.6, 0.8], "b")], MODEL)
        gallery.add("bob", [template([0, 1])], MODEL)
        before, log = gallery.search([[0.6, 0.8]], 2), gallery.log()
    with open_gallery(place, create=False) as again:
        assert again.search([[0.6, 0.8]], 2) == before
        assert [(p.identity, p.templates) for p in again.people()] == [("ada", 2), ("bob", 1)]
        assert again.model() == MODEL
        assert again.log() == log
        assert again.integrity() == []
        again.remove("ada")
    with open_gallery(place, create=False) as again:
        assert names(again) == ["bob"]


def test_two_see_each_others_changes(place: str) -> None:
    with open_gallery(place) as one, open_gallery(place) as other:
        one.add("ada", [template([1, 0])], MODEL)
        assert [c.identity for c in other.search([[1, 0]], k=5)[0]] == ["ada"]
        other.add("bob", [template([0, 1])], MODEL)
        assert len(one.search([[1, 0]], k=5)[0]) == 2
        other.remove("ada")
        assert [c.identity for c in one.search([[1, 0]], k=5)[0]] == ["bob"]
        assert broken(one.log()) is None


# ---------------------------------------------------------------- searching


def test_search_ranks_by_cosine(two: GalleryLike) -> None:
    (top,) = two.search([[0.6, 0.8]], k=2)
    assert [c.identity for c in top] == ["bob", "ada"]
    assert [c.similarity for c in top] == pytest.approx([0.8, 0.6])


def test_search_gives_k_people_however_many_templates_one_has(two: GalleryLike) -> None:
    angles = np.linspace(0.1, 0.3, 300)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    two.add("ada", [template(v, f"p{i}") for i, v in enumerate(vectors)], MODEL)
    (top,) = two.search([[1, 0]], k=5)
    assert [c.identity for c in top] == ["ada", "bob"]
    centre = np.sum([[1, 0], *vectors], axis=0)
    assert top[0].similarity == pytest.approx((1 + centre[0] / np.linalg.norm(centre)) / 2)


def test_whoever_surrounds_a_probe_is_found(any_gallery: GalleryLike) -> None:
    """Their templates are all farther from it than those of a crowd; their centre is not."""
    probe, aside = np.eye(24, dtype=np.float32)[:2]
    around = [Template(unit(probe + side * aside), f"photo {side}") for side in (1, -1)]  # cosines 0.707
    crowd = np.repeat(unit(probe + 0.98 * np.eye(24, dtype=np.float32)[2:22]), 10, axis=0)  # cosines 0.714
    people = {f"p{number}": [Template(vector, "photo")] for number, vector in enumerate(crowd)}
    any_gallery.add_all(people | {"surrounding": around}, WIDE)
    (best,) = any_gallery.search(probe[None], k=1)[0]
    assert (best.identity, best.similarity) == ("surrounding", pytest.approx((1 + 0.5**0.5) / 2))


@pytest.mark.parametrize("probe", [[[np.nan, 0]], [[np.inf, 0]], [1, 0], [[1, 0, 0]]])
def test_probes_are_checked_at_the_door(two: GalleryLike, probe: list[list[float]]) -> None:
    with pytest.raises(DataError):
        two.search(probe)
    with pytest.raises(ConfigError):
        two.search([[1, 0]], k=0)


@pytest.mark.parametrize("k", [1, 2, 5, 200])
def test_answers_are_those_of_sqlite(any_gallery: GalleryLike, k: int) -> None:
    """The same candidates in the same order, whatever changed in between."""
    rng = np.random.default_rng(k)
    people = {
        f"p{i}": [
            Template(vector, f"photo {j}")
            for j, vector in enumerate(
                unit(rng.normal(size=24) + 0.8 * rng.normal(size=(rng.integers(1, 7), 24))).astype(np.float32)
            )
        ]
        for i in range(120)
    }
    probes = unit(rng.normal(size=(20, 24))).astype(np.float32)
    with Gallery(None) as sqlite:
        for gallery in (any_gallery, sqlite):
            gallery.add_all(people, WIDE)
            gallery.remove_all([f"p{i}" for i in range(0, 120, 7)])
            gallery.rename("p1", "renamed")
            gallery.add("p2", [Template(probe, f"late {i}") for i, probe in enumerate(probes[:3])], WIDE)
        found, wanted = any_gallery.search(probes, k), sqlite.search(probes, k)
    for ours, theirs in zip(found, wanted, strict=True):
        assert len(ours) == min(k, 102)
        assert [c.identity for c in ours] == [c.identity for c in theirs]
        assert [c.similarity for c in ours] == pytest.approx([c.similarity for c in theirs], abs=1e-5)


# ---------------------------------------------------------------- thresholds, log, exchange


def test_calibration_belongs_to_its_model(any_gallery: GalleryLike) -> None:
    stored = Calibration(0.4, 1e-2, "folder", 0.005, 0.02, 1000, 10, 30, 12.0, -4.0)
    any_gallery.calibrate("query", Calibration(0.3, 1e-2, "model card"), MODEL.digest)
    any_gallery.calibrate("query", stored, MODEL.digest)
    assert any_gallery.calibration("query", MODEL.digest) == stored
    assert any_gallery.calibration("verify", MODEL.digest) is None
    assert any_gallery.calibration("query", OTHER.digest) is None


def test_the_log_tells_what_happened_without_names(two: GalleryLike) -> None:
    two.rename("bob", "robert")
    two.remove("ada")
    two.calibrate("query", Calibration(0.3, 1e-2, "model card"), MODEL.digest)
    entries, known = two.log(), two.pseudonyms()
    assert [(e.number, e.event, e.detail) for e in entries] == [
        (1, "enroll", {"templates": 1}),
        (2, "enroll", {"templates": 1}),
        (3, "rename", {}),
        (4, "remove", {"templates": 1}),
        (5, "calibrate", {"purpose": "query", "threshold": 0.3}),
    ]
    assert [known.get(str(e.subject)) for e in entries] == [None, "robert", "robert", None, None]
    assert entries[0].subject == entries[3].subject
    assert broken(entries, known=entries[2].digest) is None


@needs_milvus
@pytest.mark.parametrize("order", [(FILE, LITE), (LITE, FILE)], ids=["to milvus", "from milvus"])
def test_people_move_between_kinds(order: tuple[str, str], tmp_path: Path) -> None:
    size = Model("tiny", "32" * 32, 32)
    stored = Calibration(0.4, 1e-3, "folder", 0.0005, 0.002, 5000, 3, 6, 12.0, -4.0)
    first, second = (name.format(tmp_path) if "{}" in name else str(tmp_path / name) for name in order)
    with open_gallery(first) as source, open_gallery(second) as target:
        source.add_all({name: drawn(name, 1 + i % 3) for i, name in enumerate(("ada", "bob", "eve"))}, size)
        source.calibrate("verify", stored, size.digest)
        Portable.of(source).write(tmp_path / "out.npz")
        assert Portable.read(tmp_path / "out.npz").into(target) == 6
        assert Portable.read(tmp_path / "out.npz").into(target) == 0
        assert content(target) == content(source)
        assert target.calibration("verify", size.digest) == stored
        ours, theirs = (gallery.everyone() for gallery in (source, target))
    for name, templates in ours.items():
        for mine, other in zip(templates, theirs[name], strict=True):
            np.testing.assert_array_equal(mine.embedding, other.embedding)
            assert (mine.photo_digest, mine.enrolled_at) == (other.photo_digest, other.enrolled_at)
