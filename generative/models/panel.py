"""Several critics on one panel: a discriminator of pixels, and small ones of what a recogniser sees.

Projected GANs (arXiv:2111.01007, section 3): critics of a frozen network's maps teach a generator much
quicker than one that has to learn to see first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from generative.models.gan import Discriminator, Verdict
from generative.models.initial import SLOPE, keep_variance

WIDTH = 64  # channels of a critic
Maps = Callable[[Tensor], Sequence[Tensor]]  # faces in [-1, 1] -> (B, Ci, Si, Si) of a frozen network


class MapCritic(nn.Module):
    """A map and a condition -> how real, at each place, averaged."""

    def __init__(self, channels: int, condition_size: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels, WIDTH, 1)
        self.look = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.realness = nn.Conv2d(WIDTH, 1, 1)
        self.project = nn.Linear(condition_size, WIDTH, bias=False) if condition_size else None
        keep_variance(self)
        for module in list(self.modules()):
            if isinstance(module, nn.Conv2d | nn.Linear):
                spectral_norm(module)

    def forward(self, x: Tensor, condition: Tensor, conditioning: float) -> Tensor:
        """(B, C, S, S) and (B, C') -> (B,) logits."""
        x = F.leaky_relu(self.enter(x), SLOPE)
        x = F.leaky_relu(self.look(x), SLOPE)
        logits: Tensor = self.realness(x).float().mean(dim=(1, 2, 3))
        if self.project is None:
            return logits
        fit = (self.project(condition).float() * x.float().mean(dim=(2, 3))).sum(dim=1)
        fitting: Tensor = logits + conditioning * fit
        return fitting


class Panel(nn.Module):
    """A discriminator and a critic of each of a frozen network's maps; their logits stand side by side."""

    def __init__(
        self, discriminator: Discriminator, maps: Maps, channels: Sequence[int], condition_size: int
    ) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.critics = nn.ModuleList(MapCritic(c, condition_size) for c in channels)
        self._maps = (maps,)  # in a tuple: the frozen network is none of this module's weights

    def forward(
        self, images: Tensor, condition: Tensor, conditioning: float = 1.0, level: float | None = None
    ) -> Verdict:
        """As `Discriminator.forward`, with logits (B, 1 + critics)."""
        verdict: Verdict = self.discriminator(images, condition, conditioning, level)
        seen = self._maps[0](images)
        others = [critic(x, condition, conditioning) for critic, x in zip(self.critics, seen, strict=True)]
        return verdict._replace(logits=torch.stack([verdict.logits, *others], dim=1))
