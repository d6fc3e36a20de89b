"""Export and import."""

from __future__ import annotations

import json
from pathlib import Path

import faiss
import numpy as np
import pytest

from recog.errors import DataError, GalleryError, ModelMismatch
from recog.gallery import Gallery
from recog.gallery.portable import Portable
from recog.records import Calibration, Model, Template
from tests.recog.gallery.tools import MODEL, content, templates, vector

STORED = Calibration(0.4, 1e-3, "folder", 0.0005, 0.002, 5000, 3, 6, 12.0, -4.0)


@pytest.fixture
def exported(gallery: Gallery, tmp_path: Path) -> Path:
    gallery.add("ada", templates("ada", 2), MODEL)
    gallery.add("Zo\u00eb", [Template(vector("zoe 0"), "digest of zoe 0", 0.7, "repaired")], MODEL)
    gallery.calibrate("verify", STORED, MODEL.digest)
    Portable.of(gallery).write(tmp_path / "out.npz")
    return tmp_path / "out.npz"


def test_a_round_trip_changes_nothing(gallery: Gallery, exported: Path, tmp_path: Path) -> None:
    with Gallery(tmp_path / "copy.gallery") as copy:
        assert Portable.read(exported).into(copy) == 3
        assert Portable.read(exported).into(copy) == 0
        assert content(copy) == content(gallery)
        for name in ("ada", "Zo\u00eb"):
            for ours, theirs in zip(gallery.templates(name), copy.templates(name), strict=True):
                np.testing.assert_array_equal(ours.embedding, theirs.embedding)
                assert (ours.quality, ours.how, ours.enrolled_at) == (
                    theirs.quality,
                    theirs.how,
                    theirs.enrolled_at,
                )
        assert copy.calibration("verify", MODEL.digest) == STORED
        assert copy.model() == MODEL


def test_numpy_alone_can_read_it(exported: Path) -> None:
    with np.load(exported, allow_pickle=False) as file:
        assert json.loads(str(file["manifest"]))["model"]["digest"] == MODEL.digest
        assert [str(file["name"][i]) for i in file["person"]] == ["Zo\u00eb", "ada", "ada"]
        assert file["embedding"].shape == (3, MODEL.embedding_size)
        assert np.isnan(file["quality"]).sum() == 2


def test_thresholds_stay_where_people_were_enrolled_already(exported: Path, tmp_path: Path) -> None:
    with Gallery(tmp_path / "other.gallery") as other:
        other.add("eve", templates("eve", 1), MODEL)
        Portable.read(exported).into(other)
        assert other.calibration("verify", MODEL.digest) is None
        assert other.size() == (3, 4)


def test_another_models_vectors_are_refused(exported: Path, tmp_path: Path) -> None:
    with Gallery(tmp_path / "other.gallery") as other:
        other.add("eve", templates("eve", 1), Model("other", "ff" * 32, MODEL.embedding_size))
        with pytest.raises(ModelMismatch, match="--model"):
            Portable.read(exported).into(other)
        assert other.size() == (1, 1)


@pytest.mark.parametrize(
    "damage", ["missing", "empty", "text", "cut", "foreign", "newer", "short", "pickled"]
)
def test_what_is_no_export(exported: Path, damage: str) -> None:
    with np.load(exported) as file:
        arrays = dict(file)
    whole = exported.read_bytes()
    manifest = json.loads(str(arrays["manifest"]))
    if damage == "missing":
        exported.unlink()
    elif damage in ("empty", "text", "cut"):
        exported.write_bytes({"empty": b"", "text": b"no archive", "cut": whole[: len(whole) // 2]}[damage])
    else:
        if damage == "foreign":
            del arrays["manifest"]
        if damage == "newer":
            arrays["manifest"] = np.array(json.dumps({**manifest, "version": 2}))
        if damage == "short":
            arrays["how"] = arrays["how"][:1]
        if damage == "pickled":
            arrays["how"] = np.array([{}, {}, {}], object)
        np.savez(exported, **arrays)
    with pytest.raises(DataError, match="Upgrade" if damage == "newer" else "Export it again|Check the path"):
        Portable.read(exported)


def test_faiss_reads_the_other_form(gallery: Gallery, exported: Path, tmp_path: Path) -> None:
    assert exported.exists()
    names = Portable.of(gallery).write_faiss(tmp_path / "out.faiss")
    index = faiss.read_index(str(tmp_path / "out.faiss"))
    rows = [json.loads(line) for line in names.read_text().splitlines()]
    _, ((nearest,),) = index.search(vector("zoe 0")[None], 1)
    assert rows[nearest]["identity"] == "Zo\u00eb"
    assert rows[nearest]["model"] == MODEL.digest


def test_an_empty_gallery_has_nothing_to_export(gallery: Gallery) -> None:
    with pytest.raises(GalleryError, match="nothing to export"):
        Portable.of(gallery)
