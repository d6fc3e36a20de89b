from __future__ import annotations

import re
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
from generative.training import Moment, train
from recog.embedding import Embedder
from recog.errors import ConfigError, TrainingDiverged
from tests.generative.stand_ins import config, objective

KNOWN = Vocabulary(ATTRIBUTES, ages=True)
WIDTHS = (4, 8, 8, 8, 8)


def moment(progress: float, step: int = 0) -> Moment:
    return Moment(step, progress, torch.Generator().manual_seed(step))


def game(image_size: int = 64, **settings: object) -> Game:
    return Game(GanSettings(discriminator_widths=WIDTHS, **settings), KNOWN, 6, image_size)  # type: ignore[arg-type]


def test_growing_begins_at_16_px_and_ends_whole() -> None:
    growing = game(grow=True)
    levels = [growing.level(moment(progress)) for progress in (0.0, 0.14, 0.225, 0.3, 0.44, 0.525, 0.6, 1.0)]
    assert levels == pytest.approx([2.0, 2.0, 2.5, 3.0, 3.0, 3.5, None, None])
    faces = torch.rand(2, 3, 64, 64)
    assert growing.at_level(faces, 2.0).shape == (2, 3, 16, 16)
    assert growing.at_level(faces, 2.5).shape == (2, 3, 32, 32)
    assert growing.at_level(faces, None) is faces
    assert game().level(moment(0.0)) is None


@pytest.mark.parametrize(("size", "sides"), [(112, [28, 56, 112]), (128, [16, 32, 64, 128])])
def test_growing_reaches_large_faces(size: int, sides: list[int]) -> None:
    growing = game(size, grow=True)
    faces = torch.rand(1, 3, size, size)
    seen = [growing.at_level(faces, growing.level(moment(p / 100))).shape[-1] for p in range(0, 100, 5)]
    assert sorted(set(seen)) == sides
    assert seen == sorted(seen)


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


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, (0.05, 16)),
        ({"penalty": "r1+r2"}, (0.05, 16)),
        ({"penalty": "interpolated"}, (10, 1)),
        ({"penalty": "interpolated", "penalty_every": 4}, (10, 4)),
        ({"penalty_weight": 0.5}, (0.5, 16)),
        ({"penalty_weight": 0.0}, (0, 16)),
    ],
)
def test_what_is_not_set_of_a_penalty_is_what_is_usual(
    settings: dict[str, object], wanted: tuple[float, int]
) -> None:
    penalty = game(**settings).penalty  # type: ignore[arg-type]
    assert penalty is not None
    assert (penalty.weight, penalty.every) == wanted
    recorded = GanSettings(**settings).applied(64)  # type: ignore[arg-type]
    assert (recorded["penalty_weight"], recorded["penalty_every"]) == wanted


def test_a_game_without_a_penalty_has_no_usual_one() -> None:
    assert game(penalty="none").penalty is None


@pytest.mark.parametrize(("penalty", "wanted"), [("r1", [1]), ("r1+r2", [1, 2]), ("interpolated", [2])])
def test_penalties_know_whose_conditions_faces_have(
    penalty: str, wanted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    played = game(penalty=penalty, penalty_every=1, augment=())
    calm, seen = played.discriminator.forward, []

    def forward(images: torch.Tensor, given: torch.Tensor, *place: object) -> Verdict:
        if images.requires_grad:  # a penalty's
            seen.append(given.unique().tolist())
        return calm(images, given, *place)  # type: ignore[arg-type]

    monkeypatch.setattr(played.discriminator, "forward", forward)
    images, nothing = torch.rand(2, 4, 3, 64, 64), torch.zeros(4, len(KNOWN))
    real, fake = torch.full((4, 6), 1.0), torch.full((4, 6), 2.0)
    played.discriminator_loss(
        Batch(images[0], nothing, nothing), real, Fakes(images[1], nothing, fake), moment(0.5)
    )
    assert seen == [[value] for value in wanted]


def test_wasserstein_needs_a_bounded_slope() -> None:
    for bounded in (
        {"penalty": "interpolated"},
        {"spectral_norm": True},
        {"penalty": "none", "spectral_norm": True},
    ):
        GanSettings(loss="wasserstein", **bounded)  # type: ignore[arg-type]
    for penalty in ("r1", "r1+r2", "none"):
        with pytest.raises(
            ConfigError, match=rf"penalty is '{re.escape(penalty)}'; give interpolated .*--spectral-norm"
        ):
            GanSettings(loss="wasserstein", penalty=penalty)


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


def stats_of(played: Game, answers: float) -> dict[str, float]:
    """Statistics of a step of a discriminator that gives all real faces this answer."""
    nothing, given = torch.zeros(4, len(KNOWN)), torch.zeros(4, 6)
    faces = torch.rand(4, 3, 64, 64)
    verdict = Verdict(torch.full((4,), answers), torch.zeros(4, 0), ())
    played.judged = lambda *a: verdict  # type: ignore[method-assign]
    fakes = Fakes(faces.flip(0), nothing, given)
    _, stats = played.discriminator_loss(Batch(faces, nothing, nothing), given, fakes, moment(0.5))
    return {name: float(value) for name, value in stats.items()}


@pytest.mark.parametrize(
    ("settings", "answer", "alarm"),
    [
        ({"loss": "non-saturating"}, 0.3, True),
        ({"loss": "non-saturating"}, -0.3, False),
        ({"loss": "hinge"}, 0.3, True),
        ({"loss": "least-squares"}, 0.6, True),
        ({"loss": "least-squares"}, 0.45, False),  # nearer to what fakes should get
        ({"loss": "least-squares", "label_smoothing": 0.2}, 0.45, True),
        ({"loss": "wasserstein", "spectral_norm": True}, 5.0, False),
        ({"loss": "relativistic"}, 5.0, False),
    ],
)
def test_the_alarm_of_real_faces_known_by_heart_reckons_from_the_midpoint_of_the_loss(
    settings: dict[str, object], answer: float, alarm: bool
) -> None:
    played = game(penalty="none", attribute_weight=0.0, **settings)  # type: ignore[arg-type]
    stats = stats_of(played, answer)
    assert ("real_sign" in stats) == (played.loss.midpoint is not None)
    assert ("by heart" in str(played.trouble(stats))) == alarm


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
    ("settings", "changes"),
    [
        ({"loss": "wasserstein", "penalty": "interpolated", "penalty_every": 1}, "losses"),
        ({"loss": "relativistic", "penalty": "r1+r2"}, "losses"),
        ({"penalty": "r1+r2"}, "losses"),
        ({"loss": "hinge", "penalty": "none", "spectral_norm": True}, "networks"),
        ({"loss": "least-squares", "label_smoothing": 0.1}, "losses"),
        ({"grow": True}, "networks"),
        ({"attribute_weight": 1.0}, "losses"),
    ],
)
def test_each_technique_trains(
    settings: dict[str, object], changes: str, faces: FaceData, embedder: Embedder, tmp_path: Path
) -> None:
    usual, changed = (begun(faces, embedder, **one) for one in ({}, settings))
    assert (usual.keys() != changed.keys()) == (changes == "networks")
    if changes == "losses":  # of the same networks, on the same faces
        assert [name for name in usual if torch.equal(usual[name], changed[name])] == [
            name for name in usual if name != "loss"
        ]
    weights = train(config("gan"), faces, objective("gan", faces, embedder, **settings), tmp_path, "cpu")
    assert weights.is_file()


def begun(faces: FaceData, embedder: Embedder, **settings: object) -> dict[str, torch.Tensor]:
    """The networks that a run begins with, and under "loss" those of its first step's phases."""
    gan = objective("gan", faces, embedder, **settings)
    networks = {
        f"{phase.name}/{name}": value.clone()
        for phase in gan.phases
        for name, value in phase.module.state_dict().items()
    }
    batch = faces.batch(8, torch.Generator().manual_seed(0), torch.device("cpu"))
    found = [phase.loss(batch, moment(0.5))[0].detach() for phase in gan.phases]
    return {**networks, "loss": torch.stack(found)}


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
