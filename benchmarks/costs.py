"""What a run of each arm of `recog bench augment` costs, estimated from a few steps: look before you leap."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.augmentation import (
    MIXED,
    SYNTHETIC,
    AugmentPlan,
    Material,
    Train,
    check,
    draw,
    origin_of,
    regime_of,
    synthesiser,
)
from benchmarks.rows import Measurement, Row
from recog.training import CropSet, train

COST = "seconds a run"
TIMED_STEPS = (2, 8)  # a run of each length is timed; the difference leaves out start-up


def cost_table(
    plan: AugmentPlan, material: Material, *, device: str = "auto", training: Train = train
) -> Iterator[Row]:
    """One row an arm: its value is seconds a run, its details say what these are made of.

    Raises: as `benchmarks.augmentation.run`.
    """
    source = dataclasses.replace(origin_of(plan, material, device), protocol="cost table, estimated")
    check(plan, material)
    chosen = draw(material.user, plan.people, plan.photos, seed=0)
    for arm in plan.arms:
        started = time.perf_counter()
        synthesis = _seconds_of_synthesis(plan, material, chosen) if arm in (MIXED, SYNTHETIC) else 0.0
        step = _seconds_of_a_step(plan, material.user.subset(chosen), arm, device, training)
        steps = plan.config(arm, 0).steps
        details = {
            "steps": steps,
            "seconds_a_step": round(step, 4),
            "seconds_of_synthesis": round(synthesis, 1),
            "crops_seen": steps * plan.batch_size,
        }
        seconds = time.perf_counter() - started
        cost = Measurement(COST, step * steps + synthesis, plan.seeds, None, details)
        yield from source.rows([cost], arm=arm, seconds=seconds, regime=regime_of(arm, material))


def _seconds_of_a_step(plan: AugmentPlan, real: CropSet, arm: str, device: str, training: Train) -> float:
    """Crops of the draw stand in for made-up ones: what they show does not change what a step costs."""
    seconds = []
    for steps in TIMED_STEPS:
        config = dataclasses.replace(
            plan.config(arm, 0), total_kimg=steps * plan.batch_size / 1000, workers=0
        )
        started = time.perf_counter()
        training(config, real, synthetic=real if arm == MIXED else None, device=device)
        seconds.append(time.perf_counter() - started)
    return max(seconds[1] - seconds[0], 1e-6) / (TIMED_STEPS[1] - TIMED_STEPS[0])


def _seconds_of_synthesis(plan: AugmentPlan, material: Material, chosen: Any) -> float:
    """Timed on a few people, scaled to all."""
    few = max(2, plan.people // 20)
    real = material.native.subset(chosen[: few * plan.photos])
    started = time.perf_counter()
    synthesiser(material)(real, plan.synthetic_photos, 0)
    return (time.perf_counter() - started) * plan.people / few
