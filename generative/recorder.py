"""What a run says of itself while it goes on."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from recog.training.runs import RunDirectory

if TYPE_CHECKING:
    from generative.training import GeneratorConfig

logger = logging.getLogger(__name__)


class Recorder:
    """Means of the losses since the last line of stats.jsonl, and the pace."""

    def __init__(self, config: GeneratorConfig, run: RunDirectory, start: int) -> None:
        self.config, self.run = config, run
        self.since, self.at = time.monotonic(), start
        self.values: dict[str, list[Tensor]] = {}

    def add(self, stats: Mapping[str, Tensor]) -> None:
        """Note one step's numbers, without waiting for the device."""
        for name, value in stats.items():
            self.values.setdefault(name, []).append(value.detach().float())

    def tick(self, step: int) -> dict[str, float] | None:
        """Write a line when enough faces were seen; what it says of the losses, or None."""
        if step % self.config.every(self.config.log_kimg) and step != self.config.steps:
            return None
        means = {name: round(float(torch.stack(v).mean()), 5) for name, v in self.values.items()}
        kimg = step * self.config.batch_size / 1000
        now = time.monotonic()
        pace = (step - self.at) * self.config.batch_size / 1000 / max(now - self.since, 1e-9)
        self.run.append_stats({"step": step, "kimg": kimg, "kimg_per_s": round(pace, 4), **means})
        told = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
        logger.info("%.0f/%.0f kimg, %.3f kimg/s: %s", kimg, self.config.total_kimg, pace, told)
        self.since, self.at, self.values = now, step, {}
        return means
