"""What becomes of changed photos: measured with small stand-ins, whose measures must see what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.generation import changing
from benchmarks.generation.bench import REAL, Materials
from benchmarks.generation.changing import VERIFIED, Changed, edit
from benchmarks.generation.subjects import Subjects
from benchmarks.judging.judges import Judges
from benchmarks.metrics import Ranking
from generative.data import FaceData
from generative.editing import Editor
from generative.synthesis import Synthesizer
from generative.training import train
from recog.embedding import Embedder
from tests.generative.stand_ins import config, objective


@pytest.fixture
def editor(faces: FaceData, embedder: Embedder, judges: Judges, tmp_path: Path) -> Editor:
    run = train(config("vae"), faces, objective("vae", faces, embedder), tmp_path / "vae", "cpu")
    return Editor(Synthesizer.load(run, embedder, "cpu"), judges.reader)


def test_every_way_of_changing_photos_has_rows(
    editor: Editor,
    judges: Judges,
    subjects: Subjects,
) -> None:
    rows = edit(editor, "vae", Materials(judges, subjects), 0, lambda found: None, device="cpu")
    by_arm: dict[str, dict[str, float]] = {}
    for row in rows:
        by_arm.setdefault(row.arm, {})[row.metric] = row.value
    assert list(by_arm)[:2] == [REAL, "vae, anonymized"]
    assert {"vae, Smiling conditional", "vae, Male latent", "vae, age conditional"} <= set(by_arm)
    assert all("identity AUC" in found for found in by_arm.values())
    assert "rank-1 where the photo itself is searched" in by_arm["vae, anonymized"]
    assert "as asked, mean error, years" in by_arm["vae, age latent"]
    assert "as asked, balanced accuracy" in by_arm["vae, Eyeglasses latent"]


def test_what_was_measured_is_not_measured_again(editor: Editor, judges: Judges, subjects: Subjects) -> None:
    materials = Materials(judges, subjects)
    rows = edit(editor, "vae", materials, 0, lambda found: None, device="cpu")
    done = {(row.plan, row.arm, row.model) for row in rows if row.arm != "vae, age latent"}
    again = edit(editor, "vae", materials, 0, lambda found: None, done, "cpu")
    assert {row.arm for row in again} == {"vae, age latent"}
    assert edit(editor, "vae", materials, 1, lambda found: None, done, "cpu")[0].arm == REAL  # another plan


def test_faces_are_looked_for_in_some_of_all_photos(
    editor: Editor, judges: Judges, subjects: Subjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changing, "SEARCHED", 3)

    looked: list[NDArray[np.uint8]] = []

    class Detector:
        """Finds a face in all that it looks at but the third."""

        def detect(self, image: NDArray[np.uint8]) -> list[int]:
            looked.append(image)
            return [] if len(looked) == 3 else [1]

    changed = Changed(Materials(judges, subjects, detector=Detector()), 0)  # type: ignore[arg-type]
    found = {one.metric: one for one in changed.real()}["face found"]
    assert found.n == 3
    assert found.value == pytest.approx(2 / 3)


def test_edits_that_do_nothing_are_seen_to_do_nothing(
    editor: Editor,
    judges: Judges,
    subjects: Subjects,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(editor, "edited", lambda crops, wanted, method: crops)
    changed = Changed(Materials(judges, subjects), 0)
    found = {one.metric: one.value for one in changed.edited(editor, "Smiling", "conditional")}
    assert found["as asked, balanced accuracy"] == found["as asked, of the originals, balanced accuracy"]
    assert found["as asked, balanced accuracy"] < 0.8  # it is known what they show: the reader knows nothing
    assert found["cosine to the original"] == pytest.approx(1, abs=1e-5)
    real = {one.metric: one.value for one in changed.real()}
    assert found["identity AUC"] == pytest.approx(real["identity AUC"])
    changed.known_to_show.clear()
    found = {one.metric: one.value for one in changed.edited(editor, "Smiling", "conditional")}
    assert found["as asked, balanced accuracy"] == 0
    years = {one.metric: one.value for one in changed.edited(editor, "age", "latent")}
    assert years["as asked, mean error, years"] == pytest.approx(25, abs=1.5)


def test_photos_left_as_they_are_are_found_again(
    editor: Editor,
    judges: Judges,
    subjects: Subjects,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(editor, "replaced", lambda crops, seed: (crops, np.ones(len(crops), np.float32)))
    changed = Changed(Materials(judges, subjects), 0)
    found = {one.metric: one.value for one in changed.anonymized(editor)}
    assert found["rank-1 where the photo itself is searched"] > 0.9
    assert found["age kept, mean difference, years"] < 5


def test_photos_that_are_left_alone_verify_as_real_ones_do(
    editor: Editor, judges: Judges, subjects: Subjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Changed(Materials(judges, subjects), 0).threshold is None  # 500 pairs cannot show 1 in 1,000
    monkeypatch.setattr(changing, "FMR", 0.05)
    monkeypatch.setattr(editor, "edited", lambda crops, wanted, method: crops)
    changed = Changed(Materials(judges, subjects), 0)
    ranking = Ranking((changed.originals @ changed.others.T).ravel(), changed.mated.ravel())
    for found in (changed.real(), changed.edited(editor, "Smiling", "conditional")):
        (verified,) = (one for one in found if one.metric == VERIFIED)
        assert verified.value == pytest.approx(ranking.tar_at_fmr(0.05))
    same = changed.others[changed.mated.argmax(axis=1)]  # each a photo that it is compared with
    shares = [
        next(one.value for one in changed._identity(vectors) if one.metric == VERIFIED)
        for vectors in (same, np.roll(same, 2, axis=0))  # everybody is the next person
    ]
    assert shares[0] >= 0.5 > shares[1]
