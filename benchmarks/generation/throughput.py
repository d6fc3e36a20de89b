"""`recog bench throughput`: how many faces an hour each network learns from, and what makes it so many."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import stats
from benchmarks.rows import Measurement, Row, origin
from generative import presets
from generative.conditions import AGE, ATTRIBUTES, Vocabulary
from generative.data import FaceData
from generative.reading import AttributeReader
from generative.training import train
from recog.device import has_fast_bf16, resolve
from recog.embedding import Embedder
from recog.progress import progress
from recog.training.data import CropSet
from recog.training.runs import RunDirectory
from recog.vectors import unit

MODES: Mapping[str, dict[str, bool]] = {
    "fp32": {"bf16": False, "channels_last": False},
    "fp32, channels_last": {"bf16": False, "channels_last": True},
    "bf16, channels_last": {"bf16": True, "channels_last": True},
}
PLAIN = "fp32"
PEOPLE, PHOTOS = 64, 4  # of the faces, which are noise: how they look takes no time
HOUR = 3600.0  # seconds
FASTER = f"times {PLAIN}"


def throughput(
    kinds: tuple[str, ...],
    embedder: Embedder,
    *,
    steps: int,
    rounds: int,
    kept: Callable[[list[Row]], None],
    device: str = "auto",
) -> list[Row]:
    """Train each kind of network for some steps in each mode, modes in turn: loading, losses and updates.

    Args:
        kinds: of `presets.KINDS`.
        steps: of each run; the first half is not counted.
        rounds: runs of each mode.
        kept: takes the rows of a kind as soon as they are measured.
    """
    found: list[Row] = []
    for kind in progress(kinds, desc="throughput"):
        usual = presets.pace(kind)
        source = origin(
            "throughput",
            f"{usual.image_size} px, batches of {usual.batch_size}, usual settings of each kind",
            "noise",
            {"kind": kind, "pace": asdict(usual), "steps": steps, "rounds": rounds},
            device,
        )
        faces = _noise(usual.image_size, embedder)
        started = time.perf_counter()
        # half precision is no mode of its own where it does not pay
        modes = {m: s for m, s in MODES.items() if has_fast_bf16(resolve(device)) or not s["bf16"]}
        rates: dict[str, list[float]] = {mode: [] for mode in modes}
        for _ in range(rounds):
            for mode, switches in modes.items():
                rates[mode].append(_rate(kind, faces, embedder, steps, switches, device))
        seconds = time.perf_counter() - started
        rows = [
            row
            for mode in modes
            for row in source.rows(_measured(mode, rates), arm=f"{kind}, {mode}", seed=0, seconds=seconds)
        ]
        kept(rows)
        found += rows
    return found


def _measured(mode: str, rates: Mapping[str, list[float]]) -> list[Measurement]:
    own, plain = np.array(rates[mode]), np.array(rates[PLAIN])
    times = own / plain  # of the same round
    return [
        Measurement("kimg/hour", float(own.mean()), len(own), _interval(own)),
        Measurement(FASTER, float(times.mean()), len(times), _interval(times)),
    ]


def _interval(values: NDArray[np.float64]) -> tuple[float, float] | None:
    return stats.t_interval(values) if len(values) > 1 else None


def _rate(
    kind: str, faces: FaceData, embedder: Embedder, steps: int, switches: Mapping[str, Any], device: str
) -> float:
    """Thousands of faces an hour.

    Two lines of statistics, of which the first is left out: too few for a run on noise to be stopped for it.
    """
    usual = presets.pace(kind)
    part = max(1, steps // 2)
    config = presets.pace(
        kind,
        total_kimg=2 * part * usual.batch_size / 1000,
        log_kimg=part * usual.batch_size / 1000,
        snapshot_kimg=1e9,
        **switches,
    )
    objective = presets.objective(
        config, faces, embedder, presets.settings(kind), AttributeReader.load(device=device)
    )
    with tempfile.TemporaryDirectory() as folder:
        train(config, faces, objective, Path(folder), device)
        lines = RunDirectory(folder).stats()
    return HOUR * float(np.mean([line["kimg_per_s"] for line in lines[1:]]))


def _noise(size: int, embedder: Embedder) -> FaceData:
    rng = np.random.default_rng(0)
    count = PEOPLE * PHOTOS
    images = rng.integers(0, 256, (count, size, size, 3), np.uint8)
    labels = np.repeat(np.arange(PEOPLE), PHOTOS)
    people = tuple(f"{person:03d}" for person in range(PEOPLE))
    files = tuple(f"{person:03d}/{row}.png" for row, person in enumerate(labels))
    known = {name: rng.choice([-1.0, 1.0], count) for name in ATTRIBUTES}
    vocabulary = Vocabulary(ATTRIBUTES, ages=True)
    encoded = vocabulary.encoded({**known, AGE: rng.uniform(20, 60, count)}, count)
    centres = unit(rng.normal(size=(count, embedder.embedding_size)).astype(np.float32))
    return FaceData(
        CropSet(images, labels, people, files),
        centres,
        rng.uniform(0.4, 0.8, count).astype(np.float32),
        encoded,
        vocabulary,
        embedder.digest,
    )
