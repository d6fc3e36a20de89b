"""`recog bench techniques`: what each way of training a generator is worth.

Every arm learns from the same faces for as many steps. A cGAN arm differs from the base by what its name
says; the plain DCGAN, the reference that others are held against, the VAE and the VAE-GAN have the pace of
their kind (`generative.presets`), tuned for each. Arms that are stopped have a row that says why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from benchmarks.generation.apart import require_apart, require_judges_apart
from benchmarks.generation.bench import REAL, Measured
from benchmarks.rows import Measurement, Row, origin, plan_hash, slug
from generative import presets
from generative.data import FaceData
from generative.models.gan import GENERATOR_WIDTHS
from generative.objectives.conditional import ConditionalSettings
from generative.reading import AttributeReader
from generative.synthesis import Synthesizer
from generative.training import GeneratorConfig, Objective, train
from recog.embedding import Embedder
from recog.errors import TrainingDiverged
from recog.progress import progress


@dataclass(frozen=True)
class Arm:
    """One way of training: what kind of generator, and what differs from what is usual for the kind."""

    kind: str = "gan"
    settings: Mapping[str, Any] = field(default_factory=dict)
    pace: Mapping[str, Any] = field(default_factory=dict)


REFERENCE, VAE_GAN = "DCGAN", "VAE-GAN"
STOPPED = "stopped"  # metric: 1 of a run that came to no end
WITHOUT = {"attribute_weight": 0.0, "reader_weight": 0.0, "turned_share": 0.0}
BASE = {"identity_weight": 0.0, **WITHOUT}


def _gan(pace: Mapping[str, Any] | None = None, **changes: Any) -> Arm:
    return Arm("gan", {**BASE, **changes}, pace or {})


ARMS: Mapping[str, Arm] = {
    REFERENCE: Arm("dcgan"),
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
    "styled convolutions": _gan(block="styled"),
    "maps as large as the face": _gan(fold=1),
    "critics of the embedder's maps": _gan(map_critics=True),
    "attribute classifier": _gan(attribute_weight=0.5),
    "reader of attributes, opposites asked for": _gan(reader_weight=0.5, turned_share=0.25),
    "identity window": _gan(identity_weight=3.0),
    "VAE": Arm("vae", {"decoder_widths": GENERATOR_WIDTHS, "identity_weight": 0.0}),
    VAE_GAN: Arm(
        "vae-gan",
        {"decoder_widths": GENERATOR_WIDTHS, "window_weight": 0.0, "identity_weight": 0.0, **WITHOUT},
    ),
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
    require_apart(faces, measured.materials.subjects.faces)
    judged = {
        "judges": measured.materials.judges.digests,
        "subjects": measured.materials.subjects.faces.fingerprint,
        "plan": asdict(measured.plan),
    }
    people = measured.materials.subjects.name
    reader = AttributeReader.load(device=device)  # whose labels are of the half that judges do not learn from
    found: list[Row] = []
    for name, arm in progress([(REAL, None), *arms.items()], desc="techniques"):
        config = presets.pace(arm.kind if arm else "gan", **{**pace, **(arm.pace if arm else {})})
        protocol = (
            f"{config.total_kimg:g} thousand faces seen at {config.image_size} px, batches of "
            f"{config.batch_size}; made for people not learned from, beside other photos of these people; "
            "features of deviation 1 on real photos"
        )
        learning: dict[str, Any] = {"data": faces.fingerprint}
        if arm is not None:
            settings = presets.settings(arm.kind, **arm.settings)
            assert isinstance(settings, ConditionalSettings), "arms make faces"
            applied = settings.applied(config.image_size)
            learning |= {"pace": asdict(config), "kind": arm.kind, "settings": applied}
            if settings.reader_weight:
                learning["reader"] = reader.digest
            guides = {embedder.digest, learning.get("reader", "")}
            require_judges_apart(name, guides, measured.materials.judges)
        source = origin("techniques", protocol, people, {"arm": name, **judged, **learning}, device)
        if source.plan in done:
            continue
        started = time.perf_counter()
        if arm is None:
            measurements = measured.real()
        else:
            # whoever judges, the run is the same
            folder = runs / f"{slug(name)}-{plan_hash(learning)}"
            objective = presets.objective(config, faces, embedder, settings, reader)
            measurements = _trained(config, faces, objective, folder, measured, embedder, device)
        seconds = time.perf_counter() - started
        rows = source.rows(measurements, arm=name, seed=config.seed, seconds=seconds)
        kept(rows)
        found += rows
    return found


def _trained(
    config: GeneratorConfig,
    faces: FaceData,
    objective: Objective,
    folder: Path,
    measured: Measured,
    embedder: Embedder,
    device: str,
) -> list[Measurement]:
    """What a run leads to, be it that it was stopped."""
    sizes = [
        Measurement(f"parameters of the {phase.name}, millions", _millions(phase.module), 1)
        for phase in objective.phases
    ]
    try:
        weights = train(config, faces, objective, folder, device)
    except TrainingDiverged as error:
        return [Measurement(STOPPED, 1.0, 1, details={"why": str(error)})]
    synthesizer = Synthesizer.load(weights, embedder, device)
    return [Measurement(STOPPED, 0.0, 1), *sizes, *measured.likeness(synthesizer)]


def _millions(network: nn.Module) -> float:
    return sum(weight.numel() for weight in network.parameters()) / 1e6
