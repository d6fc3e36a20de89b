"""Training of the embedder."""

from recog.training.config import TrainConfig
from recog.training.data import CropSet, open_crops
from recog.training.loop import train

__all__ = ["CropSet", "TrainConfig", "open_crops", "train"]
