"""`recog info | calibrate | doctor | models`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ColourEmbedder
from tests.recog.cli.tools import Call, Photo, objects


@pytest.mark.usefixtures("people")
def test_info_tells_what_the_gallery_holds(call: Call, gallery_path: Path) -> None:
    (told,) = objects(call("info", "--json"))
    assert (told["people"], told["templates"], told["model"]) == (2, 2, "colour")
    assert told["digest"] == ColourEmbedder().digest
    assert told["bytes"] == gallery_path.stat().st_size
    call("info", "--gallery", "nowhere.gallery", code=4)


@pytest.mark.usefixtures("people")
def test_info_shows_the_threshold_in_force(call: Call) -> None:
    (told,) = objects(call("info", "--json"))
    assert {name: (t["threshold"], t["source"]) for name, t in told["thresholds"].items()} == {
        "verify": (0.9, "model card"),
        "query": (0.95, "model card"),
    }


@pytest.mark.usefixtures("people")
def test_calibrate_stores_both_thresholds(call: Call, photo: Photo, tmp_path: Path) -> None:
    for i in range(5):
        photo(f"strangers/p{i}/1.png", 20 + 10 * i)
    found = objects(call("calibrate", tmp_path / "strangers", "--fmr", 0.2, "--fpir", 0.2, "--json"))
    assert [f["purpose"] for f in found] == ["verify", "query"]
    assert found[1]["low"] <= 0.2 <= found[1]["high"]
    (told,) = objects(call("info", "--json"))
    assert told["thresholds"]["query"]["threshold"] == found[1]["threshold"]
    call("calibrate", tmp_path / "strangers", code=4)  # too few for the usual rates
    call("calibrate", "--fmr", 0, code=2)
    assert "model card" in call("calibrate").stdout


@pytest.mark.usefixtures("people")
def test_calibrate_names_what_it_leaves_out(call: Call, photo: Photo, tmp_path: Path) -> None:
    for i in range(5):
        photo(f"strangers/p{i}/1.png", 20 + 10 * i)
    photo("strangers/p5/empty.png")
    result = call("calibrate", tmp_path / "strangers", "--fmr", 0.2, "--fpir", 0.2, "--json", code=3)
    assert [f["purpose"] for f in objects(result)] == ["verify", "query"]
    assert "empty.png: no face found" in result.stderr
    few = call("calibrate", tmp_path / "strangers", "--fmr", 0.2, "--fpir", 0.1, code=4)
    assert "An FPIR of 0.1 needs at least 10 people" in few.stderr


def test_doctor_checks_everything(call: Call, gallery_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = objects(call("doctor", "--json", "--device", "cpu"))
    assert [f["check"] for f in found] == ["packages", "device", "detector", "embedder", "gallery"]
    gallery_path.write_bytes(b"no gallery" * 100)
    broken = {f["check"]: f for f in objects(call("doctor", "--json", code=3))}
    assert not broken["gallery"]["ok"]
    assert "not a gallery" in broken["gallery"]["detail"]


def test_models(call: Call) -> None:
    names = [o["name"] for o in objects(call("models", "list", "--json"))]
    assert "recog-s" in names
    assert "licence" in call("models", "show", "bundled").stdout
    assert "Known" in call("models", "show", "nothing", code=4).stderr
