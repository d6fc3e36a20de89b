"""What is decided before the first run: people and photos, arms, seeds, steps, the metric that counts.

A plan is a TOML file, or made of the command's options. Its digest is in every row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from benchmarks.augment.effects import require_seeds
from benchmarks.augment.enrolling import RANK_1, found_name
from benchmarks.rows import plan_hash
from benchmarks.verification import FMRS, tar_name
from generative import augmenting
from generative.augmenting import Phase, Synthesis
from generative.recombining import WAYS
from recog.embedding import Embedder
from recog.errors import ConfigError
from recog.settings import Checks, above_zero, at_least, check
from recog.training import TrainConfig

OPEN, CLOSED = REGIMES = ("open", "closed")
NONE, CLASSIC, MIXED, SYNTHETIC = "none", "classic", "classic+synthetic", "synthetic"
SHARED = ("seed", "image_size", "total_kimg", "batch_size", "synthetic_share")  # settings of no arm alone
FPIR = 0.01  # where the people who were learned from are searched for
METRICS = tuple(tar_name(fmr) for fmr in FMRS[:2])  # that exams of any size are asked for
SEEDS_APART = 1_000_003
SLIM = {"channels": (48, 96, 192, 384)}  # a resnet18 of a third of the weights


class Kind(NamedTuple):
    """Who makes faces, and what they have learned from."""

    maker: str
    regime: str


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to learn from the photos that there are."""

    train: Mapping[str, Any] = field(
        default_factory=dict
    )  # settings of TrainConfig that differ from the plan's
    synthesis: Synthesis | None = None
    regime: str = ""  # of the synthesis; "": the plan's
    restart: float = 0.0  # share of the steps after which learning begins anew, from the weights so far
    length: float = 1.0  # share of the steps that are taken: for whom more are too many
    chance: int = 0  # another number: other initial weights and batches, all else the same (A/A)
    trains: bool = True  # False: what the plan starts from, as it is

    def __post_init__(self) -> None:
        check(self, self._checks)

    def _checks(self) -> Checks:
        alone = self.synthesis is None or self.restart == 0
        plain = self.synthesis is None and self.restart == 0
        return {
            "restart": (0 <= self.restart < 1 and alone, "0 or more, less than 1, and 0 beside a synthesis"),
            "length": (
                self.length == 1 or (0 < self.length < 1 and plain),
                "above 0 to 1, and 1 beside a synthesis or a restart",
            ),
            **at_least(0, self, "chance"),
            "regime": (self.regime in ("", *REGIMES), f"one of {', '.join(REGIMES)}, or not said"),
            "trains": (self.trains or (plain and not self.train), "true, or nothing else beside it"),
        }

    def said(self) -> dict[str, Any]:
        """What differs from an arm of which nothing is said, for readers."""
        usual = Arm().to_json()
        differing = {name: value for name, value in self.to_json().items() if value != usual.get(name)}
        if self.synthesis is not None:
            differing["synthesis"] = {name: value for name, value in differing["synthesis"].items() if value}
        return differing

    def to_json(self) -> dict[str, Any]:
        """All that decides the arm."""
        made = None if self.synthesis is None else dataclasses.asdict(self.synthesis)
        return {
            "train": dict(self.train),
            "synthesis": made,
            "restart": self.restart,
            "chance": self.chance,
            "trains": self.trains,
            **({"length": self.length} if self.length < 1 else {}),
            **({"regime": self.regime} if self.regime else {}),
        }


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
    start: str = ""  # embedder from whose weights all arms learn: fine-tuning; "": random weights
    own: bool = False  # also search for the people who were learned from, by other photos of them
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
        fixed = sorted({"seed", "synthetic_share"} & set(self.train))
        if fixed:
            raise ConfigError(f"[train] sets {fixed[0]}, which seeds and arms decide: leave it out.")
        for name in self.arms:
            self.phases(name, self.first_seed)  # refuses settings that do not exist
        if self._closes and self.photos < 2:
            raise ConfigError(
                "photos is 1; a generator of the closed regime learns from 2 or more of a person."
            )
        if not self.start and not all(arm.trains for arm in self.arms.values()):
            raise ConfigError("An arm does not train, and the plan starts from nothing: name a start.")
        if self.start and self._closes:
            raise ConfigError(
                f"start is {self.start!r}, which learned from other people: the regime is open, not closed."
            )
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
            "metric": (self.metric in self._metrics, f"one of {', '.join(self._metrics)}"),
            "baseline": (
                self.baseline in self.arms or (len(self.arms) == 1 and not self._closes),
                f"the name of an arm: {', '.join(self.arms)}",
            ),
        }

    @property
    def _metrics(self) -> tuple[str, ...]:
        """What rows of all seeds say."""
        return (*METRICS, RANK_1, found_name(FPIR)) if self.own else METRICS

    @property
    def _closes(self) -> bool:
        """Whether generators learn from the draw alone, conditioned by what the baseline learns."""
        return bool(self.generators_of(CLOSED))

    @property
    def image_size(self) -> int:
        """Side of the crops of all arms, px."""
        return self.config(next(iter(self.arms)), self.first_seed).image_size

    @property
    def backbone(self) -> str:
        """What the arms train, where they do not say otherwise."""
        return str({**DEFAULTS, **self.train}["backbone"])

    @property
    def every_seed(self) -> range:
        """The seeds of all runs."""
        return range(self.first_seed, self.first_seed + self.seeds)

    def kind(self, arm: str) -> Kind | None:
        """Who makes the faces of an arm; None where there are none."""
        chosen = self.arms[arm]
        if chosen.synthesis is None:
            return None
        return Kind(chosen.synthesis.maker, chosen.regime or self.regime)

    @property
    def kinds(self) -> frozenset[Kind]:
        """Who makes faces for some arm."""
        return frozenset(kind for arm in self.arms if (kind := self.kind(arm)) is not None)

    def generators_of(self, regime: str) -> list[str]:
        """Those makers of a regime that are networks, sorted."""
        return sorted(kind.maker for kind in self.kinds if kind.regime == regime and kind.maker not in WAYS)

    def seed_of(self, arm: str, seed: int) -> int:
        """Of initial weights and batches."""
        return seed + SEEDS_APART * self.arms[arm].chance

    def config(self, arm: str, seed: int) -> TrainConfig:
        """A run of this arm as a whole.

        Raises: ConfigError: a setting that does not exist, or is out of range.
        """
        fixed = sorted(set(self.arms[arm].train) & set(SHARED))
        if fixed:
            raise ConfigError(
                f"Arm {arm!r} sets {fixed[0]}, which is the same for all arms: move it to [train]."
            )
        given = {**DEFAULTS, **self.train, **self.arms[arm].train}
        given["seed"] = self.seed_of(arm, seed)
        known = {one.name for one in dataclasses.fields(TrainConfig)}
        unknown = sorted(set(given) - known)
        if unknown:
            raise ConfigError(f"Arm {arm!r}: training has no setting {unknown[0]!r}.")
        return TrainConfig(**given)

    def phases(self, arm: str, seed: int) -> tuple[Phase, ...]:
        """What a run of this arm does one after another: as many steps as others', or fewer if so declared.

        Raises: ConfigError: as `config`.
        """
        whole, chosen = self.config(arm, seed), self.arms[arm]
        if not chosen.trains:
            return ()
        if chosen.restart:
            halves = augmenting.parted(whole, chosen.restart)
            return tuple(Phase(config=half, real=True, made_up=False) for half in halves if half is not None)
        if chosen.length < 1:
            shorter = dataclasses.replace(whole, total_kimg=whole.total_kimg * chosen.length)
            return (Phase(config=shorter, real=True, made_up=False),)
        try:
            return augmenting.phases(whole, chosen.synthesis)
        except ConfigError as error:
            raise ConfigError(f"Arm {arm!r}: {error}") from error

    def decisions(self) -> dict[str, Any]:
        """What rows of several arms and seeds share: more of either go on with the same plan."""
        shared = ("people", "photos", "own", "regime", "metric", "resamples")
        config = TrainConfig(**{**DEFAULTS, **self.train}).to_json()
        return {**{name: getattr(self, name) for name in shared}, "train": config}

    @property
    def digest(self) -> str:
        """Of all that was declared."""
        said = {**vars(self), "train": dict(self.train)}
        return plan_hash({**said, "arms": {name: arm.to_json() for name, arm in self.arms.items()}})


ARCHITECTURE = ("backbone", "backbone_options", "head", "embedding_size", "image_size")
DEFAULTS: Mapping[str, Any] = {
    "backbone": "resnet18",
    "backbone_options": SLIM,
    "image_size": 64,
    "batch_size": 128,
    "learning_rate": 2e-3,
    "total_kimg": 60.0,
    "augmentation": "classic",
}


def settings_of(start: Embedder) -> dict[str, Any]:
    """What a run has to share with the weights that it starts from."""
    return {name: start.config[name] for name in ARCHITECTURE if name in start.config}
