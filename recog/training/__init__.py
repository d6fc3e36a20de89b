"""Training of the embedder: from labels, or from a teacher."""

from recog.training.config import DistillConfig, TrainConfig
from recog.training.data import CropSet, open_crops
from recog.training.distillation import distill
from recog.training.loop import train

__all__ = ["CropSet", "DistillConfig", "TrainConfig", "distill", "open_crops", "train"]
