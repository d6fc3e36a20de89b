"""What an arm adds to another with the same seeds: how much, how surely, and in which words.

Runs of one seed share people, photos, initial weights and steps, so differences are taken seed by seed. Two
things are drawn, though: the seed's people who are learned from, and the people of the exam. Intervals
resample both. Several arms against one baseline are several chances to be lucky: p-values are Holm's, and
intervals are as wide as all of them together need.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy import stats as distributions
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from benchmarks.metrics import Floats
from benchmarks.stats import Interval, sign_flip
from recog.errors import ConfigError, DataError

ALPHA = 0.05  # of all comparisons together
POWER = 0.8
RESAMPLES = 5000
LEAST = 3  # seeds of an interval


class Verdict(Enum):
    """What may be said of an effect."""

    HELPS = "helps"
    HURTS = "hurts"
    NOTHING = "no effect larger than"  # the margin of equivalence
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Runs:
    """One metric of an arm: its value by seed, and what it is where other people sit the exam.

    Args:
        values: (S,). resampled: (S, B), the value where the exam's people are those of the B-th resample, the
            same for every run; B may be 0: then seeds alone are resampled.
    Raises: DataError: shapes do not fit.
    """

    values: Floats
    resampled: Floats

    def __post_init__(self) -> None:
        if self.values.ndim != 1 or self.resampled.shape[:1] != self.values.shape or self.resampled.ndim != 2:
            shapes = f"{self.values.shape} values and {self.resampled.shape} resampled ones"
            raise DataError(f"{shapes} do not belong together.")

    def __sub__(self, other: Runs) -> Runs:
        """Differences, seed by seed and resample by resample."""
        if len(self.values) != len(other.values) or self.resampled.shape != other.resampled.shape:
            raise DataError(
                f"Paired arms need the same seeds and resamples: {self.resampled.shape} against "
                f"{other.resampled.shape}."
            )
        return Runs(self.values - other.values, self.resampled - other.resampled)


@dataclass(frozen=True)
class Effect:
    """How much an arm differs from its baseline."""

    arm: str
    mean: float
    ci95: Interval | None  # of this comparison alone; None for fewer than three seeds
    simultaneous: Interval | None  # holds for all comparisons together
    p_value: float  # two-sided sign-flip test over seeds
    adjusted: float  # Holm's, over all comparisons
    seeds: int
    verdict: Verdict
    margin: float  # of equivalence: smaller effects do not matter

    def sentence(self, unit: float = 100.0) -> str:
        """The verdict in words, in points (hundredths)."""
        if self.verdict is Verdict.NOTHING:
            return f"{self.arm} has no effect larger than {unit * self.margin:g} points"
        if self.verdict is Verdict.UNDECIDED:
            return f"whether {self.arm} helps is undecided"
        return f"{self.arm} {self.verdict.value} by {unit * abs(self.mean):.1f} points"


def effects(
    differences: Mapping[str, Runs], *, margin: float, alpha: float = ALPHA, seed: int = 0
) -> list[Effect]:
    """What each arm adds.

    Args:
        differences: from the baseline, by arm; every arm makes the others' intervals wider.
        margin: effects that are smaller do not matter.
        alpha: chance that any of the verdicts is wrong where nothing has an effect.
    """
    p_values = [sign_flip(runs.values, seed) for runs in differences.values()]
    adjusted = multipletests(p_values, alpha, method="holm")[1] if p_values else []
    found = []
    for (name, runs), p_value, holm in zip(differences.items(), p_values, adjusted, strict=True):
        simultaneous = crossed_interval(runs, alpha / len(differences), seed=seed)
        enough = 2.0 ** (1 - len(runs.values)) <= alpha / len(differences)
        found.append(
            Effect(
                arm=name,
                mean=float(runs.values.mean()),
                ci95=crossed_interval(runs, alpha, seed=seed),
                simultaneous=simultaneous,
                p_value=p_value,
                adjusted=float(holm),
                seeds=len(runs.values),
                verdict=_verdict(simultaneous, float(holm), margin, alpha) if enough else Verdict.UNDECIDED,
                margin=margin,
            )
        )
    return found


def _verdict(interval: Interval | None, p_value: float, margin: float, alpha: float) -> Verdict:
    """Both the interval and the test have to agree before something is said to have an effect."""
    if interval is None:
        return Verdict.UNDECIDED
    low, high = interval
    if p_value <= alpha and low > 0:
        return Verdict.HELPS
    if p_value <= alpha and high < 0:
        return Verdict.HURTS
    if -margin < low and high < margin:
        return Verdict.NOTHING
    return Verdict.UNDECIDED


def crossed_interval(runs: Runs, alpha: float = ALPHA, *, seed: int = 0) -> Interval | None:
    """BCa interval (Efron 1987) of the mean over seeds, where both seeds and the exam's people are resampled.

    Of few seeds a bootstrap is too narrow; its levels are moved outwards as far as Student's t asks (expanded
    percentiles: Hesterberg 2015, The American Statistician 69(4)).

    Returns: None for fewer than three seeds, or where values on resampled people are not known.
    """
    count = len(runs.values)
    if count < LEAST or np.isnan(runs.resampled).any():
        return None
    mean = float(runs.values.mean())
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, count, (RESAMPLES, count))
    source = runs.resampled if runs.resampled.shape[1] else runs.values[:, None]
    columns = rng.integers(0, source.shape[1], RESAMPLES)
    spread = source[drawn, columns[:, None]].mean(axis=1)
    if np.ptp(spread) == 0:
        return mean, mean
    low, high = np.quantile(spread, _levels(spread, mean, runs.values, alpha))
    return float(low), float(high)


def _levels(spread: Floats, mean: float, values: Floats, alpha: float) -> list[float]:
    """Of the quantiles that an interval reaches from and to."""
    count = len(values)
    below = np.clip((np.sum(spread < mean) + 0.5 * np.sum(spread == mean)) / len(spread), 1e-6, 1 - 1e-6)
    bias = distributions.norm.ppf(below)
    left_out = (values.sum() - values) / (count - 1)
    apart = left_out.mean() - left_out
    scale = np.sum(apart**2) ** 1.5
    acceleration = float(np.sum(apart**3) / (6 * scale)) if scale > 0 else 0.0
    reach = distributions.t.ppf(1 - alpha / 2, count - 1) * np.sqrt(count / (count - 1))
    moved = (bias + edge for edge in (-reach, reach))
    # so few values can be so skewed that the correction has no bound: then as far as they reach
    places = [
        bias + z / (1 - acceleration * z) if acceleration * z < 1 else np.sign(z) * np.inf for z in moved
    ]
    return [float(distributions.norm.cdf(place)) for place in places]


def deviation_of(difference: Runs) -> float:
    """Of one seed's difference: what a paired test would have to see through.

    The exam's people are the same for all seeds, so that their luck does not average out: its variance counts
    as many times as there are seeds.
    """
    count = len(difference.values)
    over_seeds = float(difference.values.var(ddof=1))
    over_people = float(difference.resampled.mean(axis=0).var()) if difference.resampled.shape[1] > 1 else 0.0
    return float(np.sqrt(over_seeds + count * over_people))


def detectable(deviation: float, seeds: int, comparisons: int, *, alpha: float = ALPHA) -> float:
    """The smallest effect that so many seeds find four times in five, in the deviation's unit.

    Args:
        deviation: of the paired differences between seeds, from earlier runs.
        comparisons: arms against the baseline.
    Raises: ConfigError: so few seeds can never show an effect among so many comparisons.
    """
    require_seeds(seeds, comparisons, alpha)
    size = TTestPower().solve_power(nobs=seeds, alpha=alpha / comparisons, power=POWER)
    return float(size) * deviation


def require_seeds(seeds: int, comparisons: int, alpha: float = ALPHA) -> None:
    """Raises: ConfigError: the sign-flip test's smallest p-value is too large for so many comparisons."""
    least = int(np.ceil(1 + np.log2(comparisons / alpha)))
    if seeds < least:
        raise ConfigError(
            f"{seeds} seeds cannot show an effect of one among {comparisons} arms: their smallest p-value is "
            f"{2.0 ** (1 - seeds):.3g}. Give {least} seeds or fewer arms."
        )


def false_positives(
    one: Runs, other: Runs, *, seeds: int, trials: int = 100, margin: float = 0.005, seed: int = 0
) -> int:
    """A/A: of so many trials with two arms that are the same, how many find an effect?

    Each trial takes other seeds, and decides at random which run of a seed is called the arm.

    Args:
        one, other: runs of one recipe that differ in nothing but chance; more seeds than a trial takes.
        seeds: of a trial.
    Raises: DataError: fewer runs than a trial takes.
    """
    if len(one.values) < seeds:
        raise DataError(f"{len(one.values)} pairs of runs are too few for trials of {seeds}.")
    rng = np.random.default_rng(seed)
    found = 0
    for trial in range(trials):
        rows = rng.choice(len(one.values), seeds, replace=False)
        difference = one - other
        turned = np.where(rng.random(seeds) < 0.5, -1.0, 1.0)
        swapped = Runs(turned * difference.values[rows], turned[:, None] * difference.resampled[rows])
        (effect,) = effects({"A": swapped}, margin=margin, seed=trial)
        found += effect.verdict in (Verdict.HELPS, Verdict.HURTS)
    return found
