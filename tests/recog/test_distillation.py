"""Distillation: targets, loss, and one run on two processes."""

from __future__ import annotations

import contextlib
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
from recog.errors import ConfigError, DataError, WriteFailed
from recog.training import CropSet, DistillConfig, distill, teachers, train
from recog.training.config import OPTIMIZERS
from recog.training.losses import DistillLoss
from recog.training.processes import LONGEST_WAIT, main_first
from recog.training.runs import RunDirectory
from tests.recog.test_training import TINY, coloured_people, weights

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
    image_size = crop_size = 32

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


def test_targets_are_asked_for_once() -> None:
    crops, teacher = coloured_people(), ColourTeacher()
    first = teachers.targets(crops, [teacher])
    assert teacher.asked == len(crops)
    assert np.array_equal(teachers.targets(crops, [teacher]), first)
    assert teacher.asked == len(crops)
    darker = replace(crops, images=crops.images // 2)
    assert not np.array_equal(teachers.targets(darker, [teacher]), first)


def test_targets_are_kept_where_they_always_were(own_cache: Path) -> None:
    """Answers that took hours must be found again by later versions."""
    black = CropSet(np.zeros((3, 2, 2, 3), np.uint8), np.zeros(3, np.int64), ("p0",), ("a", "b", "c"))
    teachers.targets(black, [ColourTeacher()])
    assert [file.name for file in (own_cache / "targets").iterdir()] == ["12d2899a99c8251f0d552397.npy"]


def test_an_unwritable_cache_is_named(own_cache: Path) -> None:
    own_cache.mkdir()
    (own_cache / "targets").write_text("no folder")
    with pytest.raises(WriteFailed, match="RECOG_CACHE"):
        teachers.targets(coloured_people(), [ColourTeacher()])


def test_several_teachers_give_the_mean_of_their_cosines() -> None:
    crops, pair = coloured_people(), [ColourTeacher(), ColourTeacher(-1.0)]
    joined = teachers.targets(crops, pair)
    singles = [teachers.targets(crops, [one]) for one in pair]
    assert joined.shape == (len(crops), 12)
    assert joined @ joined.T == pytest.approx(np.mean([s @ s.T for s in singles], axis=0), abs=1e-5)
    shorter = teachers.targets(crops, pair, size=6)  # they span 6 directions at most
    assert shorter @ shorter.T == pytest.approx(joined @ joined.T, abs=1e-4)
    with pytest.raises(ConfigError, match="embedding_size is 13"):
        teachers.targets(crops, pair, size=13)
    with pytest.raises(ConfigError, match="at least one teacher"):
        teachers.targets(crops, [])


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


def test_student_learns_to_answer_as_the_teacher() -> None:
    crops, teacher = coloured_people(people=12), ColourTeacher()
    settings = replace(STUDENT, total_kimg=4.0, learning_rate=5e-3, ema_halflife_kimg=0.2)
    student = distill(settings, crops, [teacher], device="cpu")
    agreement = (student.embed(crops.images) * teacher.embed(crops.images)).sum(1)
    untrained = distill(replace(settings, total_kimg=0.008, learning_rate=1e-9), crops, [teacher])
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


def test_averaged_weights_lag_behind_the_plain_ones() -> None:
    crops, teacher = coloured_people(), ColourTeacher()
    made = [
        weights(distill(replace(STUDENT, ema_halflife_kimg=half), crops, [teacher]))
        for half in (0.0, 0.02, 1e6)
    ]
    untrained = replace(STUDENT, total_kimg=0.008, learning_rate=1e-12)
    begun = weights(distill(untrained, crops, [teacher]))
    way = [(one - begun).norm().item() for one in made]
    assert 0.2 * way[0] < way[1] < way[0]
    assert way[2] < 0.2 * way[0]  # a half-life far beyond the run stays at its beginning


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_resumed_average_equals_an_uninterrupted_one(
    optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops, teacher = coloured_people(), ColourTeacher()
    config = replace(STUDENT, ema_halflife_kimg=0.02, optimizer=optimizer)
    whole = distill(config, crops, [teacher], run_dir=tmp_path / "whole")
    with monkeypatch.context() as patched:
        stop_at_the_next_save(patched)
        with pytest.raises(StoppedError):
            distill(config, crops, [teacher], run_dir=tmp_path / "halves")
    halves = distill(config, crops, [teacher], run_dir=tmp_path / "halves")
    assert halves.digest == whole.digest
    assert Embedder.load(tmp_path / "halves").digest == whole.digest


def test_an_embedding_is_as_long_as_the_teachers_unless_told() -> None:
    crops = coloured_people()
    assert distill(replace(STUDENT, embedding_size=0), crops, [ColourTeacher()]).embedding_size == 6
    assert distill(replace(STUDENT, embedding_size=4), crops, [ColourTeacher()]).embedding_size == 4


def test_labels_mean_their_people_in_whatever_order_those_are(monkeypatch: pytest.MonkeyPatch) -> None:
    crops = coloured_people()
    backwards = replace(
        crops, identities=crops.identities[::-1], labels=len(crops.identities) - 1 - crops.labels
    )
    asked: list[torch.Tensor] = []
    made = DistillLoss.__init__

    def noted(self: DistillLoss, config: DistillConfig, centres: torch.Tensor) -> None:
        asked.append(centres)
        made(self, config, centres)

    monkeypatch.setattr(DistillLoss, "__init__", noted)
    config = replace(STUDENT, arcface_weight=0.2)
    for same in (crops, backwards):
        distill(config, same, [ColourTeacher()])
    assert torch.equal(asked[0], asked[1])


def test_a_student_says_which_crops_it_learned_from() -> None:
    student = distill(replace(STUDENT, image_size=48), coloured_people(), [ColourTeacher()])
    assert (student.image_size, student.crop_size) == (48, 32)


def test_labels_that_are_needed_are_asked_for() -> None:
    nameless = replace(coloured_people(), labels=np.full(16, -1), identities=())
    with pytest.raises(ConfigError, match="arcface_weight needs labelled"):
        distill(replace(STUDENT, arcface_weight=0.1), nameless, [ColourTeacher()])
    with pytest.raises(ConfigError, match="photos_per_identity"):
        distill(replace(STUDENT, photos_per_identity=2), nameless, [ColourTeacher()])
    with pytest.raises(DataError, match="who is on every crop"):
        train(TINY, nameless)


LAUNCHED = """
import sys
from dataclasses import replace
import torch
from recog.training.processes import Processes
from tests.recog.test_distillation import STUDENT, ColourTeacher, coloured_people
from recog.training import distill

config = replace(
    STUDENT, backbone="convnext_atto", backbone_options={"depths": (1, 1, 1, 1), "dims": (8, 8, 16, 16)},
    image_size=32, batch_size=8, arcface_weight=0.2, total_kimg=1.6, learning_rate=1e-3,
)
distill(config, coloured_people(people=8), [ColourTeacher()], run_dir=sys.argv[1], device="cpu")
here = Processes.launched(torch.device("cpu"))
sys.stdout.write(f"process {here.index} of {here.count}\\n")
"""


@pytest.mark.timeout(240)
def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    """The network has no batch statistics (layer norm only): those would differ between the halves."""
    pytest.importorskip("accelerate")
    script = tmp_path / "launched.py"
    script.write_text(LAUNCHED)
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    launch = [
        "-m",
        "accelerate.commands.launch",
        "--multi_gpu",
        "--num_machines",
        "1",
        "--num_processes",
        "2",
    ]
    launch += ["--mixed_precision", "no", "--num_cpu_threads_per_process", "1", "--main_process_port", "0"]
    losses = []
    for count, arguments in ((1, []), (2, launch)):
        run_dir = tmp_path / str(count)
        done = subprocess.run(
            [sys.executable, *arguments, str(script), str(run_dir)],
            capture_output=True,
            text=True,
            env=environment,
            cwd=root,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert sorted(done.stdout.split("\n")) == ["", *(f"process {k} of {count}" for k in range(count))]
        assert "FutureWarning" not in done.stderr
        rows = [json.loads(line) for line in (run_dir / "stats.jsonl").read_text().splitlines()]
        losses.append([[row["loss"], row["cosine"], row["relational"], row["arcface"]] for row in rows])
        settings = json.loads((run_dir / "config.json").read_text())
        assert settings["batch_size"] == 8
    assert len(losses[0]) == len(losses[1]) == 4
    assert np.array(losses[1]) == pytest.approx(np.array(losses[0]), abs=1e-4)


@pytest.mark.parametrize("count", ["WORLD_SIZE", "OMPI_COMM_WORLD_SIZE"])
def test_whoever_waits_first_settles_patience_and_device(count: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """accelerate keeps the settings of its first use: later ones would be dropped without a word."""
    accelerate = pytest.importorskip("accelerate")
    asked: list[dict[str, object]] = []

    class State:
        def __init__(self, **settings: object) -> None:
            asked.append(settings)

        def main_process_first(self) -> contextlib.AbstractContextManager[None]:
            return contextlib.nullcontext()

    monkeypatch.setattr(accelerate, "PartialState", State)
    monkeypatch.setenv(count, "2")
    with main_first(torch.device("cpu")):
        assert asked == [{"cpu": True, "timeout": LONGEST_WAIT}]


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


def test_empty_sets_are_refused() -> None:
    nothing: CropSet = coloured_people().subset([])
    with pytest.raises(DataError, match="too few"):
        distill(STUDENT, nothing, [ColourTeacher()])
