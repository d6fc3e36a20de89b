"""From a kind of network to a run that trains it: the pace that suits each, and its objective."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from typing import Any

import torch

from generative.data import FaceData
from generative.models import GENERATORS
from generative.models.gan import doublings
from generative.objectives.gan import GanObjective, GanSettings
from generative.objectives.reader import ReaderObjective, ReaderSettings
from generative.objectives.repair import RepairObjective, RepairSettings
from generative.objectives.vae import VaeObjective, VaeSettings
from generative.objectives.vae_gan import VaeGanObjective, VaeGanSettings
from generative.reading import AttributeReader
from generative.training import GeneratorConfig, Objective
from recog.embedding import Embedder
from recog.errors import ConfigError

VAE_PACE = GeneratorConfig(
    total_kimg=200,
    learning_rate=1e-3,
    final_learning_rate=1e-5,
    beta1=0.9,
    gradient_clip=1.0,
    ema_halflife_kimg=5,
)
# steps count more than faces, and what is rare is not learned by itself
GAN_PACE = GeneratorConfig(
    total_kimg=440, batch_size=16, learning_rate=4e-4, balanced_share=0.25, snapshot_kimg=25
)
PACE = {
    "gan": GAN_PACE,
    "dcgan": GeneratorConfig(beta1=0.5, beta2=0.999, ema_halflife_kimg=0),  # as in its paper
    "vae": VAE_PACE,
    "vae-gan": GAN_PACE,
    # clipped low, as its losses are small: now and then a face has a hundred times the gradient of others
    "repairer": replace(
        VAE_PACE, image_size=112, batch_size=16, total_kimg=300, gradient_clip=0.05, snapshot_kimg=25
    ),
    "reader": replace(
        VAE_PACE, total_kimg=600, batch_size=128, snapshot_kimg=200, balanced_share=0.5, log_kimg=20
    ),
}
KINDS = tuple(PACE)
Settings = GanSettings | VaeSettings | VaeGanSettings | RepairSettings | ReaderSettings
SETTINGS: dict[str, Callable[..., Settings]] = {
    "gan": GanSettings,
    "dcgan": partial(
        GanSettings,
        architecture="dcgan",
        penalty="none",
        augment=(),
        identity_weight=0.0,
        attribute_weight=0.0,
        reader_weight=0.0,
        turned_share=0.0,
        noise_size=100,
    ),
    "vae": VaeSettings,
    "vae-gan": VaeGanSettings,
    "repairer": RepairSettings,
    "reader": ReaderSettings,
}


# what a plain generator has no use for
UNUSED = {
    "architecture",
    "block",
    "fold",
    "generator_widths",
    "discriminator_widths",
    "reader_weight",
    "turned_share",
}


def pace(kind: str, **changes: Any) -> GeneratorConfig:
    """The usual length and pace of a run of this kind, with changes; None leaves a value as it is.

    The rate never rises: one that begins under the usual end stays where it is.

    Raises: ConfigError: no such kind, a value out of range, or a side that a generator cannot make.
    """
    if kind not in PACE:
        raise ConfigError(f"kind is {kind!r}; give one of {', '.join(KINDS)}.")
    usual, given = PACE[kind], {name: value for name, value in changes.items() if value is not None}
    last = min(usual.final_learning_rate, given.get("learning_rate", usual.learning_rate))
    config = replace(usual, **{"final_learning_rate": last, **given})
    if kind in GENERATORS:
        doublings(config.image_size)
    return config


def settings(kind: str, **changes: Any) -> Settings:
    """The usual settings of the objective of this kind, with changes; None leaves a value as it is.

    Raises: ConfigError: a setting that the kind does not have, or a value out of range.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    if foreign := set(given) - names(kind):
        raise ConfigError(f"A {kind} has no setting {min(foreign)!r}.")
    return SETTINGS[kind](**given)


def names(kind: str) -> frozenset[str]:
    """Which settings the objective of this kind has."""
    own = frozenset(field.name for field in fields(SETTINGS[kind]()))
    return own - UNUSED if kind == "dcgan" else own


def objective(
    config: GeneratorConfig,
    data: FaceData,
    embedder: Embedder | None,
    settings: Settings,
    reader: AttributeReader | None = None,
) -> Objective:
    """The objective that has these settings, its networks initialised from the run's seed.

    Raises: ConfigError: no embedder, or no reader, where one is needed; as the objective.
    """
    torch.manual_seed(config.seed)
    if isinstance(settings, RepairSettings):
        return RepairObjective(data, settings, config.image_size, embedder)
    if isinstance(settings, ReaderSettings):
        return ReaderObjective(data, settings, config.image_size, config.balanced_share)
    if embedder is None:
        raise ConfigError("Generators are conditioned on identities: give an embedder (--model).")
    if isinstance(settings, GanSettings):
        return GanObjective(data, embedder, settings, config.image_size, reader)
    if isinstance(settings, VaeGanSettings):
        return VaeGanObjective(data, embedder, settings, config.image_size, reader)
    return VaeObjective(data, embedder, settings, config.image_size, reader)
