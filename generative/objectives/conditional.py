"""What all generators share: their conditions, and the people that they can make up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from generative.data import Batch, FaceData, condition
from generative.models.gan import BLOCKS
from generative.objectives.attributes import Shown
from generative.people import PeopleModel
from generative.reading import AttributeReader
from recog.embedding import Embedder
from recog.errors import ConfigError, DataError, ModelMismatch
from recog.settings import Checks, at_least, check, shares

GRID_PEOPLE, GRID_PHOTOS = 6, 8
WINDOW = (0.25, 0.95)  # quantiles


@dataclass(frozen=True, kw_only=True)
class ConditionalSettings:
    """Settings of every conditional objective.

    Raises: ConfigError: a value is outside its range.
    """

    block: str = "normalised"  # what the maps of the generator, or of a decoder, are made by
    fold: int = 2  # px of a face's side for each place of the largest map
    attribute_dropout: float = 0.2  # share of attributes hidden, so that 0 means "any"
    identity_weight: float = 0.0  # of the identity term; 0 switches it off
    identity_every: int = 4  # steps
    reader_weight: float = 0.0  # of the attribute loss, by an attribute classifier (reader); 0: none
    identity_quantile: float = 0.25  # of real same-identity cosines: where the identity window begins

    def __post_init__(self) -> None:
        check(self, self._checks)

    def _checks(self) -> Checks:
        """Whether each setting is in its range, and what that is."""
        return {
            "block": (self.block in BLOCKS, f"one of {', '.join(BLOCKS)}"),
            "fold": (self.fold in (1, 2), "1 or 2"),
            **at_least(1, self, "identity_every"),
            **at_least(0, self, "identity_weight", "reader_weight"),
            **shares(self, "attribute_dropout", "identity_quantile"),
        }

    def applied(self, image_size: int) -> dict[str, Any]:
        """The settings as they count for faces of this side, px: usual values filled in, no unused widths.

        A run is known by them, and goes on when another version has other defaults for what it does not use.
        """
        return asdict(self)


class ConditionalObjective:
    """All of an objective but its networks and their losses."""

    kind: str
    network: nn.Module
    settings: ConditionalSettings

    def __init__(
        self,
        data: FaceData,
        embedder: Embedder,
        settings: ConditionalSettings,
        image_size: int,
        reader: AttributeReader | None = None,
    ) -> None:
        """`reader`: the attribute classifier that made-up faces are read by, where the settings ask for it.

        Raises: ModelMismatch: the faces' centres are another embedder's; ConfigError: the settings ask for a
        reader of attributes that are known, and there is none.
        """
        if data.model_digest != embedder.digest:
            raise ModelMismatch(
                "The identity centres were made by another model. Open the faces with this embedder."
            )
        self.embedder, self.settings, self.image_size = embedder, settings, image_size
        self.people = PeopleModel.fit(data)
        self.vocabulary = data.vocabulary
        self.condition_size = data.condition_size
        self.window = _window(data)
        self.shown: Shown | None = None
        if settings.reader_weight and len(self.vocabulary):
            if reader is None:
                raise ConfigError("reader_weight needs a reader: give one (--reader), or set it to 0.")
            self.shown = Shown(reader, self.vocabulary)

    def network_config(self) -> dict[str, Any]:
        """The arguments that `network` was built with, JSON-able."""
        raise NotImplementedError

    def run_config(self) -> dict[str, Any]:
        """What makes this run what it is."""
        return {**self.settings.applied(self.image_size), **self._conditioning()}

    def model_config(self) -> dict[str, Any]:
        """Enough to build the network again and to condition it."""
        return {
            "network": self.network_config(),
            "image_size": self.image_size,
            "similarity_window": self.window,
            **self._conditioning(),
        }

    def extra_tensors(self, network: nn.Module, data: FaceData) -> dict[str, Tensor]:
        """The spread of identities, for people who do not exist."""
        return {f"people.{name}": tensor for name, tensor in self.people.tensors().items()}

    def samples(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> tuple[Tensor, int]:
        """Pictures of made-up people only, a person a row."""
        place = batch.images.device
        centres = self.people.draw(GRID_PEOPLE, rng)
        attributes = self.people.draw_attributes(centres, GRID_PHOTOS, rng).flatten(0, 1)
        given = condition(centres.repeat_interleave(GRID_PHOTOS, dim=0), attributes)
        return self._anybody(network, given.to(place), rng), GRID_PHOTOS

    def rehearse(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> None:
        """Faces from noise or made-up latent codes, for people of the batch."""
        self._anybody(network, self.conditions(batch, rng)[1], rng)

    def _anybody(self, network: nn.Module, given: Tensor, rng: torch.Generator) -> Tensor:
        """Faces (B, 3, S, S) for conditions (B, C), from noise or latent codes drawn here."""
        noise = torch.randn(len(given), int(network.noise_size), generator=rng)  # type: ignore[arg-type]
        return self.drawn(network, noise.to(given.device), given)

    def drawn(self, network: nn.Module, noise: Tensor, given: Tensor) -> Tensor:
        """Faces (B, 3, S, S) from noise (B, Z) and conditions (B, C)."""
        faces: Tensor = network(noise, given)
        return faces

    def conditions(self, batch: Batch, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """(B, V) attributes of a training batch, some hidden, and (B, C) conditions with them."""
        wanted = self.vocabulary.hidden(batch.attributes, self.settings.attribute_dropout, rng)
        return wanted, condition(batch.centres, wanted)

    def attribute_loss(
        self, faces: Tensor, wanted: Tensor, ramp: float
    ) -> tuple[Tensor | float, dict[str, Tensor]]:
        """Cross-entropy of the attributes (B, V) that faces (B, 3, S, S) should show, by the reader, weighed.

        Without a reader it is 0.

        Args:
            ramp: how much conditions count by now, 0..1.
        """
        if self.shown is None:
            return 0.0, {}
        error = self.shown(faces, wanted)
        return self.settings.reader_weight * ramp * error, {"attribute_loss": error}

    def trouble(self, means: Mapping[str, float]) -> str | None:
        """Why the run has gone wrong, if it has."""
        return None

    def _conditioning(self) -> dict[str, Any]:
        """Which models the conditions come from, and what they are."""
        read = {} if self.shown is None else {"reader_digest": self.shown.reader.digest}
        return {
            **read,
            "conditioning_digest": self.embedder.digest,
            "embedding_size": self.embedder.embedding_size,
            "attributes": list(self.vocabulary.attributes),
            "ages": self.vocabulary.ages,
        }


def _window(data: FaceData) -> list[float]:
    """Cosines to the other photos of the person that most real photos have: what curation keeps to."""
    known = data.similarities[~np.isnan(data.similarities)]
    return [round(float(q), 4) for q in np.quantile(known, WINDOW)] if len(known) else [1.0, 1.0]


def usual_similarity(data: FaceData, quantile: float) -> float:
    """This quantile of the cosines between a real photo and the other photos of its person."""
    similarities = torch.from_numpy(data.similarities)
    if bool(similarities.isnan().all()):
        raise DataError(
            "No person has two photos, so nothing says how alike photos of a person are. Give more "
            "photos of some people, or set identity_weight to 0."
        )
    return float(torch.nanquantile(similarities, quantile))
