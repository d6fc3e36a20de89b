"""Commands that ask for attributes, change faces, or read them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from generative.conditions import AGE, ATTRIBUTES, Vocabulary
from generative.editing import Editor
from generative.pasting import oval
from generative.training import train
from recog.alignment import align, template
from recog.cli import main
from recog.embedding import Embedder
from recog.gallery import Gallery
from recog.records import Model, Template
from recog.training.data import CropSet
from recog.types import Face
from tests.generative.stand_ins import config, make_embedder, make_faces, objective


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


def test_of_hair_colours_those_follow_that_the_generator_knows(
    workplace: Path, crops: CropSet, embedder: Embedder
) -> None:
    faces = make_faces(crops, embedder, Vocabulary(("Blond_Hair", "Brown_Hair", "Smiling")))
    train(config("vae"), faces, objective("vae", faces, embedder), workplace / "fair", "cpu")
    result = recog("generate faces --attributes blond-hair --count 2 --generator fair --out made")
    assert result.exit_code == 0, result.output
    for row in conditions(workplace / "made"):
        assert (row["Blond_Hair"], row["Brown_Hair"]) == (1, -1)
        assert set(row) == {"Blond_Hair", "Brown_Hair", "Smiling"}
    change = "generate edit crops/p0/0.png --aligned --generator fair --reader reader --out edited --set"
    assert recog(f"{change} blond-hair").exit_code == 0
    refused = recog(f"{change} black-hair")
    assert refused.exit_code == 4
    assert "knows no 'Black_Hair'; it knows Blond_Hair, Brown_Hair, Smiling" in refused.stderr


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


def test_crops_are_edited_and_what_is_no_crop_is_named(workplace: Path, embedder: Embedder) -> None:
    Image.new("RGB", (20, 10)).save(workplace / "wide.png")
    line = "generate edit crops/p0/0.png wide.png --set smiling=1 --set age=60 --aligned --generator vae"
    result = recog(f"{line} --reader reader --out edited --json")
    assert result.exit_code == 3, result.output
    said = json.loads(result.stdout)
    assert "wide.png" in result.stderr
    before, after = (np.asarray(Image.open(p)) for p in ("crops/p0/0.png", said["changed"]))
    editor = Editor.load("vae", embedder, "reader", "cpu")
    change = editor.changes(before[None], {"Smiling": 1.0, AGE: 60.0})[0]
    assert (np.rint(change) != 0).any()
    assert np.array_equal(after, np.clip(np.rint(before + change), 0, 255))
    assert said["identity_cosine"] == [pytest.approx(cosine(embedder, before, after), abs=1e-3)]


def test_faces_on_photos_are_edited_and_the_rest_is_left(
    workplace: Path, crops: CropSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = np.full((64, 80, 3), 90, np.uint8)
    photo[20:52, 30:62] = crops.images[0].repeat(2, axis=0).repeat(2, axis=1)
    Image.fromarray(photo).save("photo.png")
    monkeypatch.setattr("generative.cli.photos.load_detector", lambda device: One())
    line = "generate edit photo.png --set smiling=1 --set age=60 --strength 4 --generator vae --reader reader"
    result = recog(f"{line} --out edited")
    assert result.exit_code == 0, result.output
    changed = (np.asarray(Image.open("edited/photo.png")) != photo).any(axis=2)
    assert changed[26:46, 36:56].mean() > 0.5
    changed[19:53, 29:63] = False
    assert not changed.any()


class One:
    """Finds the face that the test has put there."""

    def detect(self, image: np.ndarray) -> list[Face]:
        return [Face((30.0, 20.0, 62.0, 52.0), (template(32) + np.array([30, 20])).astype(np.float32), 1.0)]


def cosine(embedder: Embedder, *crops: np.ndarray) -> float:
    first, second = embedder.embed(np.stack(crops))
    return float(first @ second)


ANONYMIZE = (
    "generate anonymize crops/p0/0.png crops/p1/4.png --aligned --generator vae --reader reader --json"
)


def test_crops_are_anonymised(workplace: Path, embedder: Embedder) -> None:
    result = recog(f"{ANONYMIZE} --out safe")
    assert result.exit_code == 0, result.output
    said = [json.loads(row) for row in result.stdout.splitlines()]
    assert [Path(row["changed"]).name for row in said] == ["0.png", "4.png"]
    for row in said:
        before, after = (np.asarray(Image.open(row[name])) for name in ("photo", "changed"))
        inside = oval(len(before)) == 1
        assert (before != after).any(axis=2)[inside].mean() > 0.9
        assert np.array_equal(before[oval(len(before)) == 0], after[oval(len(before)) == 0])
        seen = (align(image, template(len(image))) for image in (before, after))
        assert row["identity_cosine"] == [pytest.approx(cosine(embedder, *seen), abs=1e-3)]
        assert row["still_recognised"] is None  # this embedder's card says nothing


@pytest.mark.parametrize(("threshold", "recognised"), [(-1.0, True), (1.0, False)])
def test_faces_that_are_still_recognised_are_named(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, threshold: float, recognised: bool
) -> None:
    monkeypatch.setattr(Embedder, "load", lambda *_, **__: make_embedder(threshold=threshold))
    result = recog(f"{ANONYMIZE} --out safe")
    said = [json.loads(row) for row in result.stdout.splitlines()]
    assert [row["still_recognised"] for row in said] == [recognised] * 2
    assert all(Path(row["changed"]).is_file() for row in said)
    assert result.exit_code == (3 if recognised else 0)
    assert [f"{row['changed']}: still recognised" in result.stderr for row in said] == [recognised] * 2
    again = recog(f"{ANONYMIZE} --out other")
    for row, other in zip(said, map(json.loads, again.stdout.splitlines()), strict=True):
        assert Path(row["changed"]).read_bytes() == Path(other["changed"]).read_bytes()


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


@pytest.mark.parametrize(
    "line",
    ["generate train vae --data crops --attributes labels.csv", "generate label crops --known labels.csv"],
)
def test_a_table_of_other_crops_is_refused(workplace: Path, line: str) -> None:
    (workplace / "labels.csv").write_text("file,Smiling\nelsewhere/000001.jpg,1\n")
    result = recog(f"{line} --reader reader --out made")
    assert result.exit_code == 4
    assert "'elsewhere/000001.jpg'" in result.stderr
    assert "'p0/0.png'" in result.stderr
    assert not (workplace / "made").exists()


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
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(workplace / "board" / "tensorboard"))
    events.Reload()
    line = json.loads((workplace / "board" / "stats.jsonl").read_text())
    shown = {name: events.Scalars(name) for name in events.Tags()["scalars"]}
    assert {"vae", "l1", "kl_nats"} <= set(shown)
    for name, points in shown.items():
        assert [point.step for point in points] == [2]
        assert points[0].value == pytest.approx(line[name], rel=1e-5)
    (preview,) = events.Images("samples")
    (grid,) = (workplace / "board").glob("grid-*.png")
    drawn = np.asarray(Image.open(io.BytesIO(preview.encoded_image_string)))
    assert np.array_equal(drawn, np.asarray(Image.open(grid)))
