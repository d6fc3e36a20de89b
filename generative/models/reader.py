"""A small network that reads attributes and age off a face: a slim residual network of timm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor, nn

from recog.models import create_network

BACKBONE = "resnet10t"
WIDTHS = (16, 32, 64, 128)


class Reader(nn.Module):
    """Faces -> logits of attributes and of the knots of age."""

    def __init__(
        self,
        attribute_size: int,
        image_size: int = 64,
        backbone: str = BACKBONE,
        widths: Sequence[int] | None = WIDTHS,
    ) -> None:
        super().__init__()
        options: dict[str, Any] = {} if widths is None else {"channels": tuple(widths)}
        config = {"backbone": backbone, "backbone_options": options, "head": "timm"}
        self.network = create_network({**config, "embedding_size": attribute_size, "image_size": image_size})

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) RGB in [-1, 1] -> (B, V)."""
        return cast(Tensor, self.network(images))
