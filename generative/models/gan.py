"""A conditional generator of faces and the discriminator that teaches it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from generative.models.initial import SLOPE, keep_variance
from recog.errors import ConfigError

STEMS = (4, 7)  # px, sides that the smallest map can have: 64 is 4 doubled four times, 112 is 7
GENERATOR_WIDTHS = (160, 192, 128, 64, 32, 16)  # channels of the smallest map, of one twice its side, ...
DISCRIMINATOR_WIDTHS = (64, 128, 256, 256, 256)  # channels at half, quarter, ... of the side


def stem_side(image_size: int) -> int:
    """Side of the smallest map, px: the one of STEMS that doubles to `image_size`.

    Raises: ConfigError: none does.
    """
    for side in STEMS:
        times, rest = divmod(image_size, side)
        if times >= 2 and not rest and times.bit_count() == 1:
            return side
    raise ConfigError(
        f"image_size is {image_size}; give a side that 4 or 7 px double to: 32, 56, 64, 112 or 128 px, say "
        "(--image-size)."
    )


def doublings(image_size: int) -> int:
    """How often the smallest map doubles to `image_size` px. Raises: ConfigError: as `stem_side`."""
    return (image_size // stem_side(image_size)).bit_length() - 1


def fitting(setting: str, widths: Sequence[int], count: int, image_size: int) -> Sequence[int]:
    """The first `count` of the widths that `setting` gives.

    Raises: ConfigError: there are fewer.
    """
    if len(widths) < count:
        raise ConfigError(
            f"{setting} has {len(widths)} entries; faces of {image_size} px need {count}. Give as many, or a "
            "smaller image_size (--image-size)."
        )
    return widths[:count]


class StyledConv(nn.Module):
    """3x3 convolution whose channels the style scales, its output brought back to unit variance.

    Conditional normalisation by the expected, not the measured, statistics (StyleGAN2, arXiv:1912.04958,
    section 2.2): no batch in it, and it keeps the convolution a plain one.
    """

    def __init__(self, channels_in: int, channels_out: int, style_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.to_scale = nn.Linear(style_size, channels_in)
        self.bias = nn.Parameter(torch.zeros(1, channels_out, 1, 1))
        keep_variance(self)
        nn.init.ones_(self.to_scale.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale = self.to_scale(style).float()  # (B, I)
        power = self.conv.weight.float().square().sum(dim=(2, 3))  # (O, I)
        gain = torch.rsqrt(F.linear(scale.square(), power) + 1e-8)  # (B, O)
        x = self.conv(x * scale[:, :, None, None].to(x.dtype))
        return F.leaky_relu(
            x * gain[:, :, None, None].to(x.dtype) + self.bias.to(x.dtype), SLOPE
        ) * math.sqrt(2)


class NormalisedConv(nn.Module):
    """3x3 convolution, normalised over the batch, its gain and bias given by the style.

    Conditional batch normalisation, as in generators with a projection discriminator (arXiv:1802.05637,
    section 5). Normalising each face on its own instead (in groups of channels) made all faces alike.
    """

    def __init__(self, channels_in: int, channels_out: int, style_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels_out, affine=False)
        self.to_gain_and_bias = nn.Linear(style_size, 2 * channels_out)
        nn.init.orthogonal_(self.conv.weight)
        nn.init.normal_(self.to_gain_and_bias.weight, std=0.02)
        nn.init.zeros_(self.to_gain_and_bias.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        gain, bias = (
            self.to_gain_and_bias(style).to(x.dtype)[:, :, None, None].chunk(2, dim=1)
        )  # (B, O, 1, 1)
        return F.relu(torch.addcmul(bias, x, 1 + gain))


BLOCKS = {"styled": StyledConv, "normalised": NormalisedConv}


class Generator(nn.Module):
    """Noise and condition -> faces. Also the VAE's decoder, with its latent code as the noise.

    Args of the constructor:
        image_size: px; 4 or 7 doubled some times.
        widths: channels of the smallest map, of one twice its side, ... up to the largest map.
        block: what maps are made by, one of BLOCKS.
        fold: how many px of a face's side a place of the largest map makes, 1 or 2. 2: no map is as large as
            the face, for a quarter of the work on channels that only smooth.
    """

    def __init__(
        self,
        noise_size: int,
        condition_size: int,
        image_size: int = 64,
        widths: Sequence[int] = GENERATOR_WIDTHS,
        style_size: int = 128,
        normalise_noise: bool = True,
        block: str = "styled",
        fold: int = 1,
    ) -> None:
        super().__init__()
        count = doublings(image_size) + 2 - fold
        widths = fitting("generator_widths (a VAE's: decoder_widths)", widths, count, image_size)
        self.stem_side = stem_side(image_size)
        self.noise_size, self.condition_size, self.fold = noise_size, condition_size, fold
        self.normalise_noise = normalise_noise  # a VAE's code says something by its length: leave it
        given = noise_size + condition_size
        self.to_style = nn.Sequential(
            nn.Linear(given, 2 * style_size),
            nn.LeakyReLU(SLOPE),
            nn.Linear(2 * style_size, style_size),
            nn.LeakyReLU(SLOPE),
        )
        self.stem = nn.Linear(given, widths[0] * self.stem_side**2)
        kind = BLOCKS[block]
        self.first = kind(widths[0], widths[0], style_size)
        # the number of channels falls before the map grows: a quarter of the work, and far less memory
        self.narrow = nn.ModuleList(kind(a, b, style_size) for a, b in pairwise(widths))
        self.refine = nn.ModuleList(kind(w, w, style_size) for w in widths[1:])
        shown = widths[1:] if fold == 1 else widths  # the maps that become pictures
        side = 1 if fold == 1 else 3
        self.to_rgb = nn.ModuleList(nn.Conv2d(w, 3 * fold**2, side, padding=side // 2) for w in shown)
        for module in (self.to_style, self.stem):
            keep_variance(module)

    def forward(
        self, noise: Tensor, condition: Tensor, level: float | None = None, spread: float = 1.0
    ) -> Tensor:
        """(B, Z) standard normal and (B, C) -> (B, 3, S, S) RGB in [-1, 1].

        Args:
            level: doublings of the smallest map while the network grows (arXiv:1710.10196); the part beyond
                the point is how much of the last doubling's detail shows. None: all.
            spread: length of the noise beside what the network learned from: faces are more varied above 1,
                more typical below (truncation: arXiv:1809.11096, section 3.1).
        """
        noise = spread * (normalised(noise) if self.normalise_noise else noise)
        given = torch.cat([noise, condition], dim=1)
        style = self.to_style(given)
        x = self.stem(given).unflatten(1, (-1, self.stem_side, self.stem_side))  # (B, W0, s, s), s 4 or 7
        x = self.first(x, style)
        level = len(self.to_rgb) if level is None else level
        maps = [x] if self.fold == 2 else []
        for narrow, refine in list(zip(self.narrow, self.refine, strict=True))[
            : math.ceil(level) - len(maps)
        ]:
            x = refine(enlarged(narrow(x, style)), style)  # (B, Wi, s * 2^i, s * 2^i)
            maps.append(x)
        rgb: Tensor | None = None
        for index, (seen, to_rgb) in enumerate(zip(maps, self.to_rgb, strict=False)):
            detail = F.pixel_shuffle(to_rgb(seen), self.fold)  # (B, 3, 2s * 2^index, 2s * 2^index)
            rgb = detail if rgb is None else enlarged(rgb) + min(1.0, level - index) * detail
        assert rgb is not None
        return rgb.float().tanh()


class Verdict(NamedTuple):
    """What a discriminator says of faces."""

    logits: Tensor  # (B,) how real, and how fitting to the condition
    attributes: Tensor  # (B, V) logits of what the faces show; V = 0 without a head for it
    maps: tuple[Tensor, ...]  # of each convolution, (B, Wi, S / 2^i, S / 2^i): what it sees


class Discriminator(nn.Module):
    """Faces and condition -> how real, and how fitting (projection: arXiv:1802.05637), and what they show.

    Args of the constructor:
        attribute_size: V, of an auxiliary attribute classifier (arXiv:1610.09585); 0: none.
        spectral: divide each weight by its largest singular value (arXiv:1802.05957).
        grows: entries for smaller faces, for a network that grows (arXiv:1710.10196).
    """

    def __init__(
        self,
        condition_size: int,
        image_size: int = 64,
        widths: Sequence[int] = DISCRIMINATOR_WIDTHS,
        *,
        attribute_size: int = 0,
        spectral: bool = False,
        grows: bool = False,
    ) -> None:
        super().__init__()
        widths = fitting("discriminator_widths", widths, doublings(image_size), image_size)
        pairs = zip((3, *widths), widths, strict=False)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairs)
        self.entries = nn.ModuleList(nn.Conv2d(3, w, 1) for w in widths[:-1] if grows)
        self.mix = nn.Conv2d(widths[-1] + 1, widths[-1], 3, padding=1)
        self.summary = nn.Linear(widths[-1] * stem_side(image_size) ** 2, widths[-1])
        self.realness = nn.Linear(widths[-1], 1)
        self.project = nn.Linear(condition_size, widths[-1], bias=False) if condition_size else None
        self.read = nn.Linear(widths[-1], attribute_size) if attribute_size else None
        keep_variance(self)
        if spectral:
            for module in list(self.modules()):
                if isinstance(module, nn.Conv2d | nn.Linear):
                    spectral_norm(module)

    def forward(
        self, images: Tensor, condition: Tensor, conditioning: float = 1.0, level: float | None = None
    ) -> Verdict:
        """Judge (B, 3, S, S) and (B, C).

        Args:
            conditioning: 0..1, weighs the fit to the condition.
            level: doublings that the images have, as of `Generator.forward`.
        """
        maps = self._maps(images, len(self.convs) if level is None else level)
        x = maps[-1]
        x = F.leaky_relu(self.mix(torch.cat([x, batch_deviation(x)], dim=1)), SLOPE)
        features = F.leaky_relu(self.summary(x.flatten(1)), SLOPE).float()  # (B, W)
        logits = self.realness(features).float().squeeze(1)
        if self.project is not None:
            fit = (self.project(condition).float() * features).sum(dim=1) / math.sqrt(features.shape[1])
            logits = logits + conditioning * fit
        shown = features.new_zeros(len(images), 0) if self.read is None else self.read(features).float()
        return Verdict(logits, shown, tuple(maps))

    def _maps(self, images: Tensor, level: float) -> list[Tensor]:
        first = len(self.convs) - math.ceil(level)
        x = F.leaky_relu(self.entries[first - 1](images), SLOPE) if first else images
        maps = []
        for index, conv in enumerate(self.convs[first:], start=first):
            x = F.leaky_relu(conv(x), SLOPE)  # (B, Wi, S / 2^i, S / 2^i)
            if index == first and level < math.ceil(level):  # the new doubling fades in beside the old entry
                old = F.leaky_relu(self.entries[first](F.avg_pool2d(images, 2)), SLOPE)
                x = old + (level % 1) * (x - old)
            maps.append(x)
        return maps


def normalised(noise: Tensor) -> Tensor:
    """(B, Z) at root mean square 1: its direction alone counts."""
    return noise * torch.rsqrt(noise.square().mean(dim=1, keepdim=True) + 1e-8)


def enlarged(x: Tensor) -> Tensor:
    """Double the side. Bilinear: a quarter of nearest's time on CPUs in channels_last, and no aliasing."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def batch_deviation(x: Tensor, group: int = 8) -> Tensor:
    """(B, 1, H, W): how much `group` faces differ (minibatch deviation, arXiv:1710.10196, section 3)."""
    batch, _, height, width = x.shape
    size = math.gcd(batch, group)
    groups = x.float().reshape(size, batch // size, -1)  # (group, B / group, W * H * W)
    deviation = (groups.var(dim=0, correction=0) + 1e-8).sqrt().mean(dim=1)  # (B / group,)
    return deviation.repeat(size)[:, None, None, None].expand(batch, 1, height, width).to(x.dtype)
