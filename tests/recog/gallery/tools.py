"""Galleries of vectors that follow from names, so that any process can say what must be there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recog.gallery import Gallery, GalleryLike
from recog.keys import new_key
from recog.records import Model, Template

SIZE = 32
MODEL = Model("tiny", "32" * 32, SIZE)


def drawn(key: str) -> NDArray[np.float64]:
    """(SIZE,) normal numbers that only this key has."""
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
    return np.random.default_rng(seed).normal(size=SIZE)


def vector(key: str) -> NDArray[np.float32]:
    """(SIZE,) unit vector of a photo "NAME NUMBER"; those of one person are alike."""
    found = drawn(key.rpartition(" ")[0]) + 0.2 * drawn(key)
    return (found / np.linalg.norm(found)).astype(np.float32)


def templates(name: str, count: int) -> list[Template]:
    """The first photos of a person."""
    return [Template(vector(f"{name} {i}"), f"digest of {name} {i}") for i in range(count)]


def encrypted(path: Path) -> Path:
    """Lay a key beside where a gallery is, or will be, by which `opened` encrypts it; gives its path."""
    new_key(path.with_suffix(".key"))
    return path


def opened(path: Path) -> Gallery:
    """A gallery, with its key where there is one."""
    key = path.with_suffix(".key")
    return Gallery(path, key=key, keystore=path.with_suffix(".keys")) if key.exists() else Gallery(path)


def content(gallery: GalleryLike) -> dict[str, list[str]]:
    """Who is enrolled, with which photos; all vectors must be theirs."""
    found = {}
    for person in gallery.people():
        stored = gallery.templates(person.identity)
        for template in stored:
            expected = vector(template.photo_digest.removeprefix("digest of "))
            np.testing.assert_allclose(template.embedding, expected, atol=1e-3)
        found[person.identity] = sorted(template.photo_digest for template in stored)
    return found


def assert_sound(path: Path) -> dict[str, list[str]]:
    """The file is sound, and what is searched is what a new index would search; gives its content."""
    with opened(path) as gallery:
        assert gallery.integrity() == []
        found = content(gallery)
        probes = np.stack([vector(f"{name} 0") for name in found] or [vector("nobody")])
        answers = [[c.identity for c in top] for top in gallery.search(probes, k=1)]
        assert answers == [[name] for name in found] or not found
    return found


def bytes_of(path: Path) -> bytes:
    """All files of a gallery."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(path.name + "*")))
