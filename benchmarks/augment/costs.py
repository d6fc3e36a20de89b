"""What a run of each arm of `recog bench augment` costs, estimated from a few steps: look before you leap."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator

from benchmarks.augment.bench import Bench
from benchmarks.augment.drawing import Rows
from benchmarks.rows import Measurement, Row
from generative.augmenting import NEW, Phase
from recog.training import CropSet

COST = "seconds a run"
TIMED_STEPS = (2, 8)  # a run of each length is timed; the difference leaves out start-up
FEW = 20  # times fewer people are made up than in a run


def cost_table(bench: Bench) -> Iterator[Row]:
    """One row an arm: its value is seconds a run, its details say what these are made of."""
    plan = bench.plan
    source = dataclasses.replace(bench.origin, protocol="cost table, estimated")
    chosen = bench.faces.draw(plan.first_seed)
    real = bench.material.user.subset(chosen)
    for name in plan.arms:
        started = time.perf_counter()
        synthesis = _seconds_of_synthesis(bench, chosen, name)
        phases = plan.phases(name, plan.first_seed)
        training = sum(_seconds_of_a_step(bench, real, phase) * phase.config.steps for phase in phases)
        steps = sum(phase.config.steps for phase in phases)
        details = {
            "steps": steps,
            "seconds_a_step": round(training / steps, 4) if steps else 0.0,
            "seconds_of_synthesis": round(synthesis, 1),
            "crops_seen": sum(phase.config.steps * phase.config.batch_size for phase in phases),
        }
        cost = Measurement(COST, training + synthesis, plan.seeds, None, details)
        seconds = time.perf_counter() - started
        yield from source.rows([cost], arm=name, seconds=seconds, regime=bench.regime_of(name))


def _seconds_of_a_step(bench: Bench, real: CropSet, phase: Phase) -> float:
    """Crops of the draw stand in for made-up ones: what they show does not change what a step costs."""
    seconds = []
    for steps in TIMED_STEPS:
        kimg = steps * phase.config.batch_size / 1000
        config = dataclasses.replace(phase.config, total_kimg=kimg, workers=0)
        started = time.perf_counter()
        mixed = real if phase.real and phase.made_up else None
        bench.training(config, real, synthetic=mixed, device=bench.device)
        seconds.append(time.perf_counter() - started)
    return max(seconds[1] - seconds[0], 1e-6) / (TIMED_STEPS[1] - TIMED_STEPS[0])


def _seconds_of_synthesis(bench: Bench, chosen: Rows, arm: str) -> float:
    """Timed on a few people, scaled to all; a generator that has to be trained first is trained."""
    kind, synthesis = bench.plan.kind(arm), bench.plan.arms[arm].synthesis
    if kind is None or synthesis is None:
        return 0.0
    started = time.perf_counter()
    maker, native = bench.material.maker(kind, chosen, bench.plan.first_seed)
    trained = time.perf_counter() - started
    people = synthesis.people if synthesis.of == NEW else bench.plan.people
    few = max(2, people // FEW)
    some = native if synthesis.of == NEW else native.of_identities(native.identities[:few])
    asked = dataclasses.replace(synthesis, people=few) if synthesis.of == NEW else synthesis
    started = time.perf_counter()
    maker(some, asked, bench.plan.first_seed)
    return trained + (time.perf_counter() - started) * people / few
