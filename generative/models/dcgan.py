"""The plain reference that other generators are measured against: DCGAN (arXiv:1511.06434, section 3).

Transposed convolutions and batch normalisation, no conditions; it takes conditions and ignores them, so that
whatever trains and asks the others does so here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from generative.models.gan import Verdict, doublings, fitting, stem_side
from generative.models.initial import SLOPE

# channels of the generator's smallest map, of one twice its side, ...; the discriminator's are the reverse
WIDTHS = (256, 256, 128, 64, 32)
SPREAD = 0.02  # standard deviation of initial weights (section 4)


class PlainGenerator(nn.Module):
    """Noise -> faces."""

    def __init__(self, noise_size: int, image_size: int = 64, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        widths = fitting("widths", widths, doublings(image_size), image_size)
        self.noise_size = noise_size
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(noise_size, widths[0], stem_side(image_size), bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        ]
        for a, b in pairwise(widths):
            layers += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1))
        _initialise(self)

    def forward(
        self, noise: Tensor, condition: Tensor, level: float | None = None, spread: float = 1.0
    ) -> Tensor:
        """(B, Z) standard normal -> (B, 3, S, S) RGB in [-1, 1]; conditions do not matter."""
        faces: Tensor = self.layers(spread * noise[:, :, None, None]).float().tanh()
        return faces


class PlainDiscriminator(nn.Module):
    """Faces -> how real."""

    def __init__(self, image_size: int = 64, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        widths = [3, *reversed(fitting("widths", widths, doublings(image_size), image_size))]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1, bias=False) for a, b in pairwise(widths))
        self.norms = nn.ModuleList([nn.Identity(), *(nn.BatchNorm2d(w) for w in widths[2:])])
        self.realness = nn.Conv2d(widths[-1], 1, stem_side(image_size))
        _initialise(self)

    def forward(
        self, images: Tensor, condition: Tensor, conditioning: float = 1.0, level: float | None = None
    ) -> Verdict:
        """Judge (B, 3, S, S); conditions do not matter."""
        x, maps = images, []
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.leaky_relu(norm(conv(x)), SLOPE)
            maps.append(x)
        return Verdict(self.realness(x).float().flatten(), x.new_zeros(len(x), 0), tuple(maps))


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=SPREAD)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, SPREAD)
            nn.init.zeros_(module.bias)
