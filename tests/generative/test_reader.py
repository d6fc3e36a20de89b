"""What a reader of attributes and ages learns from how common they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from generative.conditions import Vocabulary
from generative.data import FaceData
from generative.objectives.reader import ReaderObjective
from generative.training import Moment
from recog.embedding import Embedder
from tests.generative.stand_ins import config, objective


def slope(faces: FaceData, embedder: Embedder, even_handed: bool) -> torch.Tensor:
    """(V,) which way the answers to every face want to move from 0."""
    reader = objective("reader", faces, embedder, even_handed=even_handed, shift=0.0, zoom=0.0, turn=0.0)
    assert isinstance(reader, ReaderObjective)
    answer = reader.network.answer
    torch.nn.init.zeros_(answer.weight)
    torch.nn.init.zeros_(answer.bias)
    rng = torch.Generator().manual_seed(0)
    batch = faces.batch(2000, rng, torch.device("cpu"), config("reader").balanced_share)
    loss, _ = reader.phases[0].loss(batch, Moment(0, 0.0, rng))
    loss.backward()
    assert answer.bias.grad is not None
    return answer.bias.grad


@pytest.fixture
def rare(faces: FaceData) -> FaceData:
    """One face in ten smiles; half of them wear glasses; nobody's age is known."""
    smiling = np.where(np.arange(len(faces)) % 10 == 0, 1.0, -1.0)
    glasses = np.where(np.arange(len(faces)) % 2 == 0, 1.0, -1.0)
    known = Vocabulary(("Smiling", "Eyeglasses"), ages=False)
    encoded = known.encoded({"Smiling": smiling, "Eyeglasses": glasses}, len(faces))
    return replace(faces, attributes=encoded, vocabulary=known)


def test_a_plain_reader_answers_by_what_is_common(rare: FaceData, embedder: Embedder) -> None:
    smiling, glasses = slope(rare, embedder, even_handed=False)
    assert smiling > 0.05  # down, towards the odds of how often it is drawn
    assert abs(glasses) < 0.02


def test_an_even_handed_reader_does_not(rare: FaceData, embedder: Embedder) -> None:
    smiling, glasses = slope(rare, embedder, even_handed=True)
    assert abs(smiling) < 0.02
    assert abs(glasses) < 0.02
