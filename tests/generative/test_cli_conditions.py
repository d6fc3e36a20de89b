"""Commands that ask for attributes, change faces, or read them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from generative.conditions import AGE, ATTRIBUTES
from generative.data import FaceData
from generative.training import train
from recog.cli import main
from recog.embedding import Embedder
from recog.gallery import Gallery
from recog.records import Model, Template
from recog.training.data import CropSet
from tests.generative.stand_ins import config, objective


@pytest.fixture
def workplace(
    faces: FaceData, crops: CropSet, embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Crops, a VAE and a reader; every embedder is the fake one."""
    monkeypatch.setattr(Embedder, "load", lambda *_, **__: embedder)
    monkeypatch.chdir(tmp_path)
    for file, image in zip(crops.files, crops.images, strict=True):
        (tmp_path / "crops" / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "crops" / file)
    for kind in ("vae", "reader"):
        train(config(kind), faces, objective(kind, faces, embedder), tmp_path / kind, "cpu")
    return tmp_path


def recog(line: str) -> Result:
    return CliRunner().invoke(main, line.split())


def conditions(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line)["conditions"] for line in (folder / "manifest.jsonl").read_text().splitlines()]


def test_faces_of_nobody_in_particular_show_what_is_asked(workplace: Path) -> None:
    line = "generate faces --attributes smiling,male,age=40 --count 3 --generator vae --out made"
    result = recog(line)
    assert result.exit_code == 0, result.output
    shown = conditions(workplace / "made")
    assert len(shown) == 3
    assert all((row["Smiling"], row["Male"], row[AGE]) == (1, 1, 40) for row in shown)
    assert len({path.parent for path in (workplace / "made").glob("*/*.png")}) == 3


def test_faces_like_somebody_enrolled(workplace: Path, embedder: Embedder, crops: CropSet) -> None:
    vector = embedder.embed(crops.images[:1])[0]
    with Gallery("people.gallery", create=True) as gallery:
        model = Model(embedder.name, embedder.digest, embedder.embedding_size)
        gallery.add("ada", [Template(vector, "d")], model)
    line = "generate faces --like ada --gallery people.gallery --count 2 --generator vae --out made"
    result = recog(line + " --attributes no-smiling")
    assert result.exit_code == 0, result.output
    assert [row["Smiling"] for row in conditions(workplace / "made")] == [-1, -1]
    absent = recog("generate faces --like bob --gallery people.gallery --generator vae --out other")
    assert absent.exit_code == 4
    assert "bob" in absent.stderr


def test_unknown_attributes_are_refused_before_anything_is_loaded(workplace: Path) -> None:
    result = recog("generate faces --attributes grumpy --generator nowhere --out made")
    assert result.exit_code == 4
    assert "'grumpy' is nothing to ask a face for" in result.stderr
    assert not (workplace / "made").exists()


def test_crops_are_edited_and_what_is_no_crop_is_named(workplace: Path) -> None:
    Image.new("RGB", (20, 10)).save(workplace / "wide.png")
    line = "generate edit crops/p0/0.png wide.png --set smiling=1 --set age=60 --aligned --generator vae"
    result = recog(f"{line} --reader reader --out edited --json")
    assert result.exit_code == 3, result.output
    said = json.loads(result.stdout)
    assert -1 <= said["identity_cosine"][0] <= 1
    assert "wide.png" in result.stderr
    before, after = (np.asarray(Image.open(p)) for p in ("crops/p0/0.png", said["changed"]))
    assert before.shape == after.shape


def test_crops_are_anonymised(workplace: Path) -> None:
    line = "generate anonymize crops/p0/0.png crops/p1/4.png --aligned --generator vae --reader reader"
    result = recog(f"{line} --out safe --json")
    assert result.exit_code == 0, result.output
    said = [json.loads(row) for row in result.stdout.splitlines()]
    assert [Path(row["changed"]).name for row in said] == ["0.png", "4.png"]
    assert not np.array_equal(*(np.asarray(Image.open(p)) for p in ("crops/p0/0.png", "safe/0.png")))


def test_a_strip_leads_from_face_to_face(workplace: Path) -> None:
    line = "generate interpolate crops/p0/0.png crops/p1/4.png --aligned --generator vae --reader reader"
    result = recog(f"{line} --steps 4 --out strip.png")
    assert result.exit_code == 0, result.output
    strip = np.asarray(Image.open("strip.png"))
    assert strip.shape[1] == 4 * strip.shape[0]


def test_labels_are_read_and_what_is_known_is_kept(workplace: Path) -> None:
    (workplace / "known.csv").write_text("file,Smiling\np0/0.png,1\np0/1.png,0\n")
    result = recog("generate label crops --reader reader --known known.csv --out labels.csv")
    assert result.exit_code == 0, result.output
    with (workplace / "labels.csv").open() as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert set(next(iter(rows.values()))) == {"file", *ATTRIBUTES, AGE}
    assert [rows[f]["Smiling"] for f in ("p0/0.png", "p0/1.png")] == ["1", "0"]
    assert {row["Smiling"] for row in rows.values()} == {"0", "1"}
    assert all(0 <= float(row[AGE]) <= 80 for row in rows.values())
    again = recog(
        "generate train vae --data crops --attributes labels.csv --total-kimg 0.008 --batch-size 4 "
        "--image-size 16 --out again"
    )
    assert again.exit_code == 0, again.output


def test_a_reader_learns_from_several_folders(workplace: Path) -> None:
    (workplace / "a.csv").write_text("file,Smiling\n" + "".join(f"p0/{k}.png,{k % 2}\n" for k in range(4)))
    (workplace / "b.csv").write_text(
        "file,age,sex\n" + "".join(f"p1/{k}.png,3{k},male\n" for k in range(4, 8))
    )
    line = "generate train reader --data crops --attributes a.csv --data crops --attributes b.csv --out r"
    result = recog(f"{line} --total-kimg 0.008 --batch-size 4 --image-size 32 --json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["faces"] == 8


def test_previews_go_to_tensorboard(workplace: Path) -> None:
    pytest.importorskip("tensorboard")
    line = "generate train vae --data crops --total-kimg 0.008 --batch-size 4 --image-size 16 --tensorboard"
    result = recog(f"{line} --out board")
    assert result.exit_code == 0, result.output
    assert list((workplace / "board" / "tensorboard").glob("events.*"))
