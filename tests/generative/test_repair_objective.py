"""What repair minimises: each term on its own formula, and whose weights it moves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from generative import damage, losses
from generative.data import FaceData
from generative.models.repairer import UNet
from generative.objectives.repair import RepairObjective
from generative.repair import Repairer
from generative.training import Moment, train
from recog.embedding import Embedder
from recog.errors import ConfigError
from tests.generative.stand_ins import config, objective

PIXELS = {"pixel_loss": "charbonnier", "pixel_weight": 1.0}
SILENT = dict.fromkeys(
    ("identity_weight", "cover_weight", "damage_weight", "ssim_weight", "adversarial_weight"), 0.0
)
QUIET = {**PIXELS, **SILENT}


def taught(faces: FaceData, embedder: Embedder, **settings: object) -> RepairObjective:
    made = objective("repairer", faces, embedder, **settings)
    assert isinstance(made, RepairObjective)
    return made


def moment(step: int = 0) -> Moment:
    return Moment(step, 0.0, torch.Generator().manual_seed(7))


def batch_of(faces: FaceData):  # type: ignore[no-untyped-def]
    return faces.batch(8, torch.Generator().manual_seed(1), torch.device("cpu"))


def test_pixels_that_are_covered_count_as_often_as_they_should(faces: FaceData, embedder: Embedder) -> None:
    one = taught(faces, embedder, **QUIET, covered_times=5.0)
    batch = batch_of(faces)
    loss, stats = one.phases[0].loss(batch, moment())
    again = moment()
    clean = one._sized(batch.images, again.rng)
    mixture = damage.mixed(clean, again.rng, one.settings.intact_share)
    assert mixture.covered.any()
    error = ((one.network(mixture.images, mixture.told).images - clean).square() + 1e-6).sqrt()
    weights = (1 + 4 * mixture.covered).expand_as(error)
    assert loss.item() == pytest.approx(((error * weights).sum() / weights.sum()).item(), rel=1e-5)
    assert set(stats) == {"charbonnier", "cover_error", "damage_error"}


def test_charbonnier_weighs_what_it_is_told_to() -> None:
    prediction, target = torch.tensor([[0.0, 1.0]]), torch.zeros(1, 2)
    assert float(losses.charbonnier(prediction, target, 0.0)) == 0.5
    assert float(losses.charbonnier(prediction, target, 0.0, torch.tensor([[1.0, 3.0]]))) == 0.75


def test_structure_is_learned_from_beside_the_pixels(faces: FaceData, embedder: Embedder) -> None:
    one = taught(faces, embedder, **{**QUIET, "ssim_weight": 2.0})
    loss, stats = one.phases[0].loss(batch_of(faces), moment())
    assert stats["ssim_error"] > 0.01
    assert (loss - stats["charbonnier"]).item() == pytest.approx(2 * stats["ssim_error"].item(), rel=1e-4)


def test_covers_are_learned_from_where_they_are(faces: FaceData, embedder: Embedder) -> None:
    one = taught(faces, embedder, **{**QUIET, "cover_weight": 2.0})
    batch = batch_of(faces)
    loss, stats = one.phases[0].loss(batch, moment())
    again = moment()
    mixture = damage.mixed(one._sized(batch.images, again.rng), again.rng, one.settings.intact_share)
    logits = one.network(mixture.images, mixture.told).covered
    assert logits is not None
    expected = F.binary_cross_entropy_with_logits(logits, mixture.covered)
    assert stats["cover_error"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert (loss - stats["charbonnier"]).item() == pytest.approx(2 * expected.item(), rel=1e-4)


def test_damages_are_told_apart_by_what_was_done(faces: FaceData, embedder: Embedder) -> None:
    one = taught(faces, embedder, **{**QUIET, "damage_weight": 2.0}, intact_share=0.5)
    loss, stats = one.phases[0].loss(batch_of(faces), moment())
    taken = one._taken(batch_of(faces), moment())
    assert taken.repaired.damage is not None
    expected = F.cross_entropy(taken.repaired.damage, taken.mixture.kinds)
    assert stats["damage_error"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert (loss - stats["charbonnier"]).item() == pytest.approx(2 * expected.item(), rel=1e-4)


def test_a_run_may_do_without_finding_anything(faces: FaceData, embedder: Embedder) -> None:
    one = taught(faces, embedder, **QUIET, finds_covers=False, names_damage=False)
    assert set(one.phases[0].loss(batch_of(faces), moment())[1]) == {"charbonnier"}
    assert one.model_config()["network"]["damages"] == []


def test_the_psnr_that_is_learned_from_is_that_of_the_faces(faces: FaceData, embedder: Embedder) -> None:
    one = taught(
        faces,
        embedder,
        **SILENT,
        pixel_loss="psnr",
        pixel_weight=3.0,
        covered_times=1.0,
        floor_levels=2.0,
        floor_share=0.5,
    )
    loss, stats = one.phases[0].loss(batch_of(faces), moment())
    taken = one._taken(batch_of(faces), moment())
    left, done = (
        (faces_ - taken.clean).square().mean(dim=(1, 2, 3))
        for faces_ in (taken.repaired.images, taken.mixture.images * (1 - taken.mixture.told))
    )
    assert done.max() > 0.01
    squares = left + (2.0 / 127.5) ** 2 + 0.5 * done
    assert stats["psnr"].item() == pytest.approx(squares.log10().mean().item(), rel=1e-4)
    assert loss.item() == pytest.approx(3 * stats["psnr"].item(), rel=1e-5)


@pytest.mark.parametrize("low", [0.9, 0.99])
def test_the_identity_window_is_open_for_the_same_person(
    faces: FaceData, embedder: Embedder, low: float
) -> None:
    batch = batch_of(faces)
    one = taught(faces, embedder, **{**QUIET, "identity_weight": 2.0}, identity_low=low)
    loss, stats = one.phases[0].loss(batch, moment())
    again = moment()
    taken = one._taken(batch, again)
    cosines = (embedder.forward_tensor(taken.repaired.images) * embedder.forward_tensor(taken.clean)).sum(
        dim=1
    )
    assert cosines.min() < low < cosines.max()
    expected = F.relu(low - cosines).mean().item()
    assert stats["identity_window"].item() == pytest.approx(expected, rel=1e-4)
    assert (loss - stats["charbonnier"]).item() == pytest.approx(2 * expected, rel=1e-3)
    assert "identity_window" not in one.phases[0].loss(batch, moment(1))[1]  # not every step


def test_the_critic_and_the_repairer_learn_from_one_repair(faces: FaceData, embedder: Embedder) -> None:
    one = taught(faces, embedder, **{**QUIET, "adversarial_weight": 0.5})
    torch.nn.init.normal_(one.network.to_rgb[0].weight, std=0.01)  # type: ignore[arg-type]
    critics, repairs = one.phases
    assert (critics.name, repairs.name) == ("critic", "repairer")
    batch, now = batch_of(faces), moment()
    loss, stats = critics.loss(batch, now)
    assert "penalty" in stats
    assert not any(p.grad is not None for p in one.network.parameters())
    loss.backward(inputs=list(critics.module.parameters()))
    assert all(p.grad is not None for p in critics.module.parameters())
    taken = one._step
    assert taken is not None
    total, said = repairs.loss(batch, now)
    assert one._step is None
    assert one.critic is not None
    expected = one.game.generator(one.critic(taken.repaired.images, taken.given))
    assert (total - said["charbonnier"]).item() == pytest.approx(0.5 * expected.item(), abs=1e-5)
    total.backward(inputs=list(one.network.parameters()))
    assert one.network.stem.weight.grad is not None
    assert one.network.stem.weight.grad.abs().max() > 0


def test_what_is_told_missing_is_hidden_from_the_critic(faces: FaceData, embedder: Embedder) -> None:
    one = taught(faces, embedder)
    taken = one._taken(batch_of(faces), moment())
    told = taken.mixture.told.expand(-1, 3, -1, -1) > 0
    assert told.any()
    assert (taken.given[:, :3][told] == 0).all()


@pytest.mark.parametrize("loss", ["hinge", "relativistic", "non-saturating"])
def test_a_run_learns_to_repair(faces: FaceData, embedder: Embedder, loss: str, tmp_path: Path) -> None:
    one = taught(faces, embedder, loss=loss)
    weights = train(config("repairer"), faces, one, tmp_path / loss, "cpu")
    repairer = Repairer.load(weights, "cpu")
    assert repairer.finds_covers
    assert repairer.guides == {embedder.digest}
    lines = [json.loads(line) for line in (tmp_path / loss / "stats.jsonl").read_text().splitlines()]
    assert {"critic", "repairer", "adversarial", "cover_error", "damage_error", "psnr"} <= set(lines[-1])


def test_the_first_guess_is_of_the_faces_that_are_learned_from(faces: FaceData, embedder: Embedder) -> None:
    one = taught(faces, embedder, prior=(4, 3))
    assert one.model_config()["network"]["prior"] == [4, 3]
    assert one.network.prior is not None
    mean = one.network.prior.mean.view(3, 4, 4)
    shown = torch.from_numpy(np.asarray(faces.crops.images)).float().mean(dim=(0, 1, 2)) / 127.5 - 1
    assert torch.allclose(mean.mean(dim=(1, 2)), shown, atol=1e-3)
    with pytest.raises(ConfigError, match="prior"):
        taught(faces, embedder, prior=(4,))


def test_repairs_without_a_critic_have_one_phase(faces: FaceData, embedder: Embedder) -> None:
    one = taught(faces, embedder, adversarial_weight=0.0, finds_covers=False, names_damage=False, prior=())
    assert [phase.name for phase in one.phases] == ["repairer"]
    assert one.model_config()["network"] == {"widths": [4, 8], "finds_covers": False, "damages": []}
    assert isinstance(one.network, UNet)
    assert "cover_error" not in one.phases[0].loss(batch_of(faces), moment())[1]
