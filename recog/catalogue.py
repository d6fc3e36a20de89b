"""The models that have names: what they are, what they expect, and what their authors report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recog.errors import ModelNotFound

WEIGHTS = Path(__file__).parent / "weights"
FACENET = "facenet-pytorch:"
HUB = "hf-hub:"
LOCAL = "local-dir:"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known of a named model before it is loaded."""

    name: str
    source: str
    licence: str
    embedding_size: int
    image_size: int  # px, square, RGB
    mean: float  # of each channel; pixels are 0..1 and become (pixel - mean) / std
    std: float
    million_parameters: float
    published_percent: Mapping[str, float] = field(default_factory=dict)  # as the authors report it
    note: str = ""


# Figures and parameters: README of github.com/gau-nernst/timm-face (LFW, CFP-FP and AgeDB-30 are accuracies)
CARDS = (
    ModelCard(
        name="recog-s",
        source="bundled",
        licence="non-commercial research (trained on CelebA and UTKFace crops)",
        embedding_size=128,
        image_size=160,
        mean=0.5,
        std=0.5,
        million_parameters=2.85,
        note="distilled from a MobileFaceNet; figures in recog/weights/recog-s.md",
    ),
    ModelCard(
        name="facenet-pytorch:vggface2",
        source="facenet-pytorch release files",
        licence="MIT code; VGGFace2 is non-commercial research",
        embedding_size=512,
        image_size=160,
        mean=0.5,
        std=128 / 255,
        million_parameters=23.5,
        published_percent={"LFW": 99.65},
        note="InceptionResnetV1, trained on boxes of MTCNN without five-point alignment",
    ),
    ModelCard(
        name="facenet-pytorch:casia-webface",
        source="facenet-pytorch release files",
        licence="MIT code; CASIA-WebFace is non-commercial research",
        embedding_size=512,
        image_size=160,
        mean=0.5,
        std=128 / 255,
        million_parameters=23.5,
        published_percent={"LFW": 99.05},
        note="InceptionResnetV1, trained on boxes of MTCNN without five-point alignment",
    ),
    ModelCard(
        name="hf-hub:gaunernst/convnext_atto.cosface_ms1mv3",
        source="Hugging Face hub",
        licence="none stated for the weights; MS1MV3 is non-commercial research",
        embedding_size=512,
        image_size=112,
        mean=0.5,
        std=0.5,
        million_parameters=3.54,
        published_percent={"LFW": 99.68, "CFP-FP": 96.33, "AgeDB-30": 96.90, "IJB-C TAR@FMR=1e-4": 93.58},
        note="on the ArcFace five-point template",
    ),
    ModelCard(
        name="hf-hub:gaunernst/vit_tiny_patch8_112.cosface_ms1mv3",
        source="Hugging Face hub",
        licence="none stated for the weights; MS1MV3 is non-commercial research",
        embedding_size=512,
        image_size=112,
        mean=0.5,
        std=0.5,
        million_parameters=5.51,
        published_percent={"LFW": 99.77, "CFP-FP": 96.44, "AgeDB-30": 97.23, "IJB-C TAR@FMR=1e-4": 94.49},
        note="on the ArcFace five-point template",
    ),
)


def named_models() -> dict[str, ModelCard]:
    """The models that can be asked for by name."""
    return {card.name: card for card in CARDS}


def card_named(name: str) -> ModelCard:
    """The card of a model; "bundled" is the one in this package.

    Raises: ModelNotFound: no model has this name.
    """
    cards = named_models()
    card = cards.get("recog-s" if name == "bundled" else name)
    if card is None:
        raise ModelNotFound(f"{name!r}: no model of this name. Known: {', '.join(cards)}.")
    return card


def bundled_path(name: str = "recog-s") -> Path:
    """Where the package keeps the weights of a bundled model."""
    return WEIGHTS / f"{name}.safetensors"
