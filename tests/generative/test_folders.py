"""Folders of made-up people: what the manifest says is what is there, and how it came about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from generative.conditions import AGE, ATTRIBUTES
from generative.data import FaceData
from generative.folders import PeopleFolder
from generative.synthesis import Candidates, Synthesizer
from recog import checkpoints
from recog.embedding import Embedder
from recog.errors import ConfigError, DataError, WriteFailed
from recog.training.data import open_crops

FIELDS = ["file", "identity", "source", "conditions", "seed", "candidate", "candidates", "scores"]
COMMON = ["asked", "max_similarity", "similarity_window", "spread", "weights"]
CALL: dict[str, Any] = {"count": 2, "asked": {"Smiling": 1.0}, "max_similarity": 0.9}


@pytest.fixture
def people(synthesizer: Synthesizer) -> list[Candidates]:
    """Two people, three photos each, of six candidates."""
    sitters = synthesizer.strangers(2, seed=7, max_similarity=0.9)
    return [synthesizer.sitting(one, 3, candidates=2, conditions=CALL["asked"]) for one in sitters]


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_folder_and_manifest_agree(
    synthesizer: Synthesizer, people: list[Candidates], embedder: Embedder, tmp_path: Path
) -> None:
    out = tmp_path / "cast"
    folder = PeopleFolder(out, CALL, synthesizer)
    for made in people:
        folder.add(made)
    rows = lines(out / "manifest.jsonl")
    assert len(rows) == 6
    assert list(rows[0]) == [*FIELDS, *COMMON]
    assert all(row["weights"] == synthesizer.digest for row in rows)
    assert all((row["asked"], row["max_similarity"]) == ({"Smiling": 1}, 0.9) for row in rows)
    assert set(rows[0]["conditions"]) == {*ATTRIBUTES, AGE}
    image = np.asarray(Image.open(out / rows[-1]["file"]))
    assert np.array_equal(image, people[1].person.images[2])
    cosine = float(embedder.embed(image[None])[0] @ people[1].sitter.centre)
    assert rows[-1]["scores"]["identity_cosine"] == pytest.approx(cosine, abs=1e-3)
    assert open_crops(out, size=16).identities == tuple(made.sitter.identity for made in people)
    assert folder.photos == {made.sitter.identity: rows[k * 3 : k * 3 + 3] for k, made in enumerate(people)}


def test_what_was_not_kept_is_listed_with_the_reason(
    synthesizer: Synthesizer, people: list[Candidates], embedder: Embedder, tmp_path: Path
) -> None:
    folder = PeopleFolder(tmp_path / "cast", CALL, synthesizer)
    folder.add(people[0])
    rows = lines(tmp_path / "cast" / "rejected.jsonl")
    assert list(rows[0]) == [*FIELDS, *COMMON, "reason"]
    assert {row["file"] for row in rows} == {None}
    assert {row["reason"] for row in rows} <= {"copy", "duplicate", "outside_window", "less_clear"}
    kept = [row["candidate"] for row in lines(tmp_path / "cast" / "manifest.jsonl")]
    assert sorted(kept + [row["candidate"] for row in rows]) == list(range(6))
    for row in rows:
        vector = embedder.embed(people[0].images[row["candidate"]][None])[0]
        cosine = float(vector @ people[0].sitter.centre)
        assert row["scores"]["identity_cosine"] == pytest.approx(cosine, abs=1e-3)


def test_photos_can_be_made_again_from_what_the_folder_says(
    synthesizer: Synthesizer, people: list[Candidates], tmp_path: Path
) -> None:
    folder = PeopleFolder(tmp_path / "cast", CALL, synthesizer)
    folder.add(people[1])
    for row in lines(tmp_path / "cast" / "manifest.jsonl"):
        call = json.loads((tmp_path / "cast" / "call.json").read_text())
        sitters = synthesizer.strangers(call["count"], seed=7, max_similarity=row["max_similarity"])
        (sitter,) = [one for one in sitters if one.identity == row["identity"]]
        assert sitter.seed == row["seed"]
        made = synthesizer.sitting(sitter, row["candidates"], conditions=row["asked"])
        image = np.asarray(Image.open(tmp_path / "cast" / row["file"]))
        assert np.array_equal(made.images[row["candidate"]], image)


def test_a_killed_run_leaves_a_manifest_of_what_is_there(
    synthesizer: Synthesizer, people: list[Candidates], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, write = tmp_path / "cast", checkpoints.write_atomically

    def stop(path: Path, content: bytes) -> None:
        if path.name == "0001.png" and path.parent.name == people[1].sitter.identity:
            raise KeyboardInterrupt
        write(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "write_atomically", stop)
        folder = PeopleFolder(out, CALL, synthesizer)
        folder.add(people[0])
        with pytest.raises(KeyboardInterrupt):
            folder.add(people[1])
    assert [row["file"] for row in lines(out / "manifest.jsonl")] == [
        path.relative_to(out).as_posix() for path in sorted(out.glob("*/*.png"))
    ]
    with (out / "manifest.jsonl").open("a") as file:
        file.write('{"file": "new-0007-00001/0001.png", "scores": {}')  # cut off
    resumed = PeopleFolder(out, CALL, synthesizer)
    assert list(resumed.photos) == [people[0].sitter.identity]
    assert len(lines(out / "manifest.jsonl")) == 3
    resumed.add(people[1])
    once = PeopleFolder(tmp_path / "once", CALL, synthesizer)
    for made in people:
        once.add(made)
    for name in ("manifest.jsonl", "rejected.jsonl", "call.json"):
        assert (out / name).read_text() == (tmp_path / "once" / name).read_text()


def test_who_lost_a_photo_is_made_anew(
    synthesizer: Synthesizer, people: list[Candidates], tmp_path: Path
) -> None:
    folder = PeopleFolder(tmp_path, CALL, synthesizer)
    for made in people:
        folder.add(made)
    (tmp_path / people[0].sitter.identity / "0001.png").unlink()
    resumed = PeopleFolder(tmp_path, CALL, synthesizer)
    assert list(resumed.photos) == [people[1].sitter.identity]
    assert {row["identity"] for row in lines(tmp_path / "rejected.jsonl")} == {people[1].sitter.identity}


@pytest.mark.parametrize("change", [{"count": 3}, {"asked": {}}, {"seed": 1}])
def test_another_call_is_refused(synthesizer: Synthesizer, tmp_path: Path, change: dict[str, Any]) -> None:
    PeopleFolder(tmp_path, CALL, synthesizer)
    (name,) = change
    with pytest.raises(DataError, match=rf"other settings \({name}\)"):
        PeopleFolder(tmp_path, {**CALL, **change}, synthesizer)


def test_another_generator_is_refused(
    synthesizer: Synthesizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    PeopleFolder(tmp_path, CALL, synthesizer)
    monkeypatch.setattr(synthesizer, "digest", "another")
    with pytest.raises(DataError, match=r"other settings \(weights\)"):
        PeopleFolder(tmp_path, CALL, synthesizer)


def test_an_identity_cannot_leave_the_folder(
    synthesizer: Synthesizer, faces: FaceData, tmp_path: Path
) -> None:
    sitter = synthesizer.sitter("../outside", faces.centres[0], 0)
    with pytest.raises(ConfigError, match="cannot name a folder"):
        PeopleFolder(tmp_path / "in", CALL, synthesizer).add(synthesizer.sitting(sitter, 1))
    assert not (tmp_path / "outside").exists()


def test_a_manifest_that_cannot_be_written_is_named(
    synthesizer: Synthesizer, people: list[Candidates], tmp_path: Path
) -> None:
    folder = PeopleFolder(tmp_path, CALL, synthesizer)
    (tmp_path / "manifest.jsonl").mkdir()
    with pytest.raises(WriteFailed, match=r"manifest\.jsonl: cannot be written"):
        folder.add(people[0])
