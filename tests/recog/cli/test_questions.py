"""`recog query | verify | embed | quality`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recog.embedding import Embedder
from tests.conftest import ColourEmbedder
from tests.recog.cli.tools import Call, Photo, objects


@pytest.mark.usefixtures("people")
def test_query_json_is_as_documented(call: Call, photo: Photo) -> None:
    probe = photo("probe.png", 5)
    (answer,) = objects(call("query", probe, "--json", "-k", 1))
    documented = (
        "photo box confidence quality status identity similarity threshold candidates error margin repaired"
    )
    assert list(answer) == documented.split()
    assert answer["photo"] == str(probe)
    assert answer["box"] == [0, 0, 64, 64]
    assert (answer["status"], answer["identity"], answer["threshold"]) == ("match", "ada", 0.95)
    assert answer["candidates"] == [{"identity": "ada", "similarity": answer["similarity"]}]
    assert answer["similarity"] == pytest.approx(np.cos(np.radians(5)), abs=1e-3)
    assert answer["error"] is None
    assert answer["repaired"] is None  # nobody asked for it
    assert answer["margin"] > 0.5  # over bob, though one candidate was asked for


@pytest.mark.usefixtures("people")
def test_query_exit_codes(call: Call, photo: Photo) -> None:
    known, stranger, empty = photo("k.png", 1), photo("s.png", 40), photo("e.png")
    call("query", known, stranger)
    assert "unknown" in call("query", stranger, code=1).stdout
    call("query", stranger, "--threshold", 0.5)
    call("query", known, empty, code=3)
    call("query", stranger, "missing.jpg", code=3)
    result = call("query", empty, "missing.jpg", "--json", code=4)
    assert [o["status"] for o in objects(result)] == ["no_face", "error"]
    assert "no face found" in result.stderr
    assert "no such file" in result.stderr
    call("query", code=2)
    call("query", known, "-k", 0, code=2)
    call("query", known, "--threshold", 2, code=2)


@pytest.mark.usefixtures("people")
def test_query_takes_folders_and_standard_input(call: Call, photo: Photo, tmp_path: Path) -> None:
    one, two = photo("party/1.png", 1), photo("party/deep/2.png", 2)
    assert [o["photo"] for o in objects(call("query", tmp_path / "party", "--json"))] == [str(one), str(two)]
    assert [o["photo"] for o in objects(call("query", "-", "--json", stdin=f"{two}\n{one}\n"))] == [
        str(two),
        str(one),
    ]
    assert "standard input is empty" in call("query", "-", code=4).stderr


def test_query_without_a_gallery(call: Call, photo: Photo, gallery_path: Path) -> None:
    assert "no gallery here" in call("query", photo("p.png", 0), code=4).stderr
    assert not gallery_path.exists()


def test_a_file_name_that_is_no_text_costs_no_answer(call: Call, photo: Photo) -> None:
    call("enroll", "ada", photo("a.png", 0))
    result = call("query", "no-such-\udcff.jpg", photo("b.png", 0), "--json", code=3)
    assert [json.loads(line)["status"] for line in result.stdout.splitlines()] == ["error", "match"]


def test_verify_answers_yes_or_no(call: Call, photo: Photo, gallery_path: Path) -> None:
    a, b, c = photo("a.png", 0), photo("b.png", 10), photo("c.png", 60)
    (same,) = objects(call("verify", a, b, "--json"))
    assert same == {
        "same": True,
        "similarity": pytest.approx(np.cos(np.radians(10)), abs=0.01),
        "threshold": 0.9,
        "probability": None,
    }
    (other,) = objects(call("verify", a, c, "--json", code=1))
    assert not other["same"]
    assert "not the same" in call("verify", a, c, code=1).stdout
    assert not gallery_path.exists()


def test_verify_cannot_answer_without_faces(call: Call, photo: Photo) -> None:
    a = photo("a.png", 0)
    call("verify", a, "missing.jpg", code=4)
    call("verify", a, photo("empty.png"), code=4)
    call("verify", a, photo("two.png", 0, 5), code=4)
    call("verify", a, photo("two.png", 0, 5), "--largest")
    call("verify", a, code=2)


@pytest.mark.parametrize("threshold", ["nan", "2"])
def test_thresholds_are_cosines(call: Call, photo: Photo, threshold: str) -> None:
    call("verify", photo("a.png", 0), photo("b.png", 0), "--threshold", threshold, code=2)


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("command", ["verify", "embed", "quality"])
def test_what_needs_no_gallery_takes_any_model(
    command: str, call: Call, photo: Photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default gallery is another model's: that must not decide here."""
    other = ColourEmbedder("d1" * 32)
    monkeypatch.setattr(Embedder, "load", lambda name, device="auto", fetch=True: other)
    one = photo("one.png", 0)
    more = {"verify": [one], "embed": ["--out", tmp_path / "o.npz"], "quality": []}[command]
    call(command, one, *more, "--model", "other")
    call("query", one, "--model", "other", code=4)


def test_embed_writes_the_documented_arrays(call: Call, photo: Photo, tmp_path: Path) -> None:
    two, empty, out = photo("two.png", 0, 90), photo("empty.png"), tmp_path / "faces.npz"
    (told,) = objects(call("embed", two, empty, "missing.jpg", "--out", out, "--json", code=3))
    assert (told["faces"], told["failed"]) == (2, 2)
    with np.load(out, allow_pickle=False) as arrays:
        assert set(arrays) == {"photo", "face", "box", "embedding", "failed"}
        assert arrays["photo"].tolist() == [str(two)] * 2
        assert arrays["face"].tolist() == [0, 1]
        assert arrays["box"].shape == (2, 4)
        np.testing.assert_allclose(arrays["embedding"], [[1, 0], [0, 1]], atol=0.01)
        assert arrays["failed"].tolist() == [str(empty), "missing.jpg"]
    assert objects(call("embed", two, "--out", out, "--json", "--largest"))[0]["faces"] == 1
    assert objects(call("embed", photo("crop.png", 5), "--out", out, "--json", "--aligned"))[0]["faces"] == 1
    call("embed", two, code=2)
    (tmp_path / "file").touch()
    call("embed", two, "--out", tmp_path / "file" / "x.npz", code=4)


@pytest.mark.usefixtures("people")
def test_embed_finds_a_bad_place_before_it_works(call: Call, photo: Photo, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = call("embed", photo("a.png", 0), "--out", tmp_path / "file" / "x.npz", code=4)
    assert "Choose another place" in result.stderr


def test_quality_names_the_weakest_part(call: Call, photo: Photo) -> None:
    good, empty = photo("a.png", 10), photo("empty.png")
    (face,) = objects(call("quality", good, "--json"))
    assert list(face)[:3] == ["photo", "box", "quality"]
    assert set(face) >= {"size", "sharpness", "pose", "illumination", "confidence", "embedding"}
    assert 0 < face["quality"] < 1
    assert face["sharpness"] == 0.0  # painted in one colour
    assert "weakest in" in call("quality", good).stdout
    assert "no face" in call("quality", good, empty, code=3).stderr


@pytest.mark.usefixtures("people")
def test_query_repairs_when_asked_and_says_so(
    call: Call, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Turns:
        """Takes dark faces for damaged and brightens them."""

        @classmethod
        def load(cls, device: str) -> Turns:
            assert device == "auto"
            return cls()

        def __call__(self, crops: np.ndarray) -> np.ndarray:
            return np.where(crops.mean(axis=(1, 2, 3), keepdims=True) < 60, crops * 2, crops)

        def where_it_helps(self, crops: np.ndarray) -> np.ndarray:
            """Leaves the very dark alone."""
            return np.where(crops.mean(axis=(1, 2, 3), keepdims=True) < 20, crops, self(crops))

    monkeypatch.setattr("generative.repair.Repairer", Turns)
    whole, dark = photo("whole.png", 5), photo("dark.png", 5)
    picture = np.asarray(Image.open(dark)) // 2
    Image.fromarray(picture).save(dark)
    Image.fromarray(picture // 4).save(night := dark.with_name("night.png"))
    answers = objects(call("query", whole, dark, "--json", "--repair", "always"))
    assert [answer["repaired"] for answer in answers] == [False, True]
    assert [answer["identity"] for answer in answers] == ["ada", "ada"]
    said = call("query", whole, dark, "--repair", "always").stdout.splitlines()
    assert [", repaired" in line for line in said] == [False, True]
    assert ", repaired" not in call("query", dark, "--repair", "never").stdout
    for repair, expected in (("always", [False, True, True]), ("auto", [False, True, False])):
        answers = objects(call("query", whole, dark, night, "--json", "--repair", repair))
        assert [answer["repaired"] for answer in answers] == expected, repair
    assert "for photos" in call("query", "--camera", 0, "--repair", "always", code=2).stderr
