"""What a model's card says about strangers: thresholds by rate and gallery size, and odds by similarity.

Stored with the weights as plain JSON; galleries that nobody calibrated are read from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CardEntry:
    """One measured threshold."""

    kind: str  # "fmr" (two photos) or "fpir" (a gallery)
    rate: float  # as a fraction
    size: int  # templates in the gallery; 0 for fmr
    threshold: float  # cosine
    interval: tuple[float, float] | None = None  # 95 %, of the rate


@dataclass(frozen=True, slots=True)
class Card:
    """Impostor statistics of a model."""

    entries: tuple[CardEntry, ...] = ()
    odds: tuple[float, float] | None = None  # slope and intercept, see `recog.calibration.fit_odds`
    comparisons: int | None = None  # non-mated pairs behind the card
    mirror: tuple[float, float] | None = None  # cosine of faces and their mirror images: worst 1 %, median

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> Card:
        """The card in a model's configuration; empty where it has none.

        `thresholds` maps "fmr_RATE" and "fpir_RATE_TEMPLATES" to cosines, `intervals` these keys to the 95 %
        interval of the rate; `odds`, `comparisons` and `mirror` are as here.
        """
        intervals = config.get("intervals") or {}
        entries = tuple(
            _entry(key, float(value), intervals.get(key))
            for key, value in (config.get("thresholds") or {}).items()
        )
        odds = config.get("odds")
        mirror = config.get("mirror")
        return cls(entries, _pair(odds), config.get("comparisons"), _pair(mirror))

    def to_config(self) -> dict[str, Any]:
        """The part of a model's configuration that `of_config` reads."""
        return {
            "thresholds": {_key(entry): round(entry.threshold, 4) for entry in self.entries},
            "intervals": {
                _key(entry): [float(f"{bound:.3g}") for bound in entry.interval]
                for entry in self.entries
                if entry.interval is not None
            },
            "odds": [round(value, 4) for value in self.odds] if self.odds else None,
            "comparisons": self.comparisons,
            "mirror": [round(value, 4) for value in self.mirror] if self.mirror else None,
        }

    def of_kind(self, kind: str) -> list[CardEntry]:
        """The entries for "fmr" or "fpir"."""
        return [entry for entry in self.entries if entry.kind == kind]


def _entry(key: str, threshold: float, interval: list[float] | None) -> CardEntry:
    kind, rate, *size = key.split("_")
    return CardEntry(kind, float(rate), int(size[0]) if size else 0, threshold, _pair(interval))


def _pair(values: Sequence[float] | None) -> tuple[float, float] | None:
    return (float(values[0]), float(values[1])) if values else None


def _key(entry: CardEntry) -> str:
    return f"{entry.kind}_{entry.rate:g}" + (f"_{entry.size}" if entry.size else "")
