from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from generative import presets
from generative.conditions import ATTRIBUTES, PASSING, Vocabulary
from generative.data import Batch, FaceData
from generative.models.gan import Verdict
from generative.models.panel import Panel
from generative.objectives.game import COLLAPSED, OVERFIT_SIGN, Fakes, Game, spread
from generative.objectives.gan import GanObjective, GanSettings
from generative.objectives.vae_gan import VaeGanObjective
from generative.training import Moment, train
from recog.embedding import Embedder
from recog.errors import ConfigError, TrainingDiverged
from tests.generative.stand_ins import config, objective

KNOWN = Vocabulary(ATTRIBUTES, ages=True)
WIDTHS = (4, 8, 8, 8)


def moment(progress: float, step: int = 0) -> Moment:
    return Moment(step, progress, torch.Generator().manual_seed(step))


def game(**settings: object) -> Game:
    return Game(GanSettings(discriminator_widths=WIDTHS, **settings), KNOWN, 6, 64)  # type: ignore[arg-type]


def test_growing_begins_at_16_px_and_ends_whole() -> None:
    growing = game(grow=True)
    levels = [growing.level(moment(progress)) for progress in (0.0, 0.14, 0.225, 0.3, 0.44, 0.525, 0.6, 1.0)]
    assert levels == pytest.approx([2.0, 2.0, 2.5, 3.0, 3.0, 3.5, None, None])
    faces = torch.rand(2, 3, 64, 64)
    assert growing.at_level(faces, 2.0).shape == (2, 3, 16, 16)
    assert growing.at_level(faces, 2.5).shape == (2, 3, 32, 32)
    assert growing.at_level(faces, None) is faces
    assert game().level(moment(0.0)) is None


def test_conditions_fade_in() -> None:
    assert [game(conditioning_ramp=0.2).ramp(moment(p)) for p in (0, 0.1, 0.5)] == [0, 0.5, 1]
    assert game(conditioning_ramp=0.0).ramp(moment(0)) == 1


def test_penalties_are_lazy_and_weigh_for_the_steps_between() -> None:
    torch.manual_seed(0)
    played = game(penalty="r1", penalty_weight=2.0, penalty_every=4, augment=())
    batch = Batch(torch.rand(4, 3, 64, 64), torch.zeros(4, 6), torch.zeros(4, len(KNOWN)))
    given = torch.zeros(4, 6)
    fakes = Fakes(torch.rand(4, 3, 64, 64), torch.zeros(4, len(KNOWN)), given)
    with_it, stats = played.discriminator_loss(batch, given, fakes, moment(0.5, step=4))
    without, none = played.discriminator_loss(batch, given, fakes, moment(0.5, step=5))
    assert "penalty" in stats
    assert "penalty" not in none
    assert float((with_it - without).detach()) == pytest.approx(
        8 * float(stats["penalty"].detach()), rel=1e-4
    )


def test_the_spread_of_equal_faces_is_nothing() -> None:
    faces = torch.rand(1, 3, 16, 16)
    assert float(spread(faces.expand(8, -1, -1, -1))) == pytest.approx(0, abs=1e-6)
    assert float(spread(torch.rand(8, 3, 16, 16))) > 0.01


@pytest.mark.parametrize(
    ("means", "why"),
    [
        ({"spread": COLLAPSED - 0.1, "real_sign": 0.2}, "collapse"),
        ({"spread": 0.9, "real_sign": OVERFIT_SIGN + 0.01}, "by heart"),
        ({"spread": 0.9, "real_sign": 0.5}, None),
        ({}, None),
    ],
)
def test_trouble_is_named(means: Mapping[str, float], why: str | None) -> None:
    said = game().trouble(means)
    assert said is None if why is None else why in str(said)


def test_losses_without_a_sign_do_not_raise_its_alarm() -> None:
    assert game(loss="wasserstein").trouble({"real_sign": 1.0}) is None


def test_a_collapsed_run_stops_with_the_reason(
    faces: FaceData, embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Mapping[str, float]] = []

    def trouble(self: GanObjective, means: Mapping[str, float]) -> str | None:
        said.append(means)
        return None if len(said) == 2 else "all faces are one"

    monkeypatch.setattr(GanObjective, "trouble", trouble)
    pace = config("gan", total_kimg=0.16, log_kimg=0.008)
    with pytest.raises(TrainingDiverged, match="stopped at step 7: all faces are one"):
        train(pace, faces, objective("gan", faces, embedder), tmp_path, "cpu")
    assert {"spread", "real_sign"} <= set(said[0])  # of lines 3 to 7 the second was fine: then three in a row
    assert not (tmp_path / "final.safetensors").exists()


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "wasserstein", "penalty": "interpolated", "penalty_every": 1},
        {"loss": "relativistic", "penalty": "r1+r2"},
        {"loss": "hinge", "penalty": "none", "spectral_norm": True},
        {"loss": "least-squares", "label_smoothing": 0.1},
        {"grow": True},
        {"attribute_weight": 1.0},
    ],
)
def test_each_technique_trains(
    settings: dict[str, object], faces: FaceData, embedder: Embedder, tmp_path: Path
) -> None:
    weights = train(config("gan"), faces, objective("gan", faces, embedder, **settings), tmp_path, "cpu")
    assert weights.is_file()


def test_made_up_codes_come_with_the_conditions_of_the_batch(faces: FaceData, embedder: Embedder) -> None:
    made = objective("vae-gan", faces, embedder, made_up_share=0.5, swapped_share=0.5, turned_share=1.0)
    assert isinstance(made, VaeGanObjective)
    batch = faces.batch(8, torch.Generator().manual_seed(0), torch.device("cpu"))
    made.phases[0].loss(batch, moment(0.5))
    step = made._step
    assert step is not None
    assert step.made == 4
    assert len(step.fakes.images) == len(step.given) == 8
    size = batch.centres.shape[1]
    for given in (step.given, step.fakes.given):
        assert torch.equal(given[:, :size].sign(), batch.centres.sign())  # row by row
    assert torch.equal(step.fakes.given[:, size:], step.fakes.wanted)
    assert torch.equal(step.fakes.given[4:], step.given[4:])  # of a photo: what it shows
    assert not torch.equal(step.fakes.given[:4], step.given[:4])  # made up: some of it the opposite
    assert torch.equal(step.fakes.images[4:], step.faces[4:])  # no person twice


def test_the_game_teaches_the_decoder_but_not_the_encoder(faces: FaceData, embedder: Embedder) -> None:
    # statistics of a batch, which others normalise by, are of all its faces
    made = objective("vae-gan", faces, embedder, swapped_share=1.0, block="styled")
    assert isinstance(made, VaeGanObjective)
    batch = faces.batch(8, torch.Generator().manual_seed(0), torch.device("cpu"))
    made.phases[0].loss(batch, moment(0.5))
    assert made._step is not None
    made.network.zero_grad()
    made._game_loss(batch, made._step, moment(0.5))[0].backward()
    moved = [name for name, weight in made.network.named_parameters() if bool((weight.grad != 0).any())]  # type: ignore[union-attr]
    assert moved
    assert all(name.startswith("decoder.") for name in moved)


def test_all_that_a_generator_minimises_is_weighed_together(faces: FaceData, embedder: Embedder) -> None:
    found = []
    for weight in (0.0, 0.5, 1.0):
        made = objective("vae-gan", faces, embedder, adversarial_weight=weight, window_weight=3.0)
        batch = faces.batch(8, torch.Generator().manual_seed(0), torch.device("cpu"))
        for phase in made.phases:
            loss, stats = phase.loss(batch, moment(0.5))
        found.append(loss.item())
        assert "identity_window" in stats
    assert found[2] > found[0]
    assert found[1] == pytest.approx((found[0] + found[2]) / 2, rel=1e-5)


def test_a_vae_gan_reconstructs_identities_as_a_vae_does() -> None:
    weights = [presets.settings(kind).identity_weight for kind in ("vae", "vae-gan")]  # type: ignore[union-attr]
    assert weights[0] == weights[1] > 0


def test_settings_that_a_plain_generator_has_no_use_for_are_refused() -> None:
    for name, value in {"block": "styled", "fold": 1}.items():
        with pytest.raises(ConfigError, match=f"A dcgan has no setting '{name}'"):
            presets.settings("dcgan", **{name: value})
    with pytest.raises(ConfigError, match="attribute_weight"):
        presets.settings("dcgan", attribute_weight=0.5)


def test_critics_of_a_panel_are_summed(faces: FaceData, embedder: Embedder) -> None:
    gan = objective("gan", faces, embedder, penalty="none", attribute_weight=0.0)
    assert isinstance(gan, GanObjective)
    batch = faces.batch(8, torch.Generator().manual_seed(0), torch.device("cpu"))
    given = torch.zeros(8, gan.condition_size)
    fakes = Fakes(batch.images.flip(0), given[:, :0], given)
    one = Verdict(torch.linspace(-1, 1, 8), torch.zeros(8, 0), ())
    several = one._replace(logits=one.logits[:, None].repeat(1, 4))
    found = []
    for verdict in (one, several):
        gan.game.judged = lambda *a, verdict=verdict: verdict  # type: ignore[method-assign, misc]
        both = gan.game.discriminator_loss(batch, given, fakes, moment(0.5))
        found.append((both[0], gan.game.generator_loss(batch, given, fakes, moment(0.5))[0]))
    assert found[1][0] == pytest.approx(4 * float(found[0][0]))
    assert found[1][1] == pytest.approx(4 * float(found[0][1]))


def test_some_faces_are_asked_for_the_opposite_of_one_thing_that_a_photo_shows() -> None:
    rng = torch.Generator().manual_seed(0)
    known = torch.ones(4000, len(KNOWN))
    passing = [KNOWN.attributes.index(name) for name in PASSING]
    known[:, passing[0]] = 0.0  # not known, and so it stays
    assert game(turned_share=0.0).turned(known, rng) is known
    changed = game(turned_share=0.5).turned(known, rng) != known
    assert int(changed.sum(dim=1).max()) == 1
    assert set(changed.nonzero()[:, 1].tolist()) == {*passing[1:]}
    share = 0.5 * (len(passing) - 1) / len(passing)
    assert float(changed.any(dim=1).float().mean()) == pytest.approx(share, abs=0.03)


def test_presets_of_the_plain_reference_have_no_technique() -> None:
    plain = presets.settings("dcgan")
    assert isinstance(plain, GanSettings)
    assert (plain.penalty, plain.augment, plain.identity_weight, plain.spectral_norm) == (
        "none",
        (),
        0,
        False,
    )
    assert presets.pace("dcgan").ema_halflife_kimg == 0


class Stages(torch.nn.Module):
    """Two maps of a face, as a backbone of timm gives them."""

    def forward_intermediates(self, x: torch.Tensor, intermediates_only: bool) -> list[torch.Tensor]:
        return [torch.nn.functional.avg_pool2d(x, 2), torch.nn.functional.avg_pool2d(x, 4)]


def test_critics_of_maps_sit_beside_the_discriminator(faces: FaceData, embedder: Embedder) -> None:
    with pytest.raises(ConfigError, match="no maps to look into"):
        objective("gan", faces, embedder, map_critics=True)
    embedder.network.backbone = Stages()
    made = objective("gan", faces, embedder, map_critics=True)
    assert isinstance(made, GanObjective)
    panel = made.game.discriminator
    assert isinstance(panel, Panel)
    batch = faces.batch(4, torch.Generator().manual_seed(0), torch.device("cpu"))
    images = batch.images.requires_grad_()
    verdict = panel(images, torch.zeros(4, faces.condition_size))
    assert verdict.logits.shape == (4, 3)
    verdict.logits[:, 2].sum().backward()
    assert images.grad is not None
    assert images.grad.abs().max() > 0  # what a critic says reaches the face through the frozen maps
    assert not any("maps" in name for name in panel.state_dict())
    for phase in made.phases:
        loss, _ = phase.loss(batch, moment(0.5))
        assert loss.isfinite()
