"""What a student learns from: sources, blends of crops, recipes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recog.embedding import Embedder
from recog.errors import ConfigError, DataError
from recog.training import distill, open_crops, recipes, train
from recog.training.blending import blends, with_blends
from recog.training.sources import Source, framed, open_all
from tests.recog.test_distillation import STUDENT, ColourTeacher, StoppedError, stop_at_the_next_save
from tests.recog.test_training import TINY, coloured_people, written


def test_unlabelled_crops_teach(tmp_path: Path) -> None:
    folder = written(coloured_people(), tmp_path / "crops")
    pictures = open_crops(folder, size=32, labelled=False)
    assert pictures.identities == ()
    assert set(pictures.labels.tolist()) == {-1}
    joined = open_all([Source(folder=folder), Source(folder=folder, labelled=False)], 32)
    assert np.bincount(joined.labels + 1).tolist() == [16, 4, 4, 4, 4]
    assert joined.subset([0, 16, 17]).labels.tolist() == [0, -1, -1]
    distill(replace(STUDENT, arcface_weight=0.1), joined, [ColourTeacher()])
    with pytest.raises(DataError, match="no crops found"):
        open_crops(tmp_path / "cache", size=32, labelled=False)


def test_framed_pictures_lie_where_they_should() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, 20:] = 255
    same = framed(image, (0.0, 0.0, 1.0, 1.0))
    assert np.array_equal(same, image)
    small = framed(image, (0.25, 0.25, 0.75, 0.75))  # half as large, in the middle: the edge stays there
    assert small[20, 10:19].max() == 0
    assert small[20, 21:30].min() == 255
    moved = framed(image, (0.25, 0.0, 1.25, 1.0))
    assert moved[20, :29].max() < 255
    assert moved[20, 31:].min() == 255


@pytest.mark.parametrize(
    "fields", [{"role": "fit"}, {"roles": Path("r"), "role": "x", "labelled": False}, {"frame": (1, 0, 0, 1)}]
)
def test_impossible_sources_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Source(folder=Path("crops"), **fields)  # type: ignore[arg-type]


def recipe_file(place: Path) -> Path:
    """A recipe of two stages for the coloured people."""
    stage = """
backbone = "resnet10t"
backbone_options = {channels = [8, 8, 16, 16], stem_width = 8}
head = "gdc"
embedding_size = 8
batch_size = 8
workers = 0
bf16 = false
"""
    text = f"""
name = "tiny"
teachers = ["teacher.safetensors"]
[[data]]
folder = "crops"
[[data]]
folder = "crops"
labelled = false
frame = [0.1, 0.1, 0.9, 0.9]
[run]{stage}
[[stage]]
image_size = 32
total_kimg = 0.04
[[stage]]
image_size = 64
total_kimg = 0.016
blends = 5
bend = 0.02
"""
    path = place / "tiny.toml"
    path.write_text(text)
    return path


def test_recipe_goes_stage_by_stage(tmp_path: Path) -> None:
    written(coloured_people(), tmp_path / "crops")
    train(TINY, coloured_people(), device="cpu").save(tmp_path / "teacher.safetensors")
    recipe = recipes.read(recipe_file(tmp_path), tmp_path)
    assert [stage.config.image_size for stage in recipe.stages] == [32, 64]
    made = recipes.follow(recipe, tmp_path / "run", device="cpu")
    assert made.image_size == 64
    assert Embedder.load(tmp_path / "run").digest == made.digest
    started = json.loads((tmp_path / "run" / "stage-2" / "config.json").read_text())["start"]
    assert started == Embedder.load(tmp_path / "run" / "stage-1").digest


def test_an_unfinished_recipe_has_no_final_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(coloured_people(), tmp_path / "crops")
    train(TINY, coloured_people(), device="cpu").save(tmp_path / "teacher.safetensors")
    path = recipe_file(tmp_path)
    recipes.follow(recipes.read(path, tmp_path), tmp_path / "run", device="cpu")
    path.write_text(
        path.read_text() + "[[stage]]\nimage_size = 64\ntotal_kimg = 0.2\ncheckpoint_kimg = 0.04\n"
    )
    longer = recipes.read(path, tmp_path)
    with monkeypatch.context() as patched:
        stop_at_the_next_save(patched)
        with pytest.raises(StoppedError):
            recipes.follow(longer, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run" / "final.safetensors").exists()  # the shorter recipe's
    done = recipes.follow(longer, tmp_path / "run", device="cpu")
    assert Embedder.load(tmp_path / "run").digest == done.digest


def test_a_recipe_leaves_a_run_alone(tmp_path: Path) -> None:
    train(TINY, coloured_people(), run_dir=tmp_path / "run", device="cpu")
    recipe = recipes.Recipe("any", ("teacher.safetensors",), (), ())
    with pytest.raises(ConfigError, match="holds a run"):
        recipes.follow(recipe, tmp_path / "run", device="cpu")
    assert (tmp_path / "run" / "final.safetensors").exists()


def test_blends_lie_between_two_crops() -> None:
    crops = coloured_people(people=2, photos=1, side=64)
    crops.images[0], crops.images[1] = 40, 200
    made = np.stack([*blends(crops, 40, seed=5)])
    assert made.min() >= 40
    assert made.max() <= 200
    seams, averages = made[::2].astype(int), made[1::2].astype(int)
    assert (np.ptp(averages, axis=(1, 2, 3)) == 0).all()
    assert (averages.min((1, 2, 3)) >= 40 + 0.3 * 160 - 1).all()
    assert not np.array_equal(made, np.stack([*blends(crops, 40, seed=6)]))
    assert np.array_equal(made, np.stack([*blends(crops, 40, seed=5)]))
    assert len(np.unique(seams.reshape(len(seams), -1), axis=0)) > 1  # recoloured alike, yet not all the same


def test_blends_come_after_the_crops_and_are_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops = coloured_people(people=2, photos=1, side=64)
    joined = with_blends(crops, 3)
    assert joined.labels.tolist() == [0, 1, -1, -1, -1]
    assert np.array_equal(joined.images[:2], crops.images)
    assert np.array_equal(joined.images[2:], np.stack([*blends(crops, 3)]))
    assert isinstance(joined.images, np.memmap)
    with monkeypatch.context() as patched:
        patched.setattr("recog.training.blending.blends", lambda *_: iter(()))
        again = with_blends(crops, 3)
    assert np.array_equal(again.images, joined.images)
    assert again.fingerprint == joined.fingerprint
    crops.images[0] = 0  # other pixels under the same names
    assert not np.array_equal(with_blends(crops, 3).images, joined.images)
    assert len(list((tmp_path / "cache" / "crops").iterdir())) == 2
    assert with_blends(crops, 0) is crops
    with pytest.raises(ConfigError, match="two crops at least"):
        with_blends(crops.subset([0]), 3)
    with pytest.raises(ConfigError, match="blends is -1"):
        with_blends(crops, -1)


def test_bent_faces_are_other_faces() -> None:
    """A third of the blends is one face, bent: what it shows it has, but not where it was."""
    ramp = np.linspace(40, 200, 64).round().astype(np.uint8)
    crops = coloured_people(people=2, photos=1, side=64)
    crops.images[:] = ramp[None, :, None, None]  # rows of one grey: bending moves them up and down
    made = np.stack([*blends(crops, 60, seed=5, bend=0.025)]).astype(float)
    alone = made[2::3]
    rows = (alone[..., 0] - 40) / 160 * 63  # which row of the crop is seen
    moved = (rows - np.arange(64)[None, :, None])[:, 8:-8]  # the edges are mirrored
    assert (np.ptp(alone, axis=3) <= 1).all()
    assert 0.4 < moved.std() / (0.025 * 64) < 1  # between the points, the field is smoother than they are
    assert abs(moved.mean()) < 0.1
    assert np.abs(np.diff(moved, axis=2)).max() < 1  # smooth: no tear
    straight = np.stack([*blends(crops, 60, seed=5)])
    assert np.array_equal(straight[1], crops.images[0])


def test_bent_blends_are_kept_apart(tmp_path: Path) -> None:
    crops = coloured_people(people=2, photos=1, side=64)
    assert not np.array_equal(with_blends(crops, 6).images, with_blends(crops, 6, bend=0.02).images)
    for bend in (-0.01, 0.06):
        with pytest.raises(ConfigError, match="bend"):
            with_blends(crops, 6, bend=bend)
    with pytest.raises(ConfigError, match="no blends to bend"):
        with_blends(crops, 0, bend=0.02)


def test_a_seam_shows_one_face_on_either_side() -> None:
    rng = np.random.default_rng(0)
    crops = coloured_people(people=2, photos=1, side=64)
    crops.images[0] = rng.integers(0, 60, (64, 64, 3))
    crops.images[1] = rng.integers(0, 60, (64, 64, 3))
    first, second = crops.images.astype(int)
    made = next(blends(crops, 1)).astype(int)
    near = np.minimum(np.abs(made - first), np.abs(made - second)).max(2) <= 6
    assert near.mean() > 0.6
    assert (np.abs(made - first).max(2) <= 6).mean() > 0.2
    assert (np.abs(made - second).max(2) <= 6).mean() > 0.2


def test_a_recipe_that_was_interrupted_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(coloured_people(), tmp_path / "crops")
    train(TINY, coloured_people(), device="cpu").save(tmp_path / "teacher.safetensors")
    recipe = recipes.read(recipe_file(tmp_path), tmp_path)
    whole = recipes.follow(recipe, tmp_path / "whole", device="cpu")
    for _ in range(2):  # after the first stage, then after the second
        with monkeypatch.context() as patched:
            stop_at_the_next_save(patched)
            with pytest.raises(StoppedError):
                recipes.follow(recipe, tmp_path / "parts", device="cpu")
    assert recipes.follow(recipe, tmp_path / "parts", device="cpu").digest == whole.digest


BROKEN = {
    "[[stages]]\ntotal_kimg = 1": "stages",
    "[run]\nspeed = 3": "speed",
    "[run]\nbatch_size = 64.5": "batch_size is 64.5",
    "[run]\nbackbone = 3\nlearning_rate = 'high'": "learning_rate",
    "[[stage]]\nblends = -1": "blends is -1",
    "[[data]]\nfolder = 'f'\nframe = [0, 0, 1]": "frame",
    "[[data]]\nfolder = 'f'\nrole = 'fit'": "go together",
}


@pytest.mark.parametrize("wrong", BROKEN)
def test_what_is_wrong_with_a_recipe_is_said(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "odd.toml"
    path.write_text(f'name = "x"\nteachers = ["t"]\n[[data]]\nfolder = "f"\n{wrong}\n')
    with pytest.raises(ConfigError, match=BROKEN[wrong]):
        recipes.read(path, tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "not a recipe"),
        ('name = "x"\nteachers = "t.onnx"\ndata = []', "teachers a list"),
        ('name = "x"\nteachers = ["t"]\n[data]\nfolder = "f"', "two brackets"),
        ('teachers = ["t"]', "name"),
    ],
)
def test_broken_recipes_are_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match="no such recipe"):
        recipes.read("nothing", tmp_path)
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        recipes.read(tmp_path / "bad.toml", tmp_path)


def test_a_role_that_nobody_has_is_said(tmp_path: Path) -> None:
    folder = written(coloured_people(), tmp_path / "crops")
    (tmp_path / "roles.csv").write_text("identity,role\nsomebody,fit\np0,tune\n")
    source = Source(folder=folder, roles=tmp_path / "roles.csv", role="fit")
    with pytest.raises(DataError, match="nobody here has the role 'fit'"):
        source.open(32)
    tuning = replace(source, role="tune").open(32)
    assert tuning.identities == ("p0",)


@pytest.mark.parametrize("name", recipes.bundled())
def test_bundled_recipes_can_be_read(name: str, tmp_path: Path) -> None:
    assert recipes.read(name, tmp_path).name == name
