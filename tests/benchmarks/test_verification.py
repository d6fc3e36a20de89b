import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import exams, pairs, photos
from benchmarks.differentials import read_groups
from benchmarks.rows import Measurement, Row
from benchmarks.verification import marks, verify
from recog.alignment import TEMPLATE
from recog.errors import DataError, ModelNotFound, TooFewPairs
from recog.onnx_embedder import OnnxEmbedder
from recog.training.data import CropSet
from recog.types import Face
from tests.benchmarks.fakes import ColourEmbedder, people_of_colours


class CornerDetector:
    """Finds one face that fills a bright photo, none on a dark one."""

    def detect(self, image: np.ndarray) -> list[Face]:
        if image.mean() < 10:
            return []
        return [Face((0.0, 0.0, 112.0, 112.0), TEMPLATE.astype(np.float32), 1.0)]


@pytest.fixture
def lfw(tmp_path: Path) -> Path:
    """Two people of one colour each with three photos; ada's third photo is black."""
    colours = {"Ada_L": (250, 20, 20), "Bob": (20, 20, 250)}
    for name, colour in colours.items():
        (tmp_path / name).mkdir()
        for number in (1, 2, 3):
            black = name == "Ada_L" and number == 3
            picture = np.full((112, 112, 3), (0, 0, 0) if black else colour, np.uint8)
            Image.fromarray(picture).save(
                tmp_path / name / f"{name}_{number:04d}.{'png' if number == 1 else 'webp'}"
            )
    return tmp_path


PAIRS = "2\t2\nAda_L\t1\t2\nBob\t1\t2\nAda_L\t1\tBob\t1\nAda_L\t2\tBob\t2\n" + (
    "Ada_L\t1\t3\nBob\t1\t3\nAda_L\t1\tBob\t3\nAda_L\t3\tBob\t1\n"
)


def measured(exam: exams.Exam, **options: Any) -> dict[str, Row]:
    model = ColourEmbedder()
    found = verify(exam, exam.scores(model), arm=model.name, model=model.digest, device="cpu", **options)
    return {row.metric: row for row in found}


def test_lfw_pairs_and_folds(lfw: Path) -> None:
    (lfw / "pairs.txt").write_text(PAIRS)
    read = pairs.read_pairs(lfw / "pairs.txt", lfw)
    assert read.mated.tolist() == [True, True, False, False] * 2
    assert read.folds is not None
    assert read.folds.tolist() == [0] * 4 + [1] * 4
    assert read.photos[read.left[0]] == "Ada_L/Ada_L_0001.png"  # any extension
    assert read.photos[read.right[0]] == "Ada_L/Ada_L_0002.webp"
    sides = read.sides
    assert ((sides[0] == sides[1]) == read.mated).all()


def test_what_lies_beside_a_photo_is_not_taken_for_it(lfw: Path) -> None:
    (lfw / "pairs.txt").write_text(PAIRS)
    (lfw / "Ada_L" / "Ada_L_0001.txt").write_text("a note")
    read = pairs.read_pairs(lfw / "pairs.txt", lfw)
    assert read.photos[read.left[0]] == "Ada_L/Ada_L_0001.png"


def test_view_1_has_no_folds(lfw: Path) -> None:
    (lfw / "train.txt").write_text("Ada_L\t1\t2\nAda_L\t1\tBob\t1\n")
    assert pairs.read_pairs(lfw / "train.txt", lfw).folds is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2\t300\nAda_L\t1\t2\n", "promises 1200 pairs"),
        ("Ada_L\t1\t9\n", "Ada_L_0009"),
        ("Ada_L\tone\t2\n", "line 1"),
        ("\nAda_L\t1\t2\n\nAda_L\tone\t2\n", "line 4"),
        ("Cy\t1\t2\n", "Cy/Cy_0001"),
    ],
)
def test_bad_pairs_files_are_refused(lfw: Path, text: str, message: str) -> None:
    (lfw / "pairs.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        pairs.read_pairs(lfw / "pairs.txt", lfw)


def test_csv_pairs(lfw: Path) -> None:
    file = lfw / "pairs.csv"
    file.write_text("a,b,same,fold\nAda_L/Ada_L_0001.png,Ada_L/Ada_L_0002.webp,1,x\n"
                    "Ada_L/Ada_L_0001.png,Bob/Bob_0001.png,0,y\n")  # fmt: skip
    read = pairs.read_pairs(file, lfw)
    assert read.mated.tolist() == [True, False]
    assert read.folds is not None
    assert read.folds.tolist() == [0, 1]
    assert read.people[read.left[0]] == read.people[read.right[0]] != read.people[read.right[1]]


def test_a_byte_order_mark_is_no_part_of_a_name(lfw: Path) -> None:
    """Spreadsheets begin their CSV files with one."""
    file = lfw / "pairs.csv"
    file.write_text("a,b,same\nBob/Bob_0001.png,Bob/Bob_0002.webp,1\n", encoding="utf-8-sig")
    assert pairs.read_pairs(file, lfw).mated.tolist() == [True]
    groups = lfw / "groups.csv"
    groups.write_text("identity,age\nBob,old\n", encoding="utf-8-sig")
    assert read_groups(groups, "age").of == {"Bob": "old"}


def test_photos_of_a_csv_are_of_the_person_whose_folder_holds_them(lfw: Path) -> None:
    file = lfw / "pairs.csv"
    file.write_text(
        "a,b,same\nAda_L/Ada_L_0001.png,Bob/Bob_0001.png,0\nAda_L/Ada_L_0002.webp,Bob/Bob_0001.png,0\n"
    )
    read = pairs.read_pairs(file, lfw)
    assert len(np.unique(read.people)) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [("x,y\n1,2\n", "header"), ("a,b,same\nno.png,no.png,1\n", "no.png"),
     ("a,b,same\nBob/Bob_0001.png,Bob/Bob_0001.png,maybe\n", "line 2")],
)  # fmt: skip
def test_bad_csv_is_refused(lfw: Path, text: str, message: str) -> None:
    (lfw / "pairs.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        pairs.read_pairs(lfw / "pairs.csv", lfw)


def test_a_photo_without_a_face_stays_in_the_denominator(lfw: Path) -> None:
    (lfw / "pairs.txt").write_text(PAIRS)
    exam = exams.of_pairs(lfw, lfw / "pairs.txt", 112, detector=CornerDetector())
    assert exam.found.sum() == 5
    rows = measured(exam, resamples=20)
    assert rows["failure to enroll"].value == pytest.approx(1 / 6)
    assert rows["accuracy"].n == 8
    # Ada 1-3 is a miss and Ada 3 - Bob 1 is refused: one error among four in the second fold
    assert rows["accuracy"].details["folds"] == [1.0, 0.75]
    assert "TAR@FMR=1e-2" not in rows  # four non-mated pairs cannot show it


def test_landmarks_replace_detection(lfw: Path) -> None:
    (lfw / "pairs.txt").write_text(PAIRS)
    points = " ".join(f"{v:.2f}" for v in TEMPLATE.ravel())
    names = [f"{n}/{n}_{k:04d}.jpg" for n in ("Ada_L", "Bob") for k in (1, 2, 3)]
    (lfw / "landmarks.txt").write_text("".join(f"{name} {points}\n" for name in names))
    exam = exams.of_pairs(lfw, lfw / "pairs.txt", 112, landmarks=lfw / "landmarks.txt")
    assert exam.found.all()
    assert exam.crops[exam.pairs.left[0]][56, 56].tolist() == [250, 20, 20]
    (lfw / "landmarks.txt").write_text(f"{names[0]} {points}\n")
    with pytest.raises(DataError, match="no landmarks"):
        exams.of_pairs(lfw, lfw / "pairs.txt", 112, landmarks=lfw / "landmarks.txt")


def test_landmarks_name_photos_with_or_without_extension(tmp_path: Path) -> None:
    points = " ".join(["1"] * 10)
    names = ["Ada/Ada_0001", "Bob/Bob_0001.JPG", "J._P._M/J._P._M_0001", "J._P._M/J._P._M_0002.webp"]
    (tmp_path / "landmarks.txt").write_text("".join(f"{name} {points}\n" for name in names))
    assert sorted(photos.read_landmarks(tmp_path / "landmarks.txt")) == [
        "Ada/Ada_0001",
        "Bob/Bob_0001",
        "J._P._M/J._P._M_0001",
        "J._P._M/J._P._M_0002",
    ]


def test_the_subject_is_large_and_central() -> None:
    centre, corner, speck = (100, 100, 150, 150), (0, 0, 60, 60), (120, 120, 130, 130)
    assert photos.subject([corner, centre, speck], (250, 250, 3)) == 1


def test_all_pairs_and_a_sample_of_them() -> None:
    crops = people_of_colours(people=4, photos=3)
    full = exams.of_crops(crops, "colours").pairs
    assert len(full) == 12 * 11 // 2
    assert full.mated.sum() == 4 * 3
    few = exams.of_crops(crops, "colours", most_non_mated=10, seed=1).pairs
    assert few.mated.sum() == 12
    assert len(few) == 22
    assert (few.mated == (few.people[few.left] == few.people[few.right])).all()
    assert (few.left < few.right).all()
    assert len(set(zip(few.left.tolist(), few.right.tolist(), strict=True))) == len(few)
    again = exams.of_crops(crops, "colours", most_non_mated=10, seed=1).pairs
    assert (few.left == again.left).all()
    assert (full.left == np.triu_indices(12, 1)[0]).all()
    assert (full.right == np.triu_indices(12, 1)[1]).all()
    with pytest.raises(TooFewPairs):
        exams.of_crops(crops.of_identities(["p0"]), "one person")


def test_pairs_of_a_large_folder_are_drawn_not_listed() -> None:
    """All pairs of 30,000 photos are 450 million: a list of them takes 15 GB."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(6_000), 5))
    tracemalloc.start()
    try:
        drawn = pairs.all_pairs(labels, [""] * len(labels), most_non_mated=100_000)
        assert tracemalloc.get_traced_memory()[1] < 200e6
    finally:
        tracemalloc.stop()
    assert drawn.mated.sum() == 6_000 * 10
    assert len(drawn) == 160_000
    places = drawn.left * len(labels) + drawn.right
    assert len(np.unique(places)) == len(places)
    others = drawn.left[~drawn.mated] / len(labels)  # uniform over pairs i < j: i lies at a third on average
    assert others.mean() == pytest.approx(1 / 3, abs=0.005)


def marked(exam: exams.Exam) -> dict[str, Measurement]:
    return {found.metric: found for found in marks(exam, exam.scores(ColourEmbedder()))}


def test_a_perfect_embedder_is_measured_as_perfect() -> None:
    exam = exams.of_crops(people_of_colours(people=8, photos=4), "colours")
    rows = measured(exam, resamples=30)
    assert rows["TAR@FMR=1e-2"].value == 1.0
    assert rows["TAR@FMR=1e-2"].ci95 == (pytest.approx(0.025 ** (1 / 8)), 1.0)  # as of eight people
    assert rows["AUC"].value == 1.0
    assert rows["TAR@FMR=1e-2"].model == ColourEmbedder.digest
    assert "accuracy" not in rows  # refusing everyone would be 89 % accurate here
    accuracy = marked(exam)["accuracy"]
    assert (accuracy.value, accuracy.n) == (1.0, 2 * 8 * 6)


def test_rows_say_how_the_scores_were_made_and_what_they_took() -> None:
    exam = exams.of_crops(people_of_colours(people=4, photos=4), "colours")
    rows = measured(exam, resamples=10, flip=False, seconds=1000.0)
    assert {row.protocol for row in rows.values()} == {f"{exam.protocol}; without mirror images"}
    assert {row.arm for row in rows.values()} == {"colour"}
    assert rows["AUC"].seconds >= 1000.0


def test_a_blind_embedder_is_measured_as_chance() -> None:
    crops = people_of_colours(people=8, photos=4)
    noise = np.random.default_rng(0).integers(0, 255, crops.images.shape, dtype=np.uint8)
    exam = exams.of_crops(CropSet(noise, crops.labels, crops.identities, crops.files), "noise")
    assert marked(exam)["accuracy"].value < 0.7


def test_the_plan_changes_with_pixels_and_model() -> None:
    crops = people_of_colours(people=4, photos=4)
    brighter = CropSet(crops.images // 2, crops.labels, crops.identities, crops.files)
    plans = {
        measured(exams.of_crops(c, "colours"), resamples=10)["AUC"].plan for c in (crops, crops, brighter)
    }
    assert len(plans) == 2


def test_onnx_embedder_normalises_as_told(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 4])
    vector = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])]
    graph = helper.make_graph(nodes, "mean", [image], [vector])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, tmp_path / "mean.onnx")
    crop = np.zeros((2, 8, 8, 3), np.uint8)
    crop[..., 0] = 255  # red
    plain = OnnxEmbedder(tmp_path / "mean.onnx", mean=0.0, scale=255.0)
    assert plain.image_size == 4
    assert plain.embed(crop) == pytest.approx(np.array([[1.0, 0, 0]] * 2))
    assert OnnxEmbedder(tmp_path / "mean.onnx", mean=0.0, scale=255.0, bgr=True).embed(crop)[0][2] == 1.0
    centred = OnnxEmbedder(tmp_path / "mean.onnx").embed(crop[:1], flip=False)[0]
    expected = np.array([127.5, -127.5, -127.5])
    assert centred == pytest.approx(expected / np.linalg.norm(expected))
    assert plain.digest != OnnxEmbedder(tmp_path / "mean.onnx").digest
    assert plain.embed(crop[:0]).shape == (0, 3)
    for port in (image, vector):
        port.type.tensor_type.elem_type = TensorProto.FLOAT16
    halved = helper.make_graph(nodes, "mean", [image, vector][:1], [vector])
    onnx.save(
        helper.make_model(halved, opset_imports=[helper.make_opsetid("", 13)], ir_version=8),
        tmp_path / "half.onnx",
    )
    with pytest.raises(DataError, match="float16"):
        OnnxEmbedder(tmp_path / "half.onnx")
    with pytest.raises(ModelNotFound):
        OnnxEmbedder(tmp_path / "none.onnx")


def test_a_damaged_crop_is_a_missing_face(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (200, 0, 0)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    _, found = photos.from_crops(tmp_path, ["good.png", "bad.png"], 16)
    assert found.tolist() == [True, False]
    with pytest.raises(DataError, match="None of 1 photos"):
        photos.from_crops(tmp_path, ["bad.png"], 16)
