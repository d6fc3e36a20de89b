"""What a face can be asked to show, CelebA's attributes and an age, as the numbers that networks get."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recog.errors import ConfigError

# CelebA's names. The first group belongs to a person, the second to a photo.
LASTING = ("Male", "Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair", "Bald", "No_Beard")
PASSING = ("Smiling", "Mouth_Slightly_Open", "Eyeglasses", "Wearing_Hat", "Bangs", "Heavy_Makeup")
ATTRIBUTES = (*LASTING, *PASSING)
AGE = "age"
KNOTS = np.arange(0.0, 81.0, 10.0)  # years; an age is shared between the two knots around it
HAIR_COLOURS = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair")  # one at most is true

ALIASES = {  # other words for an attribute, and whether they stand for its opposite
    "female": ("Male", -1.0),
    "beard": ("No_Beard", -1.0),
    "glasses": ("Eyeglasses", 1.0),
    "hat": ("Wearing_Hat", 1.0),
    "mouthopen": ("Mouth_Slightly_Open", 1.0),
    "makeup": ("Heavy_Makeup", 1.0),
}

Encoded = NDArray[np.float32]  # (N, V) see Vocabulary


@dataclass(frozen=True)
class Vocabulary:
    """Which attributes a network knows, and whether it knows ages; V numbers a face.

    An attribute is -1, 1, or 0 for not known; an age is the weights of the knots around it, all 0 for not
    known.
    """

    attributes: tuple[str, ...] = ()
    ages: bool = False

    def __len__(self) -> int:
        return len(self.attributes) + self.ages * len(KNOTS)

    @property
    def names(self) -> tuple[str, ...]:
        """What can be asked for."""
        return (*self.attributes, *([AGE] if self.ages else []))

    def encoded(self, values: Mapping[str, NDArray[np.floating]], count: int) -> Encoded:
        """(N, V) of what is known of `count` faces.

        Args:
            values: by name, (N,) of -1, 0 or 1, of an age years; 0 and NaN, and names that are missing, stand
                for not known.
        """
        columns = [np.asarray(values.get(name, np.zeros(count))) for name in self.attributes]
        parts = [np.nan_to_num(np.array(columns, np.float64).reshape(len(columns), count).T)]
        if self.ages:
            parts.append(knot_weights(np.asarray(values.get(AGE, np.full(count, np.nan)), np.float64)))
        return np.concatenate(parts, axis=1).astype(np.float32)

    def values(self, encoded: Encoded) -> dict[str, NDArray[np.float64]]:
        """By name, (N,) of what (N, V) says: attributes, and ages in years; the reverse of `encoded`."""
        known = {name: encoded[:, index].astype(np.float64) for index, name in enumerate(self.attributes)}
        return {**known, AGE: self.ages_of(encoded)} if self.ages else known

    def asked(self, conditions: Mapping[str, float]) -> Encoded:
        """(V,) of what a user asks for, as `parse` gives it.

        Raises: ConfigError: a name that this network does not know.
        """
        unknown = sorted(set(conditions) - set(self.names))
        if unknown:
            raise ConfigError(f"This generator knows no {unknown[0]!r}; it knows {', '.join(self.names)}.")
        row: Encoded = self.encoded({name: np.array([value]) for name, value in conditions.items()}, 1)[0]
        return row

    def implied(self, conditions: Mapping[str, float]) -> dict[str, float]:
        """What a user asks for with what follows from it, as far as this network knows what follows.

        Raises: as `asked`.
        """
        self.asked(conditions)
        return {name: value for name, value in consistent(conditions).items() if name in self.names}

    def ages_of(self, encoded: Encoded) -> NDArray[np.float64]:
        """(N,) years; NaN where the age is not known."""
        if not self.ages:
            return np.full(len(encoded), np.nan)
        weights = encoded[:, len(self.attributes) :].astype(np.float64)
        total = weights.sum(axis=1)
        return np.where(total > 0, weights @ KNOTS / np.where(total > 0, total, 1), np.nan)

    def described(self, row: Encoded) -> dict[str, float]:
        """What a row (V,) asks for, by name, for a manifest; only what is known."""
        said: dict[str, float] = {
            n: int(v) for n, v in zip(self.attributes, row[: len(self.attributes)], strict=True) if v
        }
        age = self.ages_of(row[None])[0]
        return said if np.isnan(age) else {**said, AGE: round(float(age), 1)}

    def hidden(self, encoded: Tensor, share: float, rng: torch.Generator) -> Tensor:
        """Each attribute of (B, V), and the age as a whole, becomes unknown with this probability."""
        drawn = torch.rand(len(encoded), len(self.names), generator=rng) >= share
        repeats = torch.tensor(
            [*[1] * len(self.attributes), *([len(KNOTS)] if self.ages else [])], dtype=torch.long
        )
        return encoded * drawn.repeat_interleave(repeats, dim=1).to(encoded)


def knot_weights(ages: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N, K): each age shared linearly between the knots around it, zeros for NaN."""
    held = np.clip(ages, KNOTS[0], KNOTS[-1])
    near = 1 - np.abs(held[:, None] - KNOTS) / (KNOTS[1] - KNOTS[0])
    weights: NDArray[np.float64] = np.nan_to_num(np.maximum(near, 0))
    return weights


def parse(words: Iterable[str]) -> dict[str, float]:
    """What a user writes -> conditions by name: 1 for wanted, -1 for not wanted, of an age years.

    A word is smiling, no-eyeglasses, smiling=0, sex=female or age=40; case and -, _ do not matter.

    Raises: ConfigError: a word that is none of these, or two that contradict each other.
    """
    found: dict[str, float] = {}
    for word in words:
        name, value = _said(word.strip())
        if found.get(name, value) != value:
            raise ConfigError(f"{word!r} contradicts an earlier word about {name}. Give one of the two.")
        found[name] = value
    return found


def consistent(conditions: Mapping[str, float]) -> dict[str, float]:
    """Conditions with what they imply: hair has one colour."""
    coloured = any(conditions.get(name, 0) > 0 for name in HAIR_COLOURS)
    return {**(dict.fromkeys(HAIR_COLOURS, -1.0) if coloured else {}), **conditions}


def _said(word: str) -> tuple[str, float]:
    name, _, text = word.partition("=")
    plain = re.sub("[-_ ]", "", name).lower()
    if plain == AGE:
        return AGE, _years(word, text)
    if plain == "sex":
        if text.lower() not in ("male", "female"):
            raise ConfigError(f"{word!r}: give sex=male or sex=female.")
        return "Male", 1.0 if text.lower() == "male" else -1.0
    value = {"": 1.0, "1": 1.0, "yes": 1.0, "0": -1.0, "no": -1.0}.get(text.lower())
    known = {re.sub("_", "", one).lower(): (one, 1.0) for one in ATTRIBUTES}
    known |= ALIASES
    if plain not in known and plain.startswith("no"):
        plain, value = plain[2:], value if value is None else -value
    if plain not in known or value is None:
        raise ConfigError(
            f"{word!r} is nothing to ask a face for. Give {', '.join(_spelled(ATTRIBUTES))} or sex=female, "
            "each also as no-NAME or NAME=0, or age=40."
        )
    full, sign = known[plain]
    return full, sign * value


def _years(word: str, text: str) -> float:
    try:
        years = float(text)
    except ValueError:
        years = np.nan
    if not 0 <= years <= 120:
        raise ConfigError(f"{word!r}: give an age in years, for example age=40.")
    return years


def _spelled(names: Sequence[str]) -> list[str]:
    """Names as a command line takes them."""
    return [name.lower().replace("_", "-") for name in names]
