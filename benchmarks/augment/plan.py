"""What is decided before the first run: people and photos, arms, seeds, steps, the metric that counts.

A plan is a TOML file, or made of the command's options. Its digest is in every row.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.augment.effects import require_seeds
from benchmarks.rows import plan_hash
from recog.errors import ConfigError
from recog.settings import Checks, above_zero, at_least, check
from recog.training import TrainConfig

MAKERS = ("gan", "vae", "vae-gan")
SAME, NEW = OF = ("same", "new")
OPEN, CLOSED = REGIMES = ("open", "closed")
NONE, CLASSIC, MIXED, SYNTHETIC = "none", "classic", "classic+synthetic", "synthetic"
SHARED = ("seed", "image_size", "total_kimg", "batch_size", "synthetic_share")  # settings of no arm alone
SLIM = {"channels": (48, 96, 192, 384)}  # a resnet18 of a third of the weights


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """Which made-up faces an arm learns from, and when.

    Raises: ConfigError: a value is outside its range.
    """

    maker: str = "gan"
    of: str = SAME  # same: more photos of the people who are learned from; new: people who do not exist
    people: int = 0  # of "new"
    photos: int = 16  # of each person
    share: float = 0.5  # of each batch; 1: real photos are not learned from
    first: float = 0.0  # share of the steps that are over before the first real photo is seen
    candidates: int = 2  # photos made for each that is kept
    window: bool = True  # keep those as like the person as real photos are; else the most alike

    def __post_init__(self) -> None:
        check(self, self._checks)

    def _checks(self) -> Checks:
        wanted = self.of == NEW
        return {
            "maker": (self.maker in MAKERS, f"one of {', '.join(MAKERS)}"),
            "of": (self.of in OF, f"one of {', '.join(OF)}"),
            "people": (self.people >= 2 if wanted else self.people == 0, "2 or more of new people, else 0"),
            **at_least(1, self, "photos", "candidates"),
            "share": (
                0 <= self.share <= 1 and self.share + self.first > 0,
                "0 to 1, above 0 unless first is",
            ),
            "first": (0 <= self.first < 1, "0 or more, less than 1"),
        }


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to learn from the photos that there are."""

    train: Mapping[str, Any] = field(
        default_factory=dict
    )  # settings of TrainConfig that differ from the plan's
    synthesis: Synthesis | None = None

    def to_json(self) -> dict[str, Any]:
        """All that decides the arm."""
        made = None if self.synthesis is None else dataclasses.asdict(self.synthesis)
        return {"train": dict(self.train), "synthesis": made}


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of a run: which faces, and for how long."""

    config: TrainConfig
    real: bool
    made_up: bool


def usual(photos: int = 16, share: float = 0.5, candidates: int = 2) -> dict[str, Arm]:
    """Four arms: no augmentation, the classic one, and made-up photos beside or instead of the real ones."""
    made = Synthesis(photos=photos, share=share, candidates=candidates)
    return {
        NONE: Arm(train={"augmentation": "none"}),
        CLASSIC: Arm(),
        MIXED: Arm(synthesis=made),
        SYNTHETIC: Arm(synthesis=dataclasses.replace(made, share=1.0)),
    }


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that is decided before the first run.

    Raises: ConfigError: a value is outside its range, or the seeds are too few to confirm anything.
    """

    name: str = "four arms"
    people: int = 200  # N, drawn anew for each seed
    photos: int = 4  # K real photos of each
    seeds: int = 6
    first_seed: int = 0  # confirming runs take seeds that exploring ones have not seen
    regime: str = OPEN  # open: generators learned from other people; closed: from these N x K photos alone
    arms: Mapping[str, Arm] = field(default_factory=usual)
    baseline: str = CLASSIC
    train: Mapping[str, Any] = field(default_factory=dict)  # settings of TrainConfig, of all arms
    metric: str = "TAR@FMR=1e-2"
    margin: float = 0.005  # effects that are smaller do not matter
    resamples: int = 200  # of the exam's people, the same for all runs
    confirms: bool = False  # verdicts are meant to count: seeds have to suffice

    def __post_init__(self) -> None:
        check(self, self._checks)
        for name in self.arms:
            self.phases(name, self.first_seed)  # refuses settings that do not exist
        if self.confirms:
            require_seeds(self.seeds, max(1, len(self.arms) - 1))

    def _checks(self) -> Checks:
        return {
            **at_least(2, self, "people"),
            **at_least(1, self, "photos", "seeds"),
            **at_least(0, self, "first_seed", "resamples"),
            **above_zero(self, "margin"),
            "regime": (self.regime in REGIMES, f"one of {', '.join(REGIMES)}"),
            "arms": (bool(self.arms), "one arm or more"),
        }

    @property
    def image_size(self) -> int:
        """Side of the crops of all arms, px."""
        return self.config(next(iter(self.arms)), self.first_seed).image_size

    @property
    def every_seed(self) -> range:
        """The seeds of all runs."""
        return range(self.first_seed, self.first_seed + self.seeds)

    @property
    def makers(self) -> frozenset[str]:
        """Who makes faces for some arm."""
        return frozenset(arm.synthesis.maker for arm in self.arms.values() if arm.synthesis is not None)

    def config(self, arm: str, seed: int) -> TrainConfig:
        """A run of this arm as a whole.

        Raises: ConfigError: a setting that does not exist, or is out of range.
        """
        fixed = sorted(set(self.arms[arm].train) & set(SHARED))
        if fixed:
            raise ConfigError(
                f"Arm {arm!r} sets {fixed[0]}, which is the same for all arms: move it to [train]."
            )
        given = {**DEFAULTS, **self.train, **self.arms[arm].train, "seed": seed}
        known = {one.name for one in dataclasses.fields(TrainConfig)}
        unknown = sorted(set(given) - known)
        if unknown:
            raise ConfigError(f"Arm {arm!r}: training has no setting {unknown[0]!r}.")
        return TrainConfig(**given)

    def phases(self, arm: str, seed: int) -> tuple[Phase, ...]:
        """What a run of this arm does one after another; all arms together have as many steps each.

        Raises: ConfigError: as `config`.
        """
        whole, synthesis = self.config(arm, seed), self.arms[arm].synthesis
        if synthesis is None:
            return (Phase(config=whole, real=True, made_up=False),)
        rest = whole.steps
        parts: list[Phase] = []
        if synthesis.first > 0:
            steps = max(1, round(synthesis.first * whole.steps))
            rest -= steps
            parts.append(Phase(config=_cut(whole, steps, 0.0), real=False, made_up=True))
        share = synthesis.share
        mixes = 0 < share < 1
        last = _cut(whole, rest, share if mixes else 0.0)
        return (*parts, Phase(config=last, real=share < 1, made_up=share > 0))

    def decisions(self) -> dict[str, Any]:
        """What rows of several arms and seeds share: more of either go on with the same plan."""
        without = ("name", "arms", "seeds", "first_seed", "baseline", "margin", "confirms", "train")
        shared = {key: value for key, value in vars(self).items() if key not in without}
        return {**shared, "train": TrainConfig(**{**DEFAULTS, **self.train}).to_json()}

    @property
    def digest(self) -> str:
        """Of all that was declared."""
        said = {**vars(self), "train": dict(self.train)}
        return plan_hash({**said, "arms": {name: arm.to_json() for name, arm in self.arms.items()}})


DEFAULTS: Mapping[str, Any] = {
    "backbone": "resnet18",
    "backbone_options": SLIM,
    "image_size": 64,
    "batch_size": 128,
    "learning_rate": 2e-3,
    "total_kimg": 60.0,
    "augmentation": "classic",
}


def _cut(config: TrainConfig, steps: int, share: float) -> TrainConfig:
    kimg = steps * config.batch_size / 1000
    return dataclasses.replace(config, total_kimg=kimg, synthetic_share=share)


def read(path: Path | str) -> Plan:
    """A plan from a TOML file.

    Raises: ConfigError: it cannot be read, or says what plans do not know.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        said = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: is no TOML ({error}).") from error
    try:
        return parsed(said)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def parsed(said: Mapping[str, Any]) -> Plan:
    """A plan from what a TOML file says. Raises: ConfigError: it says what plans do not know."""
    _require_known(said, Plan, "A plan")
    arms = said.get("arms")
    if arms is None:
        return Plan(**said)
    return Plan(**{**said, "arms": {name: _arm(name, one) for name, one in arms.items()}})


def _arm(name: str, said: Mapping[str, Any]) -> Arm:
    _require_known(said, Arm, f"Arm {name!r}")
    made = said.get("synthesis")
    if made is None:
        return Arm(**said)
    _require_known(made, Synthesis, f"The synthesis of arm {name!r}")
    return Arm(**{**said, "synthesis": Synthesis(**made)})


def _require_known(said: Mapping[str, Any], kind: type, what: str) -> None:
    known = [one.name for one in dataclasses.fields(kind)]
    unknown = sorted(set(said) - set(known))
    if unknown:
        raise ConfigError(f"{what} has no {unknown[0]!r}; it knows {', '.join(known)}.")
