from __future__ import annotations

import pytest
import torch

from generative import presets
from generative.data import FaceData
from generative.objectives.vae_gan import VaeGanObjective
from generative.training import Moment
from recog.embedding import Embedder
from tests.generative.stand_ins import objective


def moment(progress: float) -> Moment:
    return Moment(0, progress, torch.Generator().manual_seed(0))


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


def test_edits_have_the_photos_own_code_and_another_attribute(faces: FaceData, embedder: Embedder) -> None:
    made = objective("vae-gan", faces, embedder, edited_share=0.5, turned_share=0.0, attribute_dropout=0.0)
    assert isinstance(made, VaeGanObjective)
    batch = faces.batch(8, torch.Generator().manual_seed(0), torch.device("cpu"))
    made.phases[0].loss(batch, moment(0.5))
    step = made._step
    assert step is not None
    names = len(made.vocabulary.attributes)
    known, wanted = (x[:, batch.centres.shape[1] :] for x in (step.given, step.fakes.given))
    reversed_ones = (wanted[:, :names] != known[:, :names]).sum(dim=1)
    assert reversed_ones[:4].max() == 1
    assert (reversed_ones[:4] == 1).sum() >= 2  # of the others it is not known what they show
    assert not reversed_ones[4:].any()
    codes = made._made_up(step.encoded.code, moment(0.5))
    assert torch.equal(codes[:4], step.encoded.code[:4])
    assert torch.equal(codes[4:6], step.encoded.code[3:5])  # the others' are another's, or nobody's
    ages = made._edited(known, moment(0.5))[:, names:]
    others = known.roll(1, dims=0)[:, names:]
    kept, changed = ((ages == side).all(dim=1) for side in (known[:, names:], others))
    assert (kept | changed).all()
    assert not kept.all()


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
