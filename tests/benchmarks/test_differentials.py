"""Error rates by group, and peers."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from benchmarks import peers
from benchmarks.cli.verify import PEERS
from benchmarks.differentials import by_group, read_groups
from benchmarks.exams import of_crops
from benchmarks.metrics import roc_points
from benchmarks.verification import verify
from recog.errors import ConfigError, DataError
from tests.benchmarks.fakes import people_of_colours

CROPS = people_of_colours(people=30, photos=3)
EXAM = of_crops(CROPS, "colours")


def scores() -> np.ndarray:
    """Half of the mated pairs of people below 15 score low, and four pairs of strangers among them high."""
    rng = np.random.default_rng(0)
    left, right = EXAM.pairs.sides
    made = np.where(EXAM.pairs.mated, 0.9, 0.1) + rng.normal(0, 0.01, len(EXAM.pairs))
    hard = EXAM.pairs.mated & (left < 15) & (rng.random(len(made)) < 0.5)
    alike = ~EXAM.pairs.mated & (left < 15) & (right < 15)
    made[np.flatnonzero(alike)[:4]] = [0.8, 0.81, 0.82, 0.83]  # FMR 0.001 of 3,915 pairs lets 3 through
    return np.where(hard, -0.5, made)


def test_groups_are_told_apart(tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    lines = [f"p{k},{'young' if k < 15 else 'old'}" for k in range(30)]
    table.write_text("identity,age\n" + "\n".join(lines) + "\n")
    found = {one.metric: one.value for one in by_group(EXAM, scores(), read_groups(table, "age"))}
    assert found["FNMR of age=old, FMR 0.001 overall"] == 0.0
    assert found["FNMR of age=young, FMR 0.001 overall"] == pytest.approx(0.5, abs=0.2)
    assert found["FMR of age=old, FMR 0.001 overall"] == 0.0
    assert found["FMR of age=young, FMR 0.001 overall"] == pytest.approx(3 / 945)


def test_groups_of_single_photos(tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    table.write_text("file,light\n" + "\n".join(f"train/{name},dim" for name in CROPS.files) + "\n")
    groups = read_groups(table, "light")
    assert groups.of[CROPS.files[0]] == "dim"
    (fmr, fnmr) = by_group(EXAM, scores(), groups)
    assert fmr.n + fnmr.n == len(EXAM.pairs)


def test_who_has_no_group_is_in_none(tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    table.write_text("identity,age\n" + "\n".join(f"p{k},old" for k in range(10)) + "\np10,\np11\n")
    groups = read_groups(table, "age")
    assert len(groups.of) == 10
    counted = {one.metric.split(",")[0]: one.n for one in by_group(EXAM, scores(), groups)}
    assert counted == {"FMR of age=old": 10 * 9 // 2 * 9, "FNMR of age=old": 10 * 3}


def test_unfit_lists_are_named(tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    table.write_text("identity,age\nnobody,old\n")
    with pytest.raises(DataError, match="column 'sex'"):
        read_groups(table, "sex")
    with pytest.raises(DataError, match="none of its photos"):
        by_group(EXAM, scores(), read_groups(table, "age"))
    with pytest.raises(DataError, match="cannot be read"):
        read_groups(tmp_path / "none.csv", "age")


def test_curve_points_are_operating_points() -> None:
    points = roc_points(scores(), EXAM.pairs.mated)
    fmr, tar = np.array(points).T
    assert (np.diff(fmr) > 0).all()
    assert (np.diff(tar) >= 0).all()
    assert points[-1] == [1.0, 1.0]
    assert points[0][1] == pytest.approx(0.75, abs=0.1)


def test_the_command_line_knows_the_peers() -> None:
    assert set(PEERS) == set(peers.PEERS)


def test_a_peer_is_measured_by_its_own_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is replaced by one that finds a face wherever a photo is not black, and sees its colour."""
    package = SimpleNamespace(
        face_locations=lambda image: [(0, image.shape[1], image.shape[0], 0)] if image.any() else [],
        face_encodings=lambda image, known_face_locations: [image.mean((0, 1)) / 255],
    )
    monkeypatch.setitem(sys.modules, "face_recognition", package)
    monkeypatch.setitem(sys.modules, "dlib", SimpleNamespace(__version__="1"))
    monkeypatch.setattr("benchmarks.peers.metadata.version", lambda name: "2")
    lines = []
    for person, colour in enumerate([(250, 0, 0), (0, 250, 0), (0, 0, 250), (0, 0, 0)]):
        for number in range(2):
            path = tmp_path / f"p{person}" / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            Image.new("RGB", (20, 20), colour).save(path)
        lines.append(f"p{person}/0.png,p{person}/1.png,1,{person % 2}")
        lines.append(f"p{person}/0.png,p{(person + 1) % 3}/0.png,0,{person % 2}")
    (tmp_path / "pairs.csv").write_text("a,b,same,fold\n" + "\n".join(lines) + "\n")
    peer = peers.face_recognition()
    assert peer.name == "face_recognition 2, dlib 1"
    trials, scores = peers.examine(tmp_path, tmp_path / "pairs.csv", peer)
    assert trials.found.sum() == 6
    assert scores.tolist() == pytest.approx([1, 1 - 2**0.5 * 250 / 255] * 3 + [-1, -1], abs=1e-6)
    measured = verify(trials, scores, arm=peer.name, model=peer.digest, resamples=20)
    rows = {row.metric: row for row in measured}
    assert rows["accuracy"].value == pytest.approx(7 / 8)  # who is never found is never verified
    assert rows["failure to enroll"].value == 0.25


def test_a_missing_peer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "face_recognition", None)
    with pytest.raises(ConfigError, match=r"recog\[peers\]"):
        peers.face_recognition()
