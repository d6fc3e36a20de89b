"""Classic augmentation of aligned crops, from torchvision's transforms v2."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torchvision.transforms import v2

from recog.errors import ConfigError


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


def build(name: str, size: int) -> v2.Transform:
    """The augmentation of this name, for uint8 (..., 3, S, S) that share one draw; side `size` comes out.

    none: resizing only. flip: mirrored half of the time. classic: flip, jitter of position and scale, colour.
    strong: classic with more jitter, grey, low resolution and erasing.
    """
    resize: list[v2.Transform] = [v2.Resize([size, size], antialias=True)]
    flip: list[v2.Transform] = [v2.RandomHorizontalFlip()]
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
    }
    if name not in recipes:
        raise ConfigError(f"augmentation is {name!r}; give one of {', '.join(recipes)}.")
    return v2.Compose(recipes[name])
