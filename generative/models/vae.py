"""A conditional variational autoencoder of faces (arXiv:1312.6114; conditional: Sohn et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generative.models.gan import Generator, doublings, fitting, stem_side
from generative.models.initial import SLOPE

CODE_SIZE = 128  # dimensions of the latent code
ENCODER_WIDTHS = (32, 64, 96, 96, 96)  # channels at half, quarter, ... of the side
DECODER_WIDTHS = (96, 128, 96, 64, 32, 16)  # channels of the smallest map, of one twice its side, ...


class VAE(nn.Module):
    """Faces and condition -> a latent code of what the condition does not say -> faces again."""

    def __init__(
        self,
        condition_size: int,
        image_size: int = 64,
        code_size: int = CODE_SIZE,
        encoder_widths: Sequence[int] = ENCODER_WIDTHS,
        decoder_widths: Sequence[int] = DECODER_WIDTHS,
        block: str = "styled",
        fold: int = 1,
    ) -> None:
        super().__init__()
        widths = fitting("encoder_widths", encoder_widths, doublings(image_size), image_size)
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in zip((3, *widths), widths, strict=False)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(min(8, w), w) for w in widths)
        self.to_code = nn.Linear(widths[-1] * stem_side(image_size) ** 2 + condition_size, 2 * code_size)
        self.decoder = Generator(
            code_size,
            condition_size,
            image_size,
            decoder_widths,
            normalise_noise=False,
            block=block,
            fold=fold,
        )
        self.code_size, self.condition_size = code_size, condition_size

    def encode(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, S, S) in [-1, 1] and (B, C) -> mean and log variance of the code, (B, Z) each."""
        x = images
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.leaky_relu(norm(conv(x)), SLOPE)  # (B, Wi, S / 2^i, S / 2^i)
        mean, log_variance = (
            self.to_code(torch.cat([x.flatten(1), condition.to(x.dtype)], dim=1)).float().chunk(2, 1)
        )
        return mean, log_variance.clamp(-10, 10)

    def forward(self, noise: Tensor, condition: Tensor, spread: float = 1.0) -> Tensor:
        """Code (B, Z) and (B, C) -> faces (B, 3, S, S) in [-1, 1]; a standard normal code is a new face."""
        faces: Tensor = self.decoder(noise, condition, spread=spread)
        return faces

    @property
    def noise_size(self) -> int:
        """Length of the code."""
        return self.code_size
