"""Training of the embedder: from labels, or from a teacher."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from recog.training.config import DistillConfig, TrainConfig

if TYPE_CHECKING:
    from recog.training.data import CropSet, open_crops
    from recog.training.distillation import distill
    from recog.training.loop import train

__all__ = ["CropSet", "DistillConfig", "TrainConfig", "distill", "open_crops", "train"]

# the settings are at hand without torch, for the commands' defaults; the rest waits (PEP 562)
_LAZY = {
    "CropSet": "recog.training.data",
    "distill": "recog.training.distillation",
    "open_crops": "recog.training.data",
    "train": "recog.training.loop",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'recog.training' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
