from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from generative.conditions import ATTRIBUTES, Vocabulary
from generative.data import FaceData, condition, leave_one_out, open_faces, open_read_faces
from recog.embedding import Embedder
from recog.errors import DataError, WriteFailed
from recog.training.data import CropSet


@pytest.fixture
def folder(crops: CropSet, tmp_path: Path) -> Path:
    for file, image in zip(crops.files, crops.images, strict=True):
        target = tmp_path / "train" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(target)
    return tmp_path / "train"


def test_centres_leave_the_crop_itself_out() -> None:
    embeddings = np.array([[1, 0], [0, 1], [0.6, 0.8], [1, 0]], np.float32)
    centres, similarities = leave_one_out(embeddings, np.array([0, 0, 1, 1]))
    assert centres == pytest.approx(np.array([[0, 1], [1, 0], [1, 0], [0.6, 0.8]]))
    assert similarities == pytest.approx([0, 0, 0.6, 0.6])


def test_an_identity_of_one_photo_is_its_own_centre_and_has_no_similarity() -> None:
    embeddings = np.array([[1, 0], [0.6, 0.8], [0, 1]], np.float32)
    centres, similarities = leave_one_out(embeddings, np.array([0, 1, 0]))
    assert centres == pytest.approx(np.array([[0, 1], [0.6, 0.8], [1, 0]]))
    assert similarities == pytest.approx([0, np.nan, 0], nan_ok=True)


def test_roles_and_attributes_are_read(folder: Path, embedder: Embedder, tmp_path: Path) -> None:
    roles, manifest = tmp_path / "roles.csv", tmp_path / "manifest.csv"
    roles.write_text("identity,role\np1,fit\np3,fit\np2,user\nabsent,fit\n")
    values = ",".join("1" if name == "Smiling" else "0" for name in ATTRIBUTES)
    manifest.write_text(f"file,{','.join(ATTRIBUTES)}\ntrain/p1/4.png,{values}\n")
    faces = open_faces(folder, size=8, embedder=embedder, roles=roles, role="fit", attributes=manifest)
    assert faces.crops.identities == ("p1", "p3")
    assert faces.crops.images.shape == (8, 8, 8, 3)
    assert faces.model_digest == embedder.digest
    known = faces.attributes[faces.crops.files.index("p1/4.png")]
    assert {n for n, v in zip(ATTRIBUTES, known, strict=True) if v == 1} == {"Smiling"}
    assert not faces.attributes[faces.crops.files.index("p1/5.png")].any()


def test_nobody_with_the_role_is_an_error(folder: Path, tmp_path: Path) -> None:
    roles = tmp_path / "roles.csv"
    roles.write_text("identity,role\nelsewhere,fit\n")
    with pytest.raises(DataError, match="nobody"):
        open_faces(folder, size=8, roles=roles, role="fit")


def test_a_manifest_without_the_columns_is_an_error(folder: Path, embedder: Embedder, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("file,mood\na/b.png,1\n")
    with pytest.raises(DataError, match="Male"):
        open_faces(folder, size=8, embedder=embedder, attributes=tmp_path / "m.csv")


def test_attributes_that_nobody_is_known_to_have_are_not_learned(
    folder: Path, embedder: Embedder, tmp_path: Path
) -> None:
    rows = [(f"p{k // 4}/{k}.png", k % 2) for k in range(40)]
    (tmp_path / "plain.csv").write_text("file,Smiling\n" + "".join(f"{f},{v}\n" for f, v in rows))
    (tmp_path / "empty.csv").write_text(
        "file,Bald,Smiling,age\n" + "".join(f"{f},,{v},\n" for f, v in rows) + "elsewhere/1.png,1,1,30\n"
    )
    plain, empty = (
        open_faces(folder, size=8, embedder=embedder, attributes=tmp_path / f"{name}.csv")
        for name in ("plain", "empty")
    )
    assert plain.vocabulary == empty.vocabulary == Vocabulary(("Smiling",))
    assert empty.fingerprint == plain.fingerprint
    assert np.array_equal(empty.attributes, plain.attributes)


def test_a_table_of_other_crops_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("file,Smiling\nelsewhere/000001.jpg,1\n")
    with pytest.raises(DataError, match=r"'elsewhere/000001\.jpg'.*'p0/0\.png'.*column 'file'"):
        open_faces(folder, size=8, attributes=tmp_path / "m.csv")
    (tmp_path / "good.csv").write_text("file,Smiling\np0/0.png,1\n")
    with pytest.raises(DataError, match=r"m\.csv: says nothing of the crops"):
        open_read_faces([(folder, tmp_path / "good.csv"), (folder, tmp_path / "m.csv")], size=8)
    assert len(open_read_faces([(folder, tmp_path / "good.csv")], size=8)) == 1


def test_embeddings_are_computed_once(
    folder: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_faces(folder, size=8, embedder=embedder)
    monkeypatch.setattr(Embedder, "embed", lambda *_: pytest.fail("computed again"))
    assert np.array_equal(open_faces(folder, size=8, embedder=embedder).centres, first.centres)


def test_an_unwritable_cache_is_named(folder: Path, embedder: Embedder, own_cache: Path) -> None:
    open_faces(folder, size=8)
    (own_cache / "targets").write_text("no folder")
    with pytest.raises(WriteFailed, match="RECOG_CACHE"):
        open_faces(folder, size=8, embedder=embedder)


def test_batches_depend_on_the_seed_alone(faces: FaceData) -> None:
    cpu = torch.device("cpu")
    one, again = (faces.batch(6, torch.Generator().manual_seed(2), cpu) for _ in range(2))
    assert torch.equal(one.images, again.images)
    assert one.images.shape == (6, 3, 16, 16)
    assert one.images.min() >= -1
    assert one.images.max() <= 1
    assert one.images.is_contiguous(memory_format=torch.channels_last)


def test_a_batch_keeps_faces_and_centres_together(faces: FaceData) -> None:
    batch = faces.batch(20, torch.Generator().manual_seed(0), torch.device("cpu"))
    originals = torch.from_numpy(faces.crops.images).permute(0, 3, 1, 2).float() / 127.5 - 1
    for image, centre in zip(batch.images, batch.centres, strict=True):
        rows = [
            row
            for row, face in enumerate(originals)
            if torch.equal(face, image) or torch.equal(face.flip(2), image)
        ]
        assert any(np.array_equal(faces.centres[row], centre.numpy()) for row in rows)


def test_conditions_have_entries_of_unit_size() -> None:
    centres = torch.nn.functional.normalize(torch.randn(5, 64), dim=1)
    given = condition(centres, torch.ones(5, 2))
    assert given.shape == (5, 66)
    assert float(given[:, :64].square().mean()) == pytest.approx(1, rel=1e-5)
