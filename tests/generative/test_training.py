from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from generative import presets
from generative.data import Batch, FaceData, condition
from generative.models.gan import Verdict
from generative.objectives.game import Game
from generative.objectives.gan import GanObjective
from generative.objectives.vae_gan import VaeGanSettings
from generative.synthesis import Synthesizer
from generative.training import Moment, train
from recog import checkpoints
from recog.embedding import Embedder
from recog.errors import CheckpointError, ConfigError, DataError, ModelMismatch, TrainingDiverged
from recog.training.runs import RunDirectory
from tests.generative.stand_ins import config, make_embedder, objective


@pytest.mark.parametrize("kind", presets.KINDS)
def test_a_run_leaves_weights_statistics_and_grids(
    kind: str, faces: FaceData, embedder: Embedder, tmp_path: Path
) -> None:
    weights = train(config(kind), faces, objective(kind, faces, embedder), tmp_path, "cpu")
    assert weights == tmp_path / "final.safetensors"
    rows = [json.loads(line) for line in (tmp_path / "stats.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4, 6]
    assert all(row["kimg_per_s"] > 0 for row in rows)
    assert len(list(tmp_path.glob("grid-*.png"))) >= 1
    assert json.loads((tmp_path / "config.json").read_text())["kind"] == kind
    assert checkpoints.load(weights, kind=kind).tensors


FEW = (8, 8, 4, 4, 4, 4)  # widths
AT_112 = {
    "gan": {"generator_widths": FEW, "discriminator_widths": FEW, "reader_weight": 0.0},
    "dcgan": {},
    "vae": {"encoder_widths": FEW, "decoder_widths": FEW},
    "vae-gan": {
        "encoder_widths": FEW,
        "decoder_widths": FEW,
        "discriminator_widths": FEW,
        "reader_weight": 0.0,
    },
}


def trained_at_112(kind: str, faces: FaceData, embedder: Embedder, run: Path, **settings: Any) -> Path:
    """Four steps with a few faces of 112 px."""
    large = replace(faces, crops=replace(faces.crops, images=faces.crops.images.repeat(7, 1).repeat(7, 2)))
    pace = config(kind, image_size=112, batch_size=2, total_kimg=0.008, log_kimg=1.0)
    chosen = presets.settings(kind, **{**AT_112[kind], **settings})
    return train(pace, large, presets.objective(pace, large, embedder, chosen), run, "cpu")


@pytest.mark.parametrize("kind", AT_112)
def test_faces_of_112_px_are_learned(kind: str, faces: FaceData, embedder: Embedder, tmp_path: Path) -> None:
    weights = trained_at_112(kind, faces, embedder, tmp_path)
    made = Synthesizer.load(weights, embedder, "cpu").photos_of(faces.centres[0], 2)
    assert made.shape == (2, 112, 112, 3)


def test_networks_grow_to_112_px(
    faces: FaceData, embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    calm = Game.judged

    def judged(self: Game, images: Tensor, given: Tensor, moment: Moment) -> Verdict:
        seen.append(images.shape[-1])
        return calm(self, images, given, moment)

    monkeypatch.setattr(Game, "judged", judged)
    weights = trained_at_112("gan", faces, embedder, tmp_path, grow=True)
    assert (
        seen == [28] * 3 + [56] * 3 + [112] * 6
    )  # three verdicts a step; both new sides begin half faded in
    assert Synthesizer.load(weights, embedder, "cpu").photos_of(faces.centres[0], 2).shape[1] == 112


def test_a_run_is_known_by_what_it_uses(faces: FaceData, embedder: Embedder) -> None:
    """Runs of a version that had fewer widths, and no usual penalty, go on."""
    recorded = objective("vae-gan", faces, embedder, discriminator_widths=(4, 8, 16, 32)).run_config()
    assert recorded["discriminator_widths"] == (4, 8)
    assert recorded["penalty_weight"] == 0.05
    usual = presets.settings("vae-gan")
    assert isinstance(usual, VaeGanSettings)
    at_64 = json.loads(json.dumps(usual.applied(64)))
    assert at_64["encoder_widths"] == [32, 64, 96, 96]
    assert at_64["decoder_widths"] == [96, 128, 96, 64, 32]
    assert at_64["discriminator_widths"] == [64, 128, 256, 256]
    assert presets.settings("gan").applied(64)["generator_widths"] == (160, 192, 128, 64, 32)  # type: ignore[union-attr]


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("kind", presets.KINDS)
def test_a_resumed_run_gives_the_weights_of_an_uninterrupted_one(
    kind: str, faces: FaceData, embedder: Embedder, tmp_path: Path
) -> None:
    whole = train(config(kind), faces, objective(kind, faces, embedder), tmp_path / "whole", "cpu")
    broken = objective(kind, faces, embedder)
    first = broken.phases[0]
    calm = first.loss

    def loss(batch: Batch, moment: Moment) -> tuple[Tensor, Any]:
        if moment.step == 4:  # the last state is that of step 3
            raise Interrupted
        return calm(batch, moment)

    object.__setattr__(first, "loss", loss)
    with pytest.raises(Interrupted):
        train(config(kind), faces, broken, tmp_path / "parts", "cpu")
    parts = train(config(kind), faces, objective(kind, faces, embedder), tmp_path / "parts", "cpu")
    one, other = (checkpoints.load(path, kind=kind).tensors for path in (whole, parts))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_other_settings_do_not_resume(faces: FaceData, embedder: Embedder, tmp_path: Path) -> None:
    train(config("vae"), faces, objective("vae", faces, embedder), tmp_path, "cpu")
    with pytest.raises(ConfigError, match="objective"):
        train(config("vae"), faces, objective("vae", faces, embedder, kl_weight=0.5), tmp_path, "cpu")


def test_a_run_begins_with_the_networks_of_another(
    faces: FaceData, embedder: Embedder, tmp_path: Path
) -> None:
    train(config("gan"), faces, objective("gan", faces, embedder), tmp_path / "first", "cpu")
    saved = RunDirectory(tmp_path / "first").load_state()
    assert saved is not None
    second = objective("gan", faces, embedder, attribute_weight=2.0)
    calm = second.phases[0].loss
    seen: dict[str, Tensor] = {}

    def loss(batch: Batch, moment: Moment) -> tuple[Tensor, Any]:
        if not seen:
            seen.update({name: value.clone() for name, value in second.network.state_dict().items()})
        return calm(batch, moment)

    object.__setattr__(second.phases[0], "loss", loss)
    folder = tmp_path / "second"
    train(config("gan"), faces, second, folder, "cpu", begin_from=tmp_path / "first")
    assert seen
    for name, value in seen.items():
        assert torch.equal(value, saved[0][f"generator/{name}"]), name
    assert [row["step"] for row in RunDirectory(folder).stats()] == [2, 4, 6]
    with pytest.raises(ConfigError, match="begun_from"):  # the same run it is not
        train(config("gan"), faces, objective("gan", faces, embedder, attribute_weight=2.0), folder, "cpu")


def test_a_network_that_the_other_run_had_none_of_begins_anew(
    faces: FaceData, embedder: Embedder, tmp_path: Path
) -> None:
    first, second = (
        objective("repairer", faces, embedder, adversarial_weight=weight) for weight in (0.0, 0.1)
    )
    train(config("repairer"), faces, first, tmp_path / "first", "cpu")
    train(config("repairer"), faces, second, tmp_path / "second", "cpu", begin_from=tmp_path / "first")
    saved = RunDirectory(tmp_path / "second").load_state()
    assert saved is not None
    assert {name.partition("/")[0] for name in saved[0]} >= {"repairer", "critic", "adam_critic"}


@pytest.mark.parametrize("other", ["vae", "a larger gan", "nothing"])
def test_a_run_begins_with_no_other_networks(
    other: str, faces: FaceData, embedder: Embedder, tmp_path: Path
) -> None:
    first = tmp_path / "first"
    if other == "vae":
        train(config("vae"), faces, objective("vae", faces, embedder), first, "cpu")
    elif other == "a larger gan":
        train(config("gan"), faces, objective("gan", faces, embedder, noise_size=8), first, "cpu")
    gan = objective("gan", faces, embedder)
    with pytest.raises(CheckpointError, match=r"holds (other networks|no state)"):
        train(config("gan"), faces, gan, tmp_path / "second", "cpu", begin_from=first)


def test_training_moves_every_weight(faces: FaceData, embedder: Embedder, tmp_path: Path) -> None:
    gan = objective("gan", faces, embedder)
    before = {(p.name, n): w.clone() for p in gan.phases for n, w in p.module.named_parameters()}
    train(config("gan"), faces, gan, tmp_path, "cpu")
    after = {(p.name, n): w for p in gan.phases for n, w in p.module.named_parameters()}
    assert [name for name in before if torch.equal(before[name], after[name])] == []


@pytest.mark.parametrize("bad", ["loss", "gradient"])
def test_training_stops_when_it_diverges_and_says_where(
    bad: str, faces: FaceData, embedder: Embedder, tmp_path: Path
) -> None:
    vae = objective("vae", faces, embedder)
    weight = next(vae.network.parameters())

    def loss(batch: Batch, moment: Moment) -> tuple[Tensor, Any]:
        zero = (weight - weight.detach()).abs().sum()  # its root has no finite slope here
        return (zero.sqrt() if bad == "gradient" else zero * float("nan")), {}

    object.__setattr__(vae.phases[0], "loss", loss)
    with pytest.raises(TrainingDiverged, match=f"step 0: the {bad} of phase 'vae'"):
        train(config("vae"), faces, vae, tmp_path, "cpu")


def test_a_generator_needs_the_embedder_of_its_centres(faces: FaceData) -> None:
    with pytest.raises(ModelMismatch):
        objective("gan", faces, make_embedder(1))
    with pytest.raises(ConfigError, match="embedder"):
        presets.objective(config("gan"), faces, None, presets.settings("gan"))


def test_the_identity_window_begins_where_people_with_several_photos_are(
    faces: FaceData, embedder: Embedder
) -> None:
    cosines = np.full(len(faces), np.nan, np.float32)
    alone = replace(faces, similarities=cosines.copy())
    cosines[:5] = [0.1, 0.2, 0.3, 0.4, 0.5]
    gan = objective("gan", replace(faces, similarities=cosines), embedder)
    assert isinstance(gan, GanObjective)
    assert gan.window_low == pytest.approx(0.2)
    with pytest.raises(DataError, match="No person has two photos"):
        objective("gan", alone, embedder)
    objective("gan", alone, embedder, identity_weight=0.0)


def test_unknown_kinds_and_settings_are_refused(faces: FaceData, embedder: Embedder) -> None:
    with pytest.raises(ConfigError, match="diffusion"):
        presets.pace("diffusion")
    with pytest.raises(ConfigError, match="r1_gamma"):
        presets.settings("vae", r1_gamma=1.0)
    with pytest.raises(ConfigError, match="sizes"):
        objective("repairer", faces, embedder, widths=(32, 64, 128, 160), sizes=(8,))


@pytest.mark.parametrize(
    ("kind", "change", "wanted"),
    [
        ("gan", {"identity_every": 0}, "identity_every is 0; give 1 or more"),
        ("gan", {"penalty_every": 2.5}, "penalty_every is 2.5; give a whole number"),
        ("gan", {"penalty_every": 0}, "penalty_every is 0; give a whole number, 1 or more"),
        ("gan", {"penalty_weight": -1.0}, "penalty_weight is -1.0; give a number, 0 or more"),
        ("gan", {"penalty_weight": math.inf}, "penalty_weight is inf; give a number, 0 or more"),
        ("gan", {"penalty_weight": math.nan}, "penalty_weight is nan; give a number"),
        ("gan", {"identity_quantile": 1.5}, "identity_quantile is 1.5; give 0 to 1"),
        ("gan", {"augment": ("blur",)}, "augment is ('blur',); give some of colour"),
        ("gan", {"loss": "l2"}, "loss is 'l2'; give one of non-saturating"),
        ("gan", {"penalty": "r3"}, "penalty is 'r3'; give one of none, r1"),
        (
            "gan",
            {"loss": "hinge", "label_smoothing": 0.1},
            "label_smoothing is 0.1; give 0, or less than 0.5",
        ),
        ("dcgan", {"grow": True}, "grow is True; give False"),
        ("vae-gan", {"architecture": "dcgan"}, "architecture is 'dcgan'; give styled"),
        ("vae-gan", {"swapped_share": 2.0}, "swapped_share is 2.0; give 0 to 1"),
        ("vae-gan", {"kl_weight": -1.0}, "kl_weight is -1.0; give 0 or more"),
        ("reader", {"zoom": 1.0}, "zoom is 1.0; give 0 or more"),
        ("vae", {"kl_weight": -1.0}, "kl_weight is -1.0; give 0 or more"),
        ("vae", {"attribute_dropout": 2.0}, "attribute_dropout is 2.0; give 0 to 1"),
        ("repairer", {"identity_every": 0}, "identity_every is 0; give 1 or more"),
    ],
)
def test_settings_out_of_range_are_named(kind: str, change: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(wanted)):
        presets.settings(kind, **change)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"total_kimg": 0}, "total_kimg is 0; give more than 0"),
        ({"final_learning_rate": 1.0}, "final_learning_rate is 1.0; give 0 to learning_rate (0.0004)"),
        ({"beta1": 1.0}, "beta1 is 1.0; give 0 or more, less than 1"),
        ({"gradient_clip": math.inf}, "gradient_clip is inf; give more than 0, or None"),
        ({"image_size": 48}, "image_size is 48; give a side that 4 or 7 px double to"),
    ],
)
def test_a_pace_out_of_range_is_named(change: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(wanted)):
        config("gan", **change)


def test_a_slow_run_does_not_speed_up() -> None:
    assert presets.pace("gan", learning_rate=2e-5).final_learning_rate == 2e-5
    assert presets.pace("gan", learning_rate=1e-3).final_learning_rate == 5e-5
    assert presets.pace("gan", learning_rate=1e-3, final_learning_rate=1e-4).final_learning_rate == 1e-4


def test_finished_weights_come_with_their_own_statistics(
    faces: FaceData, embedder: Embedder, tmp_path: Path
) -> None:
    run = config(
        "gan", total_kimg=0.24, log_kimg=1.0, learning_rate=0.02, ema_halflife_kimg=0.1, ema_rampup=1.0
    )
    weights = train(run, faces, objective("gan", faces, embedder), tmp_path, "cpu")
    network = Synthesizer.load(weights, embedder, "cpu").network
    rng = torch.Generator().manual_seed(0)
    batch = faces.batch(512, rng, torch.device("cpu"))
    noise, given = torch.randn(512, 4, generator=rng), condition(batch.centres, batch.attributes)
    norms = {n: m for n, m in network.named_modules() if isinstance(m, torch.nn.BatchNorm2d)}
    assert norms
    kept = {name: norm.running_var.clone() for name, norm in norms.items() if norm.running_var is not None}
    for norm in norms.values():
        norm.reset_running_stats()
        norm.momentum = None  # the mean over what follows
    with torch.no_grad():
        for few in zip(noise.split(8), given.split(8), strict=True):
            network.train()(*few)
    off = [float((kept[name] / norm.running_var).log().abs().mean()) for name, norm in norms.items()]
    assert max(off) < 0.3
