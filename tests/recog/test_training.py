"""Training of the embedder, on 16 px crops."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recog.embedding import Embedder
from recog.errors import CheckpointError, ConfigError, DataError
from recog.models import create_network
from recog.training import CropSet, TrainConfig, train
from recog.training.augment import build
from recog.training.batches import Batches, epoch_order, people_order, usual_workers
from recog.training.config import AUGMENTATIONS, OPTIMIZERS
from recog.training.loop import optimizer_of, schedule
from recog.training.losses import MarginLoss
from recog.training.runs import RunDirectory

TINY = TrainConfig(
    backbone="resnet10t",
    backbone_options={"channels": (8, 8, 16, 16), "stem_width": 8},
    head="timm",
    embedding_size=8,
    image_size=32,
    batch_size=8,
    total_kimg=0.08,
    workers=0,
    photos_per_identity=1,
    contrastive_weight=0.0,
    augmentation="flip",
    checkpoint_kimg=0.04,
    scale=16,
    bf16=False,
)


def coloured_people(people: int = 4, photos: int = 4, side: int = 32) -> CropSet:
    """Each identity has a colour of its own; photos differ by noise."""
    rng = np.random.default_rng(0)
    colours = rng.integers(40, 215, (people, 1, 1, 1, 3))
    noise = rng.integers(-20, 20, (people, photos, side, side, 3))
    images = (colours + noise).astype(np.uint8).reshape(-1, side, side, 3)
    names = tuple(f"p{k}" for k in range(people))
    labels = np.repeat(np.arange(people), photos)
    return CropSet(images, labels, names, tuple(f"{names[k]}/{i}.png" for i, k in enumerate(labels)))


def weights(embedder: Embedder) -> torch.Tensor:
    return torch.cat([p.flatten() for p in embedder.network.state_dict().values() if p.is_floating_point()])


def written(crops: CropSet, folder: Path) -> Path:
    """The crops as a folder with one sub-folder an identity."""
    for image, name in zip(crops.images, crops.files, strict=True):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def test_every_crop_once_an_epoch() -> None:
    seen = np.concatenate([epoch_order(12, 5, step, seed=3) for step in range(12)])  # 5 epochs of 12
    assert np.bincount(seen).tolist() == [5] * 12
    assert sorted(seen[:12]) == list(range(12))
    assert not np.array_equal(seen[:12], seen[12:24])


def test_batch_is_a_function_of_seed_and_step() -> None:
    config = replace(TINY, augmentation="strong")
    first, again = Batches(config, coloured_people()), Batches(config, coloured_people())
    torch.manual_seed(99)
    assert torch.equal(first[3][0], again[3][0])
    assert not torch.equal(first[3][0], first[4][0])
    assert not torch.equal(first[3][0], Batches(replace(config, seed=1), coloured_people())[3][0])


def test_synthetic_share_of_each_batch() -> None:
    real = coloured_people().of_identities(["p0", "p1"])
    made = coloured_people().of_identities(["p2", "p3"])
    batches = Batches(TINY, real, made, synthetic_share=0.25)
    for step in range(3):
        assert int((batches[step].labels < 2).sum()) == 6
    overlapping = coloured_people().of_identities(["p1", "p2"])
    assert Batches(TINY, real, overlapping, synthetic_share=0.25).identities == ("p0", "p1", "p2")
    with pytest.raises(DataError, match="no synthetic crops"):
        Batches(TINY, real, synthetic_share=0.25)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentation_keeps_shape_and_type(name: str) -> None:
    crop = torch.randint(0, 256, (3, 40, 40), dtype=torch.uint8)
    for _ in range(20):
        made = build(name, 32)(crop)
        assert made.shape == (3, 32, 32)
        assert made.dtype == torch.uint8


def test_light_augmentation_brings_in_nothing_empty() -> None:
    """A bright crop stays bright in all draws that do not harm it; of damage, most have black corners."""
    bright = torch.full((3, 32, 32), 200, dtype=torch.uint8)
    untouched = {}
    for name in ("light", "damage"):
        torch.manual_seed(0)
        made = torch.stack([build(name, 32)(bright) for _ in range(200)])
        untouched[name] = (made == 200).flatten(1).all(dim=1).float().mean().item()
    assert 0.7 < untouched["light"] < 0.9
    assert untouched["damage"] < 0.3


def test_no_augmentation_changes_nothing() -> None:
    crop = torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8)
    assert torch.equal(build("none", 32)(crop), crop)


@pytest.mark.parametrize(("loss", "margin"), [("arcface", 0.5), ("cosface", 0.35)])
def test_margin_loss_is_the_papers(loss: str, margin: float) -> None:
    config = replace(
        TINY, loss=loss, margin=margin, scale=16.0, embedding_size=4, margin_start=0.2, margin_full=0.6
    )
    torch.manual_seed(0)
    module = MarginLoss(config, classes=3)
    embeddings, labels = torch.randn(5, 4), torch.tensor([0, 1, 2, 1, 0])
    for progress, share in ((0.1, 0.0), (0.4, 0.5), (0.6, 1.0), (1.0, 1.0)):
        module.set_progress(progress)
        cosine = torch.nn.functional.normalize(embeddings) @ torch.nn.functional.normalize(
            module.inner.W, dim=0
        )
        own = cosine[range(5), labels]
        m = margin * share
        shifted = torch.cos(torch.acos(own) + m) if loss == "arcface" else own - m
        logits = cosine.clone()
        logits[range(5), labels] = shifted
        expected = torch.nn.functional.cross_entropy(16 * logits, labels)
        assert module(embeddings, labels).item() == pytest.approx(expected.item(), abs=2e-4)


def test_a_margin_that_is_not_given_is_the_usual_one_of_its_loss() -> None:
    for loss, margin in {"cosface": 0.2, "arcface": 0.3}.items():
        assert replace(TINY, loss=loss).full_margin == margin
        assert replace(TINY, loss=loss).to_json()["margin"] == margin
        assert replace(TINY, loss=loss, margin=0.1).full_margin == 0.1


def test_contrastive_term_is_the_papers() -> None:
    config = replace(TINY, embedding_size=4, photos_per_identity=2, contrastive_weight=0.5, temperature=0.1)
    torch.manual_seed(0)
    module = MarginLoss(config, classes=2)
    embeddings, labels = torch.randn(4, 4), torch.tensor([0, 0, 1, 1])
    logits = torch.nn.functional.normalize(embeddings) @ torch.nn.functional.normalize(embeddings).T / 0.1
    others = logits.masked_fill(torch.eye(4, dtype=torch.bool), -torch.inf).logsumexp(1)
    expected = (others - logits[range(4), [1, 0, 3, 2]]).mean()
    added = module(embeddings, labels) - module.inner(embeddings, labels)
    assert added.item() == pytest.approx(0.5 * expected.item(), rel=1e-3)


def test_mixed_embeddings_are_of_both_people_as_much_as_is_of_them() -> None:
    config = replace(TINY, embedding_size=4, contrastive_weight=0.0, mixup=0.4)
    torch.manual_seed(0)
    module = MarginLoss(config, classes=3)
    embeddings, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 1, 0, 2])
    found = []
    for step in (0, 1, 2):
        module.set_progress(step / config.steps)
        found.append(module(embeddings, labels).item())
        rng = np.random.default_rng([config.seed, step, 3])
        share = rng.beta(0.4, 0.4)
        order = torch.from_numpy(rng.permutation(6))
        directions = torch.nn.functional.normalize(embeddings)
        mixed = share * directions + (1 - share) * directions[order]
        expected = share * module.inner(mixed, labels) + (1 - share) * module.inner(mixed, labels[order])
        assert found[-1] == pytest.approx(expected.item(), rel=1e-5)
    assert len(set(found)) == 3  # another pairing each step
    module.set_progress(0)
    assert module(embeddings, labels).item() == found[0]


def test_embeddings_borrow_how_photos_of_others_differ() -> None:
    config = replace(
        TINY, embedding_size=4, contrastive_weight=0.0, transfer_weight=0.5, photos_per_identity=2
    )
    torch.manual_seed(0)
    module = MarginLoss(config, classes=3)
    embeddings, labels = torch.randn(6, 4), torch.tensor([0, 0, 1, 1, 2, 2])
    directions = torch.nn.functional.normalize(embeddings)
    differences = directions - directions[[1, 0, 3, 2, 5, 4]]
    found = []
    for step in (0, 1, 2, 0):
        module.set_progress(step / config.steps)
        moved = module._moved(embeddings, labels) - directions
        for row in moved:  # two photos of one person, or one photo twice
            either = torch.cat([differences, torch.zeros(1, 4)])
            assert (either - row).abs().sum(dim=1).min() < 1e-5
        plain = module.inner(embeddings, labels).item()
        expected = plain + 0.5 * module.inner(directions + moved, labels).item()
        found.append(module(embeddings, labels).item())
        assert found[-1] == pytest.approx(expected, rel=1e-5)
    assert found[0] == found[3]
    assert len(set(found)) == 3


def test_who_has_one_photo_in_the_batch_lends_nothing() -> None:
    config = replace(
        TINY, embedding_size=4, contrastive_weight=0.0, transfer_weight=1.0, photos_per_identity=2
    )
    module = MarginLoss(config, classes=4)
    embeddings, labels = torch.randn(4, 4), torch.arange(4)
    moved = module._moved(embeddings, labels)
    assert torch.allclose(moved, torch.nn.functional.normalize(embeddings))
    with pytest.raises(ConfigError, match="two photos_per_identity"):
        replace(TINY, photos_per_identity=1, contrastive_weight=0.0, transfer_weight=1.0)


def test_people_come_in_groups() -> None:
    labels = np.repeat(np.arange(6), [4, 4, 1, 4, 4, 4])
    for step in range(4):
        chosen = people_order(labels, 9, 3, step, seed=1)
        groups = labels[chosen].reshape(3, 3)
        assert (groups == groups[:, :1]).all()
        assert len(set(groups[:, 0])) == 3
        full = groups[:, 0] != 2
        assert all(len(set(group)) == 3 for group in chosen.reshape(3, 3)[full])
    both = np.concatenate([labels[people_order(labels, 9, 3, step, seed=1)] for step in range(2)])
    assert sorted(set(both)) == list(range(6))  # everyone once before anyone twice


def test_learning_rate_rises_then_falls_to_zero() -> None:
    rates = [schedule(step / 100, 0.1) for step in range(101)]
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) == 10
    assert rates[100] == pytest.approx(0.0)
    assert all(math.isfinite(rate) for rate in rates)


def test_training_separates_people() -> None:
    crops = coloured_people()
    embedder = train(replace(TINY, total_kimg=0.4, learning_rate=5e-3), crops, device="cpu")
    vectors = embedder.embed(crops.images)
    alike = crops.labels[:, None] == crops.labels[None]
    similarity = vectors @ vectors.T
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(crops)), abs=1e-5)
    assert similarity[alike].mean() > similarity[~alike].mean() + 0.3


def test_training_goes_on_at_another_size(tmp_path: Path) -> None:
    small = replace(TINY, head="gdc", total_kimg=0.4, learning_rate=5e-3)
    train(small, coloured_people(), run_dir=tmp_path, device="cpu")
    large = replace(small, image_size=64, total_kimg=0.008, learning_rate=1e-6)
    again = train(large, coloured_people(side=64), start=tmp_path / "final.safetensors", device="cpu")
    assert again.image_size == 64
    crops = coloured_people()  # a step at no learning rate later it still knows these people
    similarity = again.embed(crops.images) @ again.embed(crops.images).T
    alike = crops.labels[:, None] == crops.labels[None]
    assert similarity[alike].mean() > similarity[~alike].mean() + 0.2
    with pytest.raises(ConfigError, match="holds backbone"):
        train(replace(small, backbone="resnet18"), crops, start=tmp_path / "final.safetensors", device="cpu")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_resumed_run_equals_an_uninterrupted_one(
    optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops, config = coloured_people(), replace(TINY, optimizer=optimizer)
    whole = train(config, crops, run_dir=tmp_path / "whole", device="cpu")

    class StoppedError(Exception):
        pass

    original = RunDirectory.save_state

    def save_then_stop(self: RunDirectory, *args: object) -> None:
        original(self, *args)  # type: ignore[arg-type]
        raise StoppedError

    monkeypatch.setattr(RunDirectory, "save_state", save_then_stop)
    with pytest.raises(StoppedError):
        train(config, crops, run_dir=tmp_path / "halves", device="cpu")
    monkeypatch.setattr(RunDirectory, "save_state", original)
    halves = train(config, crops, run_dir=tmp_path / "halves", device="cpu")
    assert torch.equal(weights(halves), weights(whole))
    assert halves.digest == whole.digest


def test_run_directory_refuses_other_settings(tmp_path: Path) -> None:
    RunDirectory(tmp_path).write_config({"seed": 1, "size": 64})
    RunDirectory(tmp_path).write_config({"seed": 1, "size": 64})
    with pytest.raises(ConfigError, match="seed"):
        RunDirectory(tmp_path).write_config({"seed": 2, "size": 64})


def test_a_run_of_an_older_version_goes_on_where_new_settings_are_as_usual(tmp_path: Path) -> None:
    RunDirectory(tmp_path).write_config({"seed": 1})
    RunDirectory(tmp_path).write_config({"seed": 1, "whiten": False}, {"seed": 0, "whiten": False})
    RunDirectory(tmp_path / "b").write_config({"seed": 1})
    with pytest.raises(ConfigError, match="whiten"):
        RunDirectory(tmp_path / "b").write_config({"seed": 1, "whiten": True}, {"seed": 0, "whiten": False})


def test_a_run_goes_on_however_its_batches_are_prepared(tmp_path: Path) -> None:
    RunDirectory(tmp_path).write_config({"seed": 1, "workers": 1}, free=("workers",))
    RunDirectory(tmp_path).write_config({"seed": 1, "workers": None}, free=("workers",))
    with pytest.raises(ConfigError, match=r"other settings \(seed"):
        RunDirectory(tmp_path).write_config({"seed": 2, "workers": 1}, free=("workers",))


@pytest.mark.parametrize(
    ("processors", "threads", "place", "processes", "workers"),
    [
        (2, 2, "cpu", 1, 0),
        (4, 2, "cpu", 1, 2),
        (4, 2, "cpu", 2, 0),
        (64, 1, "cpu", 1, 4),
        (None, 2, "cpu", 1, 0),
        (16, 16, "cuda", 1, 4),
        (4, 4, "cuda", 2, 1),
    ],
)
def test_workers_are_on_free_processors(
    processors: int | None,
    threads: int,
    place: str,
    processes: int,
    workers: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: processors)
    monkeypatch.setattr("torch.get_num_threads", lambda: threads)
    assert usual_workers(torch.device(place), processes) == workers


def test_run_directory_holds_what_it_promises(tmp_path: Path) -> None:
    embedder = train(TINY, coloured_people(), run_dir=tmp_path, device="cpu")
    stats = [json.loads(line) for line in (tmp_path / "stats.jsonl").read_text().splitlines()]
    assert stats[-1]["step"] == TINY.steps
    assert json.loads((tmp_path / "config.json").read_text())["batch_size"] == 8
    assert Embedder.load(tmp_path, device="cpu").digest == embedder.digest


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"batch_size": 1}, "batch_size is 1; give 2 or more"),
        ({"loss": "softmax"}, "loss is 'softmax'; give one of arcface, cosface"),
        ({"synthetic_share": 1.5}, "synthetic_share is 1.5; give 0 to 1"),
        ({"total_kimg": 0}, "total_kimg is 0; give more than 0"),
        ({"total_kimg": math.inf}, "total_kimg is inf; give a number"),
        ({"weight_decay": math.nan}, "weight_decay is nan; give a number"),
        ({"margin": "0.2"}, "margin is '0.2'; give a number"),
        ({"margin": math.nan}, "margin is nan; give 0 or more, less than 1.6"),
        ({"seed": -1}, "seed is -1; give 0 or more"),
        ({"checkpoint_kimg": -1}, "checkpoint_kimg is -1; give more than 0"),
        ({"contrastive_weight": 1.0}, "contrastive_weight is 1.0; give 0, or more than 0 with two photos"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, object], wanted: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(wanted)):
        replace(TINY, **change)  # type: ignore[arg-type]


def test_transformers_are_built_for_the_size_asked_for() -> None:
    settings = {"backbone": "vit_tiny_patch16_224", "embedding_size": 8, "image_size": 64}
    network = create_network({**settings, "head": "timm", "backbone_options": {"depth": 1}})
    assert network.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 8)
    with pytest.raises(ConfigError, match="--head timm"):
        create_network({**settings, "head": "gdc", "backbone_options": {"depth": 1}})


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    train(TINY, coloured_people(), run_dir=tmp_path, device="cpu")
    (tmp_path / "state.safetensors").write_bytes(b"half of it")
    with pytest.raises(CheckpointError, match=r"state\.safetensors: not a readable state"):
        train(TINY, coloured_people(), run_dir=tmp_path, device="cpu")


def test_resuming_forgets_the_steps_that_it_does_again(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.save_state({"module/x": torch.zeros(1)}, {"step": 2})
    for step in (1, 2, 3):
        run.append_stats({"step": step})
    with (tmp_path / "stats.jsonl").open("a") as file:
        file.write('{"step": 4')  # the line that was being written
    assert run.resume({}, {}) == 2
    kept = (tmp_path / "stats.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in kept] == [1, 2]


def test_muon_turns_a_matrix_in_all_directions_alike() -> None:
    """A matrix is updated with equal singular values; biases and class centres are left to AdamW."""
    torch.manual_seed(0)
    network, loss = torch.nn.Linear(6, 4), torch.nn.Linear(4, 5, bias=False)
    before = network.weight.detach().clone()
    config = replace(TINY, optimizer="muon", learning_rate=0.1, weight_decay=0.0)
    optimizer = optimizer_of(config, network, loss)
    loss(network(torch.randn(5, 6))).square().sum().backward()
    optimizer.step()
    turned = torch.linalg.svdvals(network.weight.detach() - before)
    assert turned.min() > 0.6 * turned.max()
    kept = optimizer.state_dict()["state"]
    assert ["momentum_buffer" in kept[k] for k in sorted(kept)] == [True, False, False]


def test_start_must_fit(tmp_path: Path) -> None:
    train(TINY, coloured_people(), run_dir=tmp_path, device="cpu")
    with pytest.raises(CheckpointError, match="16 numbers a face"):
        train(replace(TINY, embedding_size=16), coloured_people(), start=tmp_path / "final.safetensors")
