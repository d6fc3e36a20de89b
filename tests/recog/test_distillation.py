"""Distillation: targets, loss, sources, recipes, and one run on two processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from recog.embedding import Embedder
from recog.errors import ConfigError, DataError
from recog.training import CropSet, DistillConfig, distill, open_crops, recipes, teachers, train
from recog.training.blending import blended, with_blends
from recog.training.losses import DistillLoss
from recog.training.runs import RunDirectory
from recog.training.sources import Source, framed, open_all
from tests.recog.test_training import TINY, coloured_people, weights, written

STUDENT = DistillConfig(
    backbone="resnet10t",
    backbone_options={"channels": (8, 8, 16, 16), "stem_width": 8},
    head="timm",
    embedding_size=6,
    image_size=32,
    batch_size=8,
    crops_per_draw=2,
    total_kimg=0.08,
    workers=0,
    augmentation="flip",
    checkpoint_kimg=0.04,
    bf16=False,
)


class ColourTeacher:
    """Looks at the mean colour of a crop only."""

    name = "colours"
    image_size = 32

    def __init__(self, sign: float = 1.0) -> None:
        self.sign = sign
        self.asked = 0
        self.digest = f"colours {sign}"
        self.embedding_size = 6

    def embed(self, crops: NDArray[np.uint8], flip: bool = True) -> NDArray[np.float32]:
        self.asked += len(crops)
        colour = crops.mean((1, 2)) / 127.5 - 1
        vectors = np.concatenate([self.sign * colour, colour**2], 1)
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_targets_are_asked_for_once(tmp_path: Path) -> None:
    crops, teacher = coloured_people(), ColourTeacher()
    first = teachers.targets(crops, [teacher], cache_dir=tmp_path)
    assert teacher.asked == len(crops)
    assert np.array_equal(teachers.targets(crops, [teacher], cache_dir=tmp_path), first)
    assert teacher.asked == len(crops)
    darker = replace(crops, images=crops.images // 2)
    assert not np.array_equal(teachers.targets(darker, [teacher], cache_dir=tmp_path), first)


def test_several_teachers_give_the_mean_of_their_cosines(tmp_path: Path) -> None:
    crops, pair = coloured_people(), [ColourTeacher(), ColourTeacher(-1.0)]
    joined = teachers.targets(crops, pair, cache_dir=tmp_path)
    singles = [teachers.targets(crops, [one], cache_dir=tmp_path) for one in pair]
    assert joined.shape == (len(crops), 12)
    assert joined @ joined.T == pytest.approx(np.mean([s @ s.T for s in singles], axis=0), abs=1e-5)
    shorter = teachers.targets(crops, pair, size=6, cache_dir=tmp_path)  # they span 6 directions at most
    assert shorter @ shorter.T == pytest.approx(joined @ joined.T, abs=1e-4)
    with pytest.raises(ConfigError, match="embedding_size is 13"):
        teachers.targets(crops, pair, size=13, cache_dir=tmp_path)
    with pytest.raises(ConfigError, match="at least one teacher"):
        teachers.targets(crops, [], cache_dir=tmp_path)


def test_centres_leave_unlabelled_crops_out() -> None:
    vectors = np.array([[1, 0], [0, 1], [0, -1]], np.float32)
    found = teachers.centres(vectors, np.array([0, 0, -1]), 1)
    assert found == pytest.approx(np.array([[0.5**0.5, 0.5**0.5]]))


def test_loss_is_the_sum_of_its_formulas() -> None:
    torch.manual_seed(0)
    config = replace(STUDENT, embedding_size=4, relational_weight=3.0, arcface_weight=0.5, margin=0.3)
    centres = F.normalize(torch.randn(3, 4), dim=1)
    student, target = torch.randn(5, 4), F.normalize(torch.randn(5, 4), dim=1)
    labels = torch.tensor([0, 2, -1, 1, -1])
    z = F.normalize(student, dim=1)
    cosine = 1 - torch.stack([z[i] @ target[i] for i in range(5)]).mean()
    pairs = [(i, j) for i in range(5) for j in range(5) if i != j]
    relational = torch.stack([(z[i] @ z[j] - target[i] @ target[j]) ** 2 for i, j in pairs]).mean()
    known = [0, 1, 3]
    logits = config.scale * (z[known] @ centres.T)
    for row, i in enumerate(known):
        own = z[i] @ centres[labels[i]]
        logits[row, labels[i]] = config.scale * torch.cos(torch.acos(own) + 0.3)
    arcface = F.cross_entropy(logits, labels[known])
    loss = DistillLoss(config, centres)
    value = loss(student, labels, target)
    assert value.item() == pytest.approx((cosine + 3 * relational + 0.5 * arcface).item(), abs=2e-3)
    assert loss.parts["cosine"].item() == pytest.approx(cosine.item(), abs=1e-5)
    assert not [p for p in loss.parameters() if p.requires_grad]  # the centres stay the teacher's


def test_student_learns_to_answer_as_the_teacher(tmp_path: Path) -> None:
    crops, teacher = coloured_people(people=12), ColourTeacher()
    settings = replace(STUDENT, total_kimg=4.0, learning_rate=5e-3, ema_halflife_kimg=0.2)
    student = distill(settings, crops, [teacher], device="cpu", cache_dir=tmp_path)
    agreement = (student.embed(crops.images) * teacher.embed(crops.images)).sum(1)
    untrained = distill(
        replace(settings, total_kimg=0.008, learning_rate=1e-9), crops, [teacher], cache_dir=tmp_path
    )
    before = (untrained.embed(crops.images) * teacher.embed(crops.images)).sum(1)
    assert agreement.mean() > 0.9 > before.mean() + 0.3


class StoppedError(Exception):
    pass


def stop_at_the_next_save(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is interrupted right after it has saved its state."""
    original = RunDirectory.save_state

    def save_then_stop(self: RunDirectory, *args: object) -> None:
        original(self, *args)  # type: ignore[arg-type]
        raise StoppedError

    monkeypatch.setattr(RunDirectory, "save_state", save_then_stop)


def test_averaged_weights_lag_behind_the_plain_ones(tmp_path: Path) -> None:
    crops, teacher = coloured_people(), ColourTeacher()
    made = [
        weights(distill(replace(STUDENT, ema_halflife_kimg=half), crops, [teacher], cache_dir=tmp_path))
        for half in (0.0, 0.02, 1e6)
    ]
    untrained = replace(STUDENT, total_kimg=0.008, learning_rate=1e-12)
    begun = weights(distill(untrained, crops, [teacher], cache_dir=tmp_path))
    way = [(one - begun).norm().item() for one in made]
    assert 0.2 * way[0] < way[1] < way[0]
    assert way[2] < 0.2 * way[0]  # a half-life far beyond the run stays at its beginning


def test_a_resumed_average_equals_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops, teacher = coloured_people(), ColourTeacher()
    config = replace(STUDENT, ema_halflife_kimg=0.02)
    whole = distill(config, crops, [teacher], run_dir=tmp_path / "whole", cache_dir=tmp_path)
    with monkeypatch.context() as patched:
        stop_at_the_next_save(patched)
        with pytest.raises(StoppedError):
            distill(config, crops, [teacher], run_dir=tmp_path / "halves", cache_dir=tmp_path)
    halves = distill(config, crops, [teacher], run_dir=tmp_path / "halves", cache_dir=tmp_path)
    assert halves.digest == whole.digest
    assert Embedder.load(tmp_path / "halves").digest == whole.digest


def test_an_embedding_is_as_long_as_the_teachers_unless_told(tmp_path: Path) -> None:
    crops = coloured_people()
    assert distill(replace(STUDENT, embedding_size=0), crops, [ColourTeacher()]).embedding_size == 6
    assert distill(replace(STUDENT, embedding_size=4), crops, [ColourTeacher()]).embedding_size == 4


def test_labels_that_are_needed_are_asked_for(tmp_path: Path) -> None:
    nameless = replace(coloured_people(), labels=np.full(16, -1), identities=())
    with pytest.raises(ConfigError, match="arcface_weight needs labelled"):
        distill(replace(STUDENT, arcface_weight=0.1), nameless, [ColourTeacher()], cache_dir=tmp_path)
    with pytest.raises(ConfigError, match="photos_per_identity"):
        distill(replace(STUDENT, photos_per_identity=2), nameless, [ColourTeacher()], cache_dir=tmp_path)
    with pytest.raises(DataError, match="who is on every crop"):
        train(TINY, nameless)


def test_unlabelled_crops_teach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOG_CACHE", str(tmp_path / "cache"))
    folder = written(coloured_people(), tmp_path / "crops")
    pictures = open_crops(folder, size=32, labelled=False)
    assert pictures.identities == ()
    assert set(pictures.labels.tolist()) == {-1}
    joined = open_all([Source(folder=folder), Source(folder=folder, labelled=False)], 32)
    assert np.bincount(joined.labels + 1).tolist() == [16, 4, 4, 4, 4]
    assert joined.subset([0, 16, 17]).labels.tolist() == [0, -1, -1]
    distill(replace(STUDENT, arcface_weight=0.1), joined, [ColourTeacher()], cache_dir=tmp_path)
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
"""
    path = place / "tiny.toml"
    path.write_text(text)
    return path


def test_recipe_goes_stage_by_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOG_CACHE", str(tmp_path / "cache"))
    written(coloured_people(), tmp_path / "crops")
    train(TINY, coloured_people(), device="cpu").save(tmp_path / "teacher.safetensors")
    recipe = recipes.read(recipe_file(tmp_path), tmp_path)
    assert [stage.config.image_size for stage in recipe.stages] == [32, 64]
    made = recipes.follow(recipe, tmp_path / "run", device="cpu")
    assert made.image_size == 64
    assert Embedder.load(tmp_path / "run").digest == made.digest
    started = json.loads((tmp_path / "run" / "stage-2" / "config.json").read_text())["start"]
    assert started == Embedder.load(tmp_path / "run" / "stage-1").digest


def test_blends_lie_between_two_crops() -> None:
    crops = coloured_people(people=2, photos=1, side=64)
    crops.images[0], crops.images[1] = 40, 200
    made = blended(crops, 40, seed=5)
    assert made.labels.tolist() == [-1] * 40
    assert made.images.min() >= 40
    assert made.images.max() <= 200
    seams, averages = made.images[::2].astype(int), made.images[1::2].astype(int)
    assert (np.ptp(averages, axis=(1, 2, 3)) == 0).all()
    assert (averages.min((1, 2, 3)) >= 40 + 0.3 * 160 - 1).all()
    assert not np.array_equal(made.images, blended(crops, 40, seed=6).images)
    assert np.array_equal(made.images, blended(crops, 40, seed=5).images)
    assert len(np.unique(seams.reshape(len(seams), -1), axis=0)) > 1  # recoloured alike, yet not all the same
    joined = with_blends(crops, 3)
    assert joined.labels.tolist() == [0, 1, -1, -1, -1]
    assert with_blends(crops, 0) is crops
    with pytest.raises(ConfigError, match="at least two"):
        blended(crops.subset([0]), 3)


def test_a_seam_shows_one_face_on_either_side() -> None:
    rng = np.random.default_rng(0)
    crops = coloured_people(people=2, photos=1, side=64)
    crops.images[0] = rng.integers(0, 60, (64, 64, 3))
    crops.images[1] = rng.integers(0, 60, (64, 64, 3))
    first, second = crops.images.astype(int)
    made = blended(crops, 1, seed=0).images[0].astype(int)
    near = np.minimum(np.abs(made - first), np.abs(made - second)).max(2) <= 6
    assert near.mean() > 0.6
    assert (np.abs(made - first).max(2) <= 6).mean() > 0.2
    assert (np.abs(made - second).max(2) <= 6).mean() > 0.2


def test_a_recipe_that_was_interrupted_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOG_CACHE", str(tmp_path / "cache"))
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
        source.open(32, cache_dir=tmp_path)
    tuning = replace(source, role="tune").open(32, cache_dir=tmp_path)
    assert tuning.identities == ("p0",)


@pytest.mark.parametrize("name", recipes.bundled())
def test_bundled_recipes_can_be_read(name: str, tmp_path: Path) -> None:
    assert recipes.read(name, tmp_path).name == name


LAUNCHED = """
import sys
from dataclasses import replace
from pathlib import Path
from tests.recog.test_distillation import STUDENT, ColourTeacher, coloured_people
from recog.training import distill

config = replace(
    STUDENT, backbone="convnext_atto", backbone_options={"depths": (1, 1, 1, 1), "dims": (8, 8, 16, 16)},
    image_size=32, batch_size=8, arcface_weight=0.2, total_kimg=1.6, learning_rate=1e-3,
)
distill(config, coloured_people(people=8), [ColourTeacher()], run_dir=sys.argv[1], device="cpu",
        cache_dir=Path(sys.argv[2]))
"""


@pytest.mark.timeout(240)
def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    """The network has no batch statistics (layer norm only): those would differ between the halves."""
    pytest.importorskip("accelerate")
    script = tmp_path / "launched.py"
    script.write_text(LAUNCHED)
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    launch = ["-m", "accelerate.commands.launch", "--cpu", "--num_machines", "1", "--mixed_precision", "no"]
    losses = []
    for count in (1, 2):
        arguments = [*launch, "--num_processes", str(count), "--num_cpu_threads_per_process", "1"]
        run_dir = tmp_path / str(count)
        done = subprocess.run(
            [sys.executable, *arguments, str(script), str(run_dir), str(tmp_path / "cache")],
            capture_output=True,
            text=True,
            env=environment,
            cwd=root,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        rows = [json.loads(line) for line in (run_dir / "stats.jsonl").read_text().splitlines()]
        losses.append([[row["loss"], row["cosine"], row["relational"], row["arcface"]] for row in rows])
        settings = json.loads((run_dir / "config.json").read_text())
        assert settings["batch_size"] == 8
    assert len(losses[0]) == len(losses[1]) == 4
    assert np.array(losses[1]) == pytest.approx(np.array(losses[0]), abs=1e-4)


def test_batch_must_divide_among_processes() -> None:
    from recog.training.batches import Batches
    from recog.training.processes import Processes

    with pytest.raises(ConfigError, match="multiple of 6"):
        Batches(STUDENT, coloured_people(), processes=Processes(index=0, count=3))
    halves = [Batches(STUDENT, coloured_people(), processes=Processes(index=k, count=2)) for k in (0, 1)]
    whole = Batches(STUDENT, coloured_people())
    for step in range(3):
        parts = [half[step].images for half in halves]
        assert torch.equal(torch.cat(parts), whole[step].images)


def test_empty_sets_are_refused(tmp_path: Path) -> None:
    nothing: CropSet = coloured_people().subset([])
    with pytest.raises(DataError, match="too few"):
        distill(STUDENT, nothing, [ColourTeacher()], cache_dir=tmp_path)
