"""Kept crops, and another model by them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recog.errors import GalleryError
from recog.gallery import Gallery
from recog.images import png
from recog.migration import from_png, migrate
from recog.records import Model, Template
from tests.recog.gallery.tools import MODEL, SIZE, bytes_of, encrypted, opened, templates, vector

NEW = Model("new", "ab" * 32, 12)


class Mean:
    """An embedder whose vectors are the mean colours of the quarters of a crop."""

    name, digest, embedding_size, crop_size = NEW.name, NEW.digest, 12, 8

    def embed(self, crops: np.ndarray, flip: bool = True) -> np.ndarray:
        parts = [crops[:, y : y + 4, x : x + 4].mean(axis=(1, 2)) for y in (0, 4) for x in (0, 4)]
        found = np.concatenate(parts, axis=1).astype(np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


def crop(seed: int, size: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (size, size, 3), np.uint8)


def with_crop(name: str, number: int, seed: int) -> Template:
    return Template(vector(f"{name} {number}"), f"digest of {name} {number}", crop=png(crop(seed)))


def expected(seed: int) -> np.ndarray:
    found = Mean().embed(crop(seed)[None]) + Mean().embed(crop(seed)[None, :, ::-1])
    return (found / np.linalg.norm(found))[0]


@pytest.fixture(params=["plain", "encrypted"])
def kept(request: pytest.FixtureRequest, gallery_path: Path) -> Path:
    """A gallery that kept its crops; somebody was removed from its middle."""
    if request.param == "encrypted":
        encrypted(gallery_path)
    with opened(gallery_path) as gallery:
        for number, name in enumerate(("ada", "bob", "cleo")):
            gallery.add(name, [with_crop(name, i, 10 * number + i) for i in range(2)], MODEL)
        gallery.remove("bob")
    return gallery_path


def test_a_crop_comes_back_as_it_was() -> None:
    np.testing.assert_array_equal(from_png(png(crop(0)), 8), crop(0))
    assert from_png(png(crop(0)), 12).shape == (12, 12, 3)


def test_migration(kept: Path) -> None:
    with opened(kept) as other, opened(kept) as gallery:
        other.search(vector("ada 0")[None], 1)
        assert migrate(gallery, Mean(), NEW) == (4, 0)
        assert gallery.model() == NEW
        for name, seeds in (("ada", (0, 1)), ("cleo", (20, 21))):
            for template, seed in zip(gallery.templates(name), seeds, strict=True):
                np.testing.assert_allclose(template.embedding, expected(seed), atol=1e-6)
            found = other.search(expected(seeds[0])[None], 1)
            assert found[0][0].identity == name
        assert gallery.integrity() == []
        assert gallery.kept_crops() == 4
        assert [entry.event for entry in gallery.log()][-1] == "migrate"


def test_crops_are_sealed_and_erased(kept: Path) -> None:
    with opened(kept) as gallery:
        numbers = dict(gallery.crops())
        sealed = gallery.is_encrypted
        if not sealed:
            assert all(content in bytes_of(kept) for content in numbers.values())
        gallery.remove("ada")
        assert len(dict(gallery.crops())) == 2
    files = bytes_of(kept)
    for number, content in numbers.items():
        assert (content[64:96] in files) == (number > 4 and not sealed)


def test_encrypting_takes_the_crops_along(gallery_path: Path) -> None:
    with Gallery(gallery_path) as gallery:
        gallery.add("ada", [with_crop("ada", 0, 5)], MODEL)
        encrypted(gallery_path)
        gallery.encrypt(gallery_path.with_suffix(".key"), gallery_path.with_suffix(".keys"))
        assert dict(gallery.crops()) == {1: png(crop(5))}
    assert png(crop(5))[64:96] not in bytes_of(gallery_path)


def test_templates_without_a_crop(kept: Path) -> None:
    with opened(kept) as gallery:
        gallery.add("ada", templates("ada", 3)[2:], MODEL)
        gallery.add("dora", templates("dora", 1), MODEL)
        with pytest.raises(GalleryError, match="crops of 4 of its 6 templates"):
            migrate(gallery, Mean(), NEW)
        assert gallery.model() == MODEL
        assert migrate(gallery, Mean(), NEW, drop=True) == (4, 2)
        assert [person.identity for person in gallery.people()] == ["ada", "cleo"]
        assert gallery.integrity() == []
    assert b"dora" not in bytes_of(kept)


def test_dropping_people_whose_slots_would_not_fit(kept: Path) -> None:
    class Wide(Mean):
        embedding_size = 4 * SIZE

        def embed(self, crops: np.ndarray, flip: bool = True) -> np.ndarray:
            return np.pad(super().embed(crops), ((0, 0), (0, self.embedding_size - 12)))

    with opened(kept) as gallery:
        gallery.add("dora", templates("dora", 100), MODEL)
        assert migrate(gallery, Wide(), Model("wide", "cd" * 32, 4 * SIZE), drop=True) == (4, 100)
        assert gallery.integrity() == []
        assert [person.identity for person in gallery.people()] == ["ada", "cleo"]


def test_repaired_faces_are_embedded_as_taken(kept: Path) -> None:
    with opened(kept) as gallery:
        one = with_crop("eve", 0, 7)
        gallery.add("eve", [replace(one, how="repaired")], MODEL)
        migrate(gallery, Mean(), NEW)
        assert [template.how for template in gallery.templates("eve")] == ["photo"]


def test_a_gallery_without_crops(gallery_path: Path) -> None:
    with Gallery(gallery_path) as gallery:
        gallery.add("ada", templates("ada", 1), MODEL)
        with pytest.raises(GalleryError, match="crops of 0 of its 1 templates"):
            migrate(gallery, Mean(), NEW, drop=True)


def test_a_change_meanwhile_is_not_lost(kept: Path) -> None:
    class Meddling(Mean):
        def embed(self, crops: np.ndarray, flip: bool = True) -> np.ndarray:
            with opened(kept) as other:
                other.add("eve", templates("eve", 1), MODEL)
            return super().embed(crops)

    with opened(kept) as gallery:
        with pytest.raises(GalleryError, match="was changed while faces were embedded"):
            migrate(gallery, Meddling(), NEW)
        assert gallery.model() == MODEL
        assert gallery.is_enrolled("eve")


def test_many_crops_are_read_in_parts(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recog.gallery.file.CROPS_AT_ONCE", 1)
    monkeypatch.setattr("recog.migration.BATCH", 3)
    with opened(kept) as gallery:
        assert migrate(gallery, Mean(), NEW) == (4, 0)
