"""Classic augmentation of aligned crops, from torchvision's transforms v2."""

from __future__ import annotations

import math
from typing import Any, cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import v2

from recog.errors import ConfigError

BILINEAR = v2.InterpolationMode.BILINEAR


class Mirrored(v2.Transform):  # type: ignore[misc]
    """Another transform of a crop whose surroundings are its mirror image, so that nothing empty comes in."""

    def __init__(self, inner: v2.Transform, share: float = 0.1) -> None:
        super().__init__()
        self.inner, self.share = inner, share

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        side = inpt.shape[-1]
        padded = v2.functional.pad(inpt, [round(self.share * side)] * 4, padding_mode="reflect")
        return cast(Tensor, v2.functional.center_crop(self.inner(padded), [side, side]))


class LowResolution(v2.Transform):  # type: ignore[misc]
    """Shrink a crop to between `low` and 1 times its side and enlarge it again, with probability `p`."""

    def __init__(self, p: float, low: float) -> None:
        super().__init__()
        self.p, self.low = p, low

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        factor = self.low + (1 - self.low) * torch.rand(()).item()
        return {"factor": factor if torch.rand(()) < self.p else 1.0}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        side = inpt.shape[-1]
        small = max(4, round(side * params["factor"]))
        if small == side:
            return inpt
        shrunk = v2.functional.resize(inpt, [small, small], antialias=True)
        return cast(Tensor, v2.functional.resize(shrunk, [side, side], antialias=False))


class MotionBlur(v2.Transform):  # type: ignore[misc]
    """Smear a crop along a line in a random direction, up to `length` of its side, with probability `p`."""

    def __init__(self, p: float, length: float) -> None:
        super().__init__()
        self.p, self.length = p, length

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        drawn = torch.rand(3).tolist()
        return {"active": drawn[0] < self.p, "angle": drawn[1] * math.pi, "share": drawn[2] * self.length}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        reach = round(params["share"] * inpt.shape[-1] / 2)  # px to either side
        if not params["active"] or reach < 1:
            return inpt
        kernel = line_kernel(reach, params["angle"])
        planes = inpt.flatten(0, -3)[:, None].float() if inpt.ndim > 2 else inpt[None, None].float()
        padded = F.pad(planes, [reach] * 4, mode="replicate")
        return F.conv2d(padded, kernel[None, None]).round().to(inpt.dtype).reshape(inpt.shape)


class Jpeg(v2.Transform):  # type: ignore[misc]
    """Compress a crop and read it again, at a quality between `worst` and `best`, with probability `p`."""

    def __init__(self, p: float, worst: int, best: int) -> None:
        super().__init__()
        self.p, self.worst, self.best = p, worst, best

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        quality = int(torch.randint(self.worst, self.best + 1, ()).item())
        return {"quality": quality if torch.rand(()) < self.p else None}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        if params["quality"] is None:
            return inpt
        pictures = inpt.reshape(-1, *inpt.shape[-3:]).permute(0, 2, 3, 1).numpy()
        coded = np.stack([_through_jpeg(picture, params["quality"]) for picture in pictures])
        return torch.from_numpy(coded).permute(0, 3, 1, 2).reshape(inpt.shape)


class SideLight(v2.Transform):  # type: ignore[misc]
    """Light from one side: brightness falls along a random direction by up to `depth`; probability `p`."""

    def __init__(self, p: float, depth: float) -> None:
        super().__init__()
        self.p, self.depth = p, depth

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        drawn = torch.rand(3).tolist()
        return {"active": drawn[0] < self.p, "angle": drawn[1] * 2 * math.pi, "depth": drawn[2] * self.depth}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        if not params["active"]:
            return inpt
        place = torch.linspace(-1, 1, inpt.shape[-1])
        along = place[None] * math.cos(params["angle"]) + place[:, None] * math.sin(params["angle"])
        gain = 1 + params["depth"] * along  # (S, S)
        return cast(Tensor, (inpt.float() * gain).clamp(0, 255).round().to(inpt.dtype))


def _through_jpeg(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    _, coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return decoded[..., ::-1]


def line_kernel(reach: int, angle: float) -> Tensor:
    """(2 reach + 1, 2 reach + 1) weights of a line through the centre, which sum to 1."""
    kernel = torch.zeros(2 * reach + 1, 2 * reach + 1)
    steps = torch.linspace(-reach, reach, 4 * reach + 1)
    rows = (steps * math.sin(angle)).round().long() + reach
    columns = (steps * math.cos(angle)).round().long() + reach
    kernel[rows, columns] = 1.0
    return kernel / kernel.sum()


def build(name: str, size: int) -> v2.Transform:
    """The augmentation of this name, for uint8 (..., 3, S, S) that share one draw; side `size` comes out.

    none: resizing only. flip: mirrored half of the time. classic: flip, jitter of position and scale, colour.
    strong: classic with more jitter, grey, low resolution and erasing. damage: what photos suffer before they
    come here (misplaced landmarks, few pixels, blur, shake, JPEG, side light, things in front of the face),
    each of it seldom, so that about half of the crops stay nearly whole. light: the same, but six draws
    of ten are only misplaced, so that a fifth of the crops or so are harmed, and nothing black comes in at
    the edges.
    """
    resize: list[v2.Transform] = [v2.Resize([size, size], antialias=True)]
    flip: list[v2.Transform] = [v2.RandomHorizontalFlip()]
    misplaced = v2.RandomAffine(degrees=4, translate=(0.03, 0.03), scale=(0.93, 1.1), interpolation=BILINEAR)
    harm: list[v2.Transform] = [
        v2.RandomApply([v2.ColorJitter(0.35, 0.35, 0.35, 0.02)], p=0.4),
        SideLight(p=0.1, depth=0.7),
        v2.RandomGrayscale(0.06),
        LowResolution(p=0.15, low=0.11),
        v2.RandomApply([v2.GaussianBlur(9, (0.5, 2.5))], p=0.06),
        MotionBlur(p=0.07, length=0.16),
        Jpeg(p=0.07, worst=8, best=60),
        v2.RandomErasing(p=0.1, scale=(0.02, 0.35), ratio=(0.4, 2.5), value=0),
        v2.RandomErasing(p=0.1, scale=(0.02, 0.35), ratio=(0.4, 2.5), value=127),
    ]
    recipes = {
        "none": resize,
        "flip": resize + flip,
        "classic": [
            *flip,
            v2.RandomResizedCrop([size, size], scale=(0.85, 1.0), ratio=(0.95, 1.05), antialias=True),
            v2.RandomApply([v2.ColorJitter(0.3, 0.3, 0.3)], p=0.5),
        ],
        "strong": [
            *flip,
            v2.RandomResizedCrop([size, size], scale=(0.75, 1.0), ratio=(0.92, 1.08), antialias=True),
            v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4)], p=0.6),
            v2.RandomGrayscale(0.08),
            LowResolution(p=0.15, low=0.25),
            v2.RandomErasing(p=0.25, scale=(0.02, 0.15), value=127),
        ],
        "damage": [*flip, misplaced, *resize, *harm],
        "light": [*flip, Mirrored(misplaced), *resize, v2.RandomApply(harm, p=0.4)],
    }
    if name not in recipes:
        raise ConfigError(f"augmentation is {name!r}; give one of {', '.join(recipes)}.")
    return v2.Compose(recipes[name])
