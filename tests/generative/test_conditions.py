from __future__ import annotations

import numpy as np
import pytest
import torch

from generative.conditions import AGE, KNOTS, Vocabulary, consistent, knot_weights, parse
from recog.errors import ConfigError

KNOWN = Vocabulary(("Male", "Smiling"), ages=True)


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("smiling", {"Smiling": 1}),
        ("Smiling=1", {"Smiling": 1}),
        ("no-smiling", {"Smiling": -1}),
        ("smiling=0", {"Smiling": -1}),
        ("sex=female", {"Male": -1}),
        ("female", {"Male": -1}),
        ("no_beard", {"No_Beard": 1}),
        ("beard", {"No_Beard": -1}),
        ("no-glasses", {"Eyeglasses": -1}),
        ("black hair", {"Black_Hair": 1}),
        ("AGE=41.5", {"age": 41.5}),
    ],
)
def test_words_stand_for_conditions(word: str, wanted: dict[str, float]) -> None:
    assert parse([word]) == wanted


@pytest.mark.parametrize(
    "word", ["", "sad", "age", "age=old", "age=-3", "age=nan", "smiling=2", "sex=x", "no-"]
)
def test_words_that_say_nothing_are_refused(word: str) -> None:
    with pytest.raises(ConfigError, match=r"give|Give"):
        parse([word])


def test_words_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match="contradicts"):
        parse(["male", "sex=female"])
    assert parse(["male", "sex=male"]) == {"Male": 1}


def test_hair_has_one_colour() -> None:
    said = consistent({"Blond_Hair": 1, "Smiling": 1})
    assert said == {"Blond_Hair": 1, "Black_Hair": -1, "Brown_Hair": -1, "Gray_Hair": -1, "Smiling": 1}
    assert consistent({"Blond_Hair": -1}) == {"Blond_Hair": -1}


def test_what_is_asked_is_checked_and_what_follows_is_kept_if_known() -> None:
    known = Vocabulary(("Blond_Hair", "Gray_Hair"))
    assert known.implied({"Blond_Hair": 1}) == {"Blond_Hair": 1, "Gray_Hair": -1}
    assert known.implied({"Blond_Hair": -1}) == {"Blond_Hair": -1}
    with pytest.raises(ConfigError, match="knows no 'Black_Hair'; it knows Blond_Hair, Gray_Hair"):
        known.implied({"Black_Hair": 1})


def test_ages_are_shared_between_knots_and_come_back() -> None:
    ages = np.array([0.0, 4.0, 35.0, 80.0, np.nan])
    weights = knot_weights(ages)
    assert weights.shape == (5, len(KNOTS))
    assert weights[1, :2].tolist() == pytest.approx([0.6, 0.4])
    encoded = KNOWN.encoded({AGE: ages}, 5)
    assert encoded.shape == (5, len(KNOWN))
    assert KNOWN.ages_of(encoded)[:4] == pytest.approx(ages[:4], abs=1e-5)
    assert np.isnan(KNOWN.ages_of(encoded)[4])
    assert KNOWN.ages_of(KNOWN.encoded({AGE: np.array([115.0])}, 1))[0] == 80


def test_what_is_not_known_is_zero_and_not_described() -> None:
    assert not KNOWN.encoded({}, 3).any()
    row = KNOWN.encoded({"Male": np.array([-1]), AGE: np.array([33])}, 1)[0]
    assert KNOWN.described(row) == {"Male": -1, AGE: 33.0}


def test_asking_for_what_a_network_does_not_know_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no 'Bald'; it knows Male, Smiling, age"):
        KNOWN.asked({"Bald": 1})
    assert KNOWN.asked({"Male": 1}).tolist() == [1, *[0] * (len(KNOWN) - 1)]


def test_an_age_is_hidden_as_a_whole() -> None:
    encoded = KNOWN.encoded({"Male": np.ones(400), "Smiling": np.ones(400), AGE: np.full(400, 35.0)}, 400)
    hidden = KNOWN.hidden(torch.from_numpy(encoded), 0.25, torch.Generator().manual_seed(0)).numpy()
    sums = hidden[:, 2:].sum(axis=1)
    assert set(sums.tolist()) == {0, 1}
    for share in (hidden[:, 0].mean(), hidden[:, 1].mean(), sums.mean()):
        assert share == pytest.approx(0.75, abs=0.06)
    assert not np.array_equal(hidden[:, 0], hidden[:, 1])
