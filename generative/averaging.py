"""Averaged weights, and the statistics that go with them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from recog.device import autocast

if TYPE_CHECKING:
    from generative.data import FaceData
    from generative.training import GeneratorConfig, Objective

REHEARSALS = 100  # batches from which the finished weights' statistics are taken


def ramped_average(config: GeneratorConfig) -> Callable[[Any, Any, Any], None]:
    """Exponential average whose half-life grows with the run (Karras et al. 2020, arXiv:2006.06676)."""

    @torch.no_grad()
    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
        if not config.ema_halflife_kimg:
            torch._foreach_copy_(list(averaged), list(current))
            return
        seen = float(count) * config.batch_size / 1000
        halflife = max(min(config.ema_halflife_kimg, config.ema_rampup * seen), 1e-8)
        decay = 0.5 ** (config.batch_size / 1000 / halflife)
        torch._foreach_lerp_(list(averaged), list(current), 1 - decay)

    return update


def settled(
    config: GeneratorConfig, data: FaceData, objective: Objective, network: nn.Module, place: torch.device
) -> nn.Module:
    """A copy whose batch normalisation has the statistics of these weights.

    Averaged weights make other maps than the weights of any one step, whose statistics they come with.
    """
    finished = copy.deepcopy(network).eval()
    norms = [module for module in finished.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return finished
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
        norm.train()
    for index in range(REHEARSALS):
        rng = step_rng(config, -2 - index)
        batch = data.batch(config.batch_size, rng, place, config.balanced_share)
        with torch.no_grad(), autocast(place, config.bf16):
            objective.rehearse(finished, batch, rng)
    return finished.eval()


def step_rng(config: GeneratorConfig, step: int) -> torch.Generator:
    """Of a step alone, so that a resumed run repeats the uninterrupted one; below 0: of what is no step."""
    return torch.Generator().manual_seed((config.seed + 1) * 1_000_003 + step)
