"""`recog bench techniques`: what each way of training a generator is worth, all else alike.

Every arm learns from the same faces for as many steps; each differs from the base by one thing, named. The
plain DCGAN is the reference that others are held against.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.generation.bench import Measured
from benchmarks.rows import Measurement, Row, origin
from generative import presets
from generative.data import FaceData
from generative.synthesis import Synthesizer
from generative.training import train
from recog.embedding import Embedder
from recog.errors import ConfigError, TrainingDiverged
from recog.progress import progress


@dataclass(frozen=True)
class Arm:
    """One way of training: what kind of generator, and what differs from what is usual for the kind."""

    kind: str = "gan"
    settings: Mapping[str, Any] = field(default_factory=dict)
    pace: Mapping[str, Any] = field(default_factory=dict)


BASE = {"identity_weight": 0.0, "augment": ("translation",), "penalty_weight": 0.05}
SHARED = {"augment": ("translation",), "penalty_weight": 0.05, "window_weight": 0.0}


def _gan(pace: Mapping[str, Any] | None = None, **changes: Any) -> Arm:
    return Arm("gan", {**BASE, **changes}, pace or {})


ARMS: Mapping[str, Arm] = {
    "DCGAN": Arm("dcgan"),
    "cGAN, base": _gan(),
    "least squares": _gan(loss="least-squares"),
    "Wasserstein, gradient penalty": _gan(
        loss="wasserstein", penalty="interpolated", penalty_weight=10.0, penalty_every=1
    ),
    "hinge": _gan(loss="hinge"),
    "hinge, spectral norm, no R1": _gan(loss="hinge", penalty="none", spectral_norm=True),
    "relativistic, R1 and R2": _gan(loss="relativistic", penalty="r1+r2"),
    "label smoothing 0.1": _gan(label_smoothing=0.1),
    "spectral norm": _gan(spectral_norm=True),
    "without R1": _gan(penalty="none"),
    "R1 ten times as strong": _gan(penalty_weight=0.5),
    "without EMA": _gan({"ema_halflife_kimg": 0.0}),
    "without DiffAugment": _gan(augment=()),
    "all of DiffAugment": _gan(augment=("colour", "translation", "cutout")),
    "progressive growing": _gan(grow=True),
    "conditions from the start": _gan(conditioning_ramp=0.0),
    "critics of the embedder's maps": _gan(map_critics=True),
    "attribute classifier": _gan(attribute_weight=0.5),
    "identity window": _gan(identity_weight=0.5),
    "VAE": Arm("vae"),
    "VAE-GAN": Arm("vae-gan", SHARED),
}


def techniques(
    arms: Mapping[str, Arm],
    faces: FaceData,
    embedder: Embedder,
    measured: Measured,
    runs: Path,
    *,
    pace: Mapping[str, Any],
    kept: Callable[[list[Row]], None],
    done: frozenset[str] = frozenset(),
    device: str = "auto",
) -> list[Row]:
    """Train each arm and measure it.

    Args:
        arms: by name, as of `ARMS`.
        faces: what all learn from.
        measured: the people and judges that all are measured by.
        runs: folder of the runs, a sub-folder each: an interrupted call goes on.
        pace: length and batch of all runs alike; an arm's own pace adds to it.
        kept: takes an arm's rows as soon as they are measured.
        done: plans of rows that are there already.
    """
    found: list[Row] = []
    for name, arm in progress(arms.items(), total=len(arms), desc="techniques"):
        config = presets.pace(arm.kind, **{**pace, **arm.pace})
        settings = presets.settings(arm.kind, **arm.settings)
        plan = {
            "pace": asdict(config),
            "kind": arm.kind,
            "settings": asdict(settings),
            "data": faces.crops.fingerprint,
            "judges": measured.materials.judges.digests,
        }
        source = origin(
            "techniques",
            f"{config.total_kimg:g} thousand faces seen at {config.image_size} px, batches of "
            f"{config.batch_size}; made for people not learned from",
            measured.materials.subjects.name,
            {**plan, "arm": name},
            device,
        )
        if source.plan in done:
            continue
        started = time.perf_counter()
        folder = runs / f"{name.replace(' ', '-').replace(',', '')}-{source.plan}"
        try:
            objective = presets.objective(config, faces, embedder, settings)
            weights = train(config, faces, objective, folder, device)
        except TrainingDiverged as error:
            measurements = [Measurement("stopped", 1.0, 1, details={"why": str(error)})]
        else:
            synthesizer = Synthesizer.load(weights, embedder, device)
            measurements = [Measurement("stopped", 0.0, 1), *measured.likeness(synthesizer)]
        seconds = time.perf_counter() - started
        rows = source.rows(measurements, arm=name, seed=config.seed, seconds=seconds)
        kept(rows)
        found += rows
    return found


def chosen(names: tuple[str, ...]) -> dict[str, Arm]:
    """Arms by name; all of them without names.

    Raises: ConfigError: an unknown name.
    """
    unknown = [name for name in names if name not in ARMS]
    if unknown:
        raise ConfigError(f"No technique is called {unknown[0]!r}; give one of {', '.join(ARMS)}.")
    return {name: ARMS[name] for name in names or ARMS}
