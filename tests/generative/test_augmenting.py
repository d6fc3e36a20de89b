"""Made-up faces to learn from: of whom they are, which are kept, and when they are learned from."""

from __future__ import annotations

import numpy as np
import pytest

from generative.augmenting import GeneratorMaker, Synthesis, parted, phases
from generative.curation import Window
from generative.synthesis import Synthesizer
from recog.embedding import Embedder
from recog.errors import ConfigError
from recog.training import CropSet, TrainConfig

SMALL = Synthesis(photos=3, candidates=2)


def photos(crops: CropSet, people: int) -> CropSet:
    return crops.of_identities(crops.identities[:people])


def test_made_up_photos_are_of_the_people_asked_for(
    synthesizer: Synthesizer, embedder: Embedder, crops: CropSet
) -> None:
    maker = GeneratorMaker(synthesizer, embedder)
    draw = photos(crops, 4)
    made = maker(draw, SMALL, 7)
    assert made.identities == draw.identities
    assert np.bincount(made.labels).tolist() == [3] * 4
    again, other = maker(draw, SMALL, 7), maker(draw, SMALL, 8)
    assert np.array_equal(made.images, again.images)
    assert not np.array_equal(made.images, other.images)
    assert maker.networks["generator"] == synthesizer.digest
    assert maker.networks["recogniser"] == embedder.digest


def test_new_people_have_names_of_their_own(
    synthesizer: Synthesizer, embedder: Embedder, crops: CropSet
) -> None:
    synthesizer.people.basis *= 20  # so few dimensions hold hardly any strangers otherwise
    made = GeneratorMaker(synthesizer, embedder)(
        photos(crops, 4), Synthesis(of="new", people=2, photos=3, candidates=1), 7
    )
    assert len(made.identities) == 2
    assert not set(made.identities) & set(crops.identities)


def test_the_window_is_the_generators_or_none_or_asks_for_the_hardest(
    synthesizer: Synthesizer, embedder: Embedder, crops: CropSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Window | None] = []
    usual = synthesizer.person

    def person(*arguments: object, window: Window | None = None, **named: object) -> object:
        asked.append(window)
        return usual(*arguments, window=window, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(synthesizer, "person", person)
    synthesizer.window = Window(0.2, 0.7)
    for keep in ("window", "alike", "hard"):
        GeneratorMaker(synthesizer, embedder)(photos(crops, 1), Synthesis(photos=1, keep=keep), 7)
    assert asked == [Window(0.2, 0.7), Window(), Window(0.2, 0.7, hardest=True)]


@pytest.mark.parametrize("first", [0.0, 0.3])
def test_phases_have_as_many_steps_as_the_run(first: float) -> None:
    config = TrainConfig(batch_size=8, total_kimg=0.08)
    found = phases(config, Synthesis(share=0.5, first=first))
    assert sum(phase.config.steps for phase in found) == config.steps == 10
    *before, last = found
    assert [(phase.real, phase.made_up, phase.config.steps) for phase in before] == (
        [(False, True, 3)] if first else []
    )
    assert (last.real, last.made_up, last.config.synthetic_share) == (True, True, 0.5)


def test_without_synthesis_there_is_one_phase() -> None:
    config = TrainConfig(total_kimg=1)
    (phase,) = phases(config, None)
    assert (phase.config, phase.real, phase.made_up) == (config, True, False)
    assert parted(config, 0.0) == (None, config)


def test_a_share_of_no_crop_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"A share of 0\.01 is none, or all, of 8 crops"):
        phases(TrainConfig(batch_size=8), Synthesis(share=0.01))
