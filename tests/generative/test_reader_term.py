"""Made-up faces that a reader of attributes looks at while their maker learns."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from generative.conditions import Vocabulary
from generative.data import FaceData
from generative.objectives.attributes import Shown
from generative.objectives.conditional import ConditionalObjective
from generative.training import train
from recog.embedding import Embedder
from recog.errors import ConfigError
from tests.generative.stand_ins import SIZE, config, make_reader, objective

SMILES = Vocabulary(("Smiling",))


def test_the_term_is_the_cross_entropy_of_what_is_wanted() -> None:
    shown = Shown(make_reader(Vocabulary(("Male", "Smiling"))), SMILES)
    faces = torch.full((2, 3, SIZE, SIZE), 0.5)
    wanted = torch.tensor([[1.0], [-1.0]])
    expected = (math.log1p(math.exp(-0.5)) + math.log1p(math.exp(0.5))) / 2
    assert float(shown(faces, wanted)) == pytest.approx(expected, rel=1e-5)
    assert float(shown(faces, torch.zeros(2, 1))) == 0.0  # what is not asked for may be anything


def test_the_order_of_names_may_differ() -> None:
    class Two(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[9.0, -9.0]]).expand(len(x), -1)

    reader = make_reader(Vocabulary(("Smiling", "Male")))
    reader.network = Two()
    shown = Shown(reader, Vocabulary(("Male", "Smiling")))
    wanted = torch.tensor([[-1.0, 1.0]])  # as the reader sees it, in the other order
    assert float(shown(torch.zeros(1, 3, SIZE, SIZE), wanted)) < 0.001


def test_what_only_one_of_the_two_knows_does_not_count() -> None:
    asked = Vocabulary(("Male", "Smiling"), ages=True)
    shown = Shown(make_reader(SMILES), asked)
    faces = torch.full((1, 3, SIZE, SIZE), 0.5)
    wanted = torch.zeros(1, len(asked))
    wanted[0, 1:4] = torch.tensor([1.0, 0.5, 0.5])  # a smile, and an age
    assert float(shown(faces, wanted)) == pytest.approx(math.log1p(math.exp(-0.5)), rel=1e-5)
    assert float(Shown(make_reader(Vocabulary(("Bald",))), asked)(faces, wanted)) == 0.0


@pytest.mark.parametrize("kind", ["gan", "vae", "vae-gan"])
def test_faces_follow_the_reader(kind: str, faces: FaceData, embedder: Embedder, tmp_path: Path) -> None:
    """Who reads smiles off brightness gets brighter faces where smiles are wanted."""
    known = replace(faces, vocabulary=SMILES, attributes=SMILES.encoded(smiles(len(faces)), len(faces)))
    pace = config(kind, total_kimg=0.64, log_kimg=1.0, learning_rate=3e-3, ema_halflife_kimg=0.0)
    contrasts = {}
    for weight in (0.0, 30.0):
        maker = objective(kind, known, embedder, make_reader(SMILES), reader_weight=weight)
        assert isinstance(maker, ConditionalObjective)
        train(pace, known, maker, tmp_path / str(weight), "cpu")
        centres = torch.from_numpy(known.centres)
        noise = torch.randn(len(centres), int(maker.network.noise_size), generator=torch.manual_seed(0))  # type: ignore[arg-type]
        maker.network.eval()
        with torch.no_grad():
            bright, dark = (
                maker.network(
                    noise, torch.cat([centres * math.sqrt(8), torch.full((len(centres), 1), side)], 1)
                )
                for side in (1.0, -1.0)
            )
        contrasts[weight] = float((bright - dark).mean())
    assert contrasts[30.0] > contrasts[0.0] + 0.1


def smiles(count: int) -> dict[str, NDArray[np.int64]]:
    return {"Smiling": np.arange(count) % 2 * 2 - 1}


def test_weights_say_who_read(faces: FaceData, embedder: Embedder) -> None:
    known = replace(faces, vocabulary=SMILES, attributes=SMILES.encoded(smiles(len(faces)), len(faces)))
    reader = make_reader(SMILES)
    read = objective("gan", known, embedder, reader, reader_weight=1.0)
    assert read.run_config()["reader_digest"] == read.model_config()["reader_digest"] == "brightness"
    assert "reader_digest" not in objective("gan", known, embedder, reader).model_config()
    with pytest.raises(ConfigError, match="needs a reader"):
        objective("gan", known, embedder, reader_weight=1.0)
    nothing = replace(known, vocabulary=Vocabulary(), attributes=known.attributes[:, :0])
    objective("gan", nothing, embedder, reader_weight=1.0)  # nothing to read
