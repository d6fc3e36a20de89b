"""What one run of the embedder is: the settings that every run has, and those of each way to teach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from recog.settings import Checks, above_zero, at_least, check, shares

AUGMENTATIONS = ("none", "flip", "classic", "strong", "damage", "light")
HEADS = ("gdc", "timm")
MARGINS = {"arcface": 0.3, "cosface": 0.2}  # rad (arXiv:1801.07698); as a cosine (arXiv:1801.09414)
LOSSES = tuple(MARGINS)
OPTIMIZERS = ("adamw", "muon")
HOW = ("workers", "checkpoint_kimg")  # settings that do not change what comes out: a run goes on with others


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Settings of any run; units are in the names.

    Raises: ConfigError: a value is outside its range.
    """

    backbone: str = "regnetx_002"  # any timm name
    backbone_options: Mapping[str, Any] = field(default_factory=dict)  # passed to timm.create_model
    head: str = "gdc"  # gdc: depthwise over the whole map; timm: the backbone's own pooling
    embedding_size: int = 128
    image_size: int = 112  # px
    batch_size: int = 128  # crops a step, over all processes
    photos_per_identity: int = 1  # in a batch; above 1, crops come in groups of one person
    total_kimg: float = 500.0  # length of the run, thousands of crops seen
    optimizer: str = "adamw"  # or muon, which orthogonalises the updates of matrices (arXiv:2502.16982)
    learning_rate: float = 3e-3  # at the peak; warm-up, then cosine to 0
    weight_decay: float = 0.05
    warmup: float = 0.05  # share of the run in which the learning rate grows
    ema_halflife_kimg: float = 0.0  # of the averaged weights that the run ends with; 0: the plain weights
    augmentation: str = "classic"
    crops_per_draw: int = 8  # neighbours in a batch that share one draw of the augmentation
    seed: int = 0
    bf16: bool = True  # where the device has it natively, and on images of 32 px or more
    channels_last: bool = True
    workers: int | None = None  # processes that prepare batches; 0: this one; None: as the processors allow
    checkpoint_kimg: float = 50.0  # between saved states

    def __post_init__(self) -> None:
        check(self, self._checks)

    def _checks(self) -> Checks:
        """Whether each setting is in its range, and what that is."""
        return {
            "augmentation": (self.augmentation in AUGMENTATIONS, f"one of {', '.join(AUGMENTATIONS)}"),
            "optimizer": (self.optimizer in OPTIMIZERS, f"one of {', '.join(OPTIMIZERS)}"),
            "head": (self.head in HEADS, f"one of {', '.join(HEADS)}"),
            "image_size": (self.image_size >= 8, "8 px or more"),
            **at_least(2, self, "batch_size", "embedding_size"),
            **at_least(1, self, "crops_per_draw"),
            **at_least(0, self, "weight_decay", "ema_halflife_kimg", "seed"),
            "workers": (self.workers is None or self.workers >= 0, "0 or more, or None"),
            **above_zero(self, "total_kimg", "learning_rate", "checkpoint_kimg"),
            "photos_per_identity": (
                1 <= self.photos_per_identity <= self.batch_size,
                f"1 to {self.batch_size}, a batch",
            ),
            "warmup": (0 <= self.warmup < 1, "0 or more, less than 1"),
        }

    @property
    def steps(self) -> int:
        """Gradient steps of the whole run."""
        return max(1, round(self.total_kimg * 1000 / self.batch_size))

    def model_config(self) -> dict[str, Any]:
        """The part that describes the finished model: architecture and preprocessing."""
        return {
            "backbone": self.backbone,
            "backbone_options": dict(self.backbone_options),
            "head": self.head,
            "embedding_size": self.embedding_size,
            "image_size": self.image_size,
            "mean": 0.5,
            "std": 0.5,
        }

    def to_json(self) -> dict[str, Any]:
        """All settings, JSON-able."""
        return {**asdict(self), "backbone_options": dict(self.backbone_options)}


@dataclass(frozen=True, kw_only=True)
class TrainConfig(RunConfig):
    """Settings of `train`: people are told apart by a margin loss."""

    photos_per_identity: int = 4
    augmentation: str = "strong"
    loss: str = "cosface"
    margin: float | None = None  # m of the loss, in its own unit; None: as in MARGINS
    scale: float = 16.0  # s of both
    margin_start: float = 0.3  # share of the run after which the margin begins to grow from 0 ...
    margin_full: float = 0.7  # ... and at which it is whole
    contrastive_weight: float = 1.0  # of a supervised contrastive term (arXiv:2004.11362)
    temperature: float = 0.07  # of that term
    mixup: float = 0.0  # parameter of Beta, of which people's embeddings are mixed in pairs; 0: they are not
    transfer_weight: float = 0.0  # of the loss of embeddings moved as other people's photos differ; 0: none
    synthetic_share: float = 0.0  # of each batch

    @property
    def full_margin(self) -> float:
        """The margin when it has grown, in the unit of the loss."""
        return MARGINS[self.loss] if self.margin is None else self.margin

    def to_json(self) -> dict[str, Any]:
        return super().to_json() | {"margin": self.full_margin}

    def _checks(self) -> Checks:
        return super()._checks() | {
            "loss": (self.loss in LOSSES, f"one of {', '.join(LOSSES)}"),
            "margin": (self.margin is None or 0 <= self.margin < 1.6, "0 or more, less than 1.6"),
            **shares(self, "synthetic_share"),
            **above_zero(self, "scale"),
            **at_least(0, self, "mixup"),
            "transfer_weight": (
                self.transfer_weight == 0 or (self.transfer_weight > 0 and self.photos_per_identity > 1),
                "0, or more than 0 with two photos_per_identity or more",
            ),
            "contrastive_weight": (
                self.contrastive_weight == 0
                or (self.contrastive_weight > 0 and self.photos_per_identity > 1),
                "0, or more than 0 with two photos_per_identity or more",
            ),
            "margin_start": (
                0 <= self.margin_start < max(self.margin_full, 1e-9) <= 1,
                f"0 or more, less than margin_full ({self.margin_full}), which is at most 1",
            ),
        }


@dataclass(frozen=True, kw_only=True)
class DistillConfig(RunConfig):
    """Settings of `distill`: the student learns its teachers' embeddings.

    An `embedding_size` of 0 is the teachers' own. Backbone, batch and weights are the best of those compared
    in benchmarks/results/README.md.
    """

    backbone: str = "fasternet_t0"
    embedding_size: int = 0
    batch_size: int = 64
    learning_rate: float = 2e-3
    augmentation: str = "damage"
    cosine_weight: float = 1.0  # of 1 - cosine to the teacher's embedding of the undamaged crop
    relational_weight: float = 1.0  # of the squared difference of the batch's cosines (arXiv:1904.05068)
    arcface_weight: float = 0.0  # of ArcFace on labelled crops, its centres the teachers' mean embeddings
    margin: float = 0.2  # m of that term, in rad (arXiv:1801.07698)
    scale: float = 32.0  # s of that term
    whiten: bool = False  # learn the answers whitened by the labelled crops (`recog.training.whitening`)

    def model_config(self) -> dict[str, Any]:
        return super().model_config() | ({"whitened": True} if self.whiten else {})

    def _checks(self) -> Checks:
        weights = ("cosine_weight", "relational_weight", "arcface_weight")
        some = any(getattr(self, name) > 0 for name in weights)
        return super()._checks() | {
            "margin": (0 <= self.margin < 1.6, "0 or more, less than 1.6 rad"),
            **above_zero(self, "scale"),
            "embedding_size": (
                self.embedding_size == 0 or self.embedding_size >= 2,
                "2 or more, or 0 for the teachers' own",
            ),
            **at_least(0, self, *weights),
            "cosine_weight": (
                self.cosine_weight >= 0 and some,
                "0 or more, of one term at least more than 0",
            ),
        }
