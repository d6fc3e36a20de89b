"""Faces from a trained generator: new photos of given people, and people who do not exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from generative import curation
from generative.conditions import Encoded, Vocabulary
from generative.curation import Scores, Window
from generative.data import condition
from generative.errors import SynthesisExhausted
from generative.models import GENERATORS
from generative.models.vae import VAE
from generative.people import PeopleModel, mixed
from recog import checkpoints
from recog.device import autocast, resolve
from recog.embedding import Embedder
from recog.errors import ConfigError, DataError, ModelMismatch
from recog.pixels import to_uint8

WEIGHTS = Path(__file__).parent / "weights"
BUNDLED = {f"bundled-{kind}": WEIGHTS / f"{kind}.safetensors" for kind in ("gan", "vae")}
BATCH = 32  # faces a forward pass
GUIDES = ("conditioning_digest", "reader_digest")  # in a checkpoint: the models that its training looked to
DRAWS = 20  # candidates for each person wanted, before giving up


@dataclass(frozen=True, eq=False)
class Sitter:
    """Somebody to make photos of."""

    identity: str
    centre: NDArray[np.float32]  # (D,) unit vector that the photos are conditioned on
    seed: int
    source: str = "given"  # a real person's centre; "sampled" or "mixed": nobody's


@dataclass(frozen=True, eq=False)
class SyntheticPerson:
    """The synthetic photos of one identity."""

    identity: str
    images: NDArray[np.uint8]  # (K, S, S, 3) RGB
    centre: NDArray[np.float32]  # (D,) what they were conditioned on, unit vector
    attributes: Encoded  # (K, V) what they were asked to show, as the generator's vocabulary encodes it
    scores: Scores  # of the K photos, by recogniser A
    source: str  # "given": a real person's centre; "sampled" or "mixed": nobody's
    seed: int


@dataclass(frozen=True, eq=False)
class Candidates:
    """All that was made of a sitter, and what is kept of it."""

    sitter: Sitter
    images: NDArray[np.uint8]  # (N, S, S, 3) RGB
    attributes: Encoded  # (N, V)
    scores: Scores  # of the N photos
    kept: NDArray[np.int64]  # (K,) which of them, ascending

    @property
    def person(self) -> SyntheticPerson:
        """The photos that are kept."""
        who, kept = self.sitter, self.kept
        parts = (self.images[kept], who.centre, self.attributes[kept], self.scores.take(kept))
        return SyntheticPerson(who.identity, *parts, who.source, who.seed)


class Synthesizer:
    """Generator weights together with the recogniser whose vectors condition them."""

    def __init__(
        self,
        network: nn.Module,
        config: dict[str, Any],
        people: PeopleModel,
        digest: str,
        embedder: Embedder,
        device: torch.device,
        directions: NDArray[np.float32] | None = None,
    ) -> None:
        if config["conditioning_digest"] != embedder.digest:
            raise ModelMismatch(
                f"This generator is conditioned on the embedder {config['conditioning_digest'][:12]}, but "
                f"{embedder.name} ({embedder.digest[:12]}) is loaded. Load the one it was trained with, or "
                "train a generator for this one: recog generate train."
            )
        self.network = network.to(device).eval().requires_grad_(False)
        self.device = device
        self.embedder = embedder
        self.people = people
        self.digest = digest
        self.image_size = int(config["image_size"])
        self.noise_size = int(network.noise_size)  # type: ignore[arg-type]
        self.directions = directions  # (names, Z) of attributes in a VAE's code
        self.vocabulary = people.vocabulary
        # digests of the models that had a part in its training, and so cannot judge it
        self.guides = frozenset(config[key] for key in GUIDES if key in config)
        self.window = Window(*config.get("similarity_window", ()))
        self.spread = float(config.get("spread", 1.0))  # of the noise that faces are made of

    @classmethod
    def load(
        cls, name: str | Path, embedder: Embedder, device: str = "auto", *, spread: float | None = None
    ) -> Synthesizer:
        """Load a generator: "bundled-gan", "bundled-vae", a weights file, or a run directory.

        Args:
            spread: of the noise: faces are more varied above 1, more typical below; None: as the weights say.
        Raises: ModelNotFound; CheckpointError; ModelMismatch: `embedder` is not the one that conditions it.
        """
        place = resolve(device)
        checkpoint = checkpoints.load(checkpoints.find(name, BUNDLED, "generator"), kind=tuple(GENERATORS))
        network = GENERATORS[checkpoint.kind](**checkpoint.config["network"])
        network.load_state_dict(checkpoint.part("network"))
        vocabulary = Vocabulary(tuple(checkpoint.config["attributes"]), bool(checkpoint.config.get("ages")))
        people = PeopleModel(checkpoint.part("people"), vocabulary)
        directions = checkpoint.tensors.get("directions")
        said = checkpoint.config if spread is None else {**checkpoint.config, "spread": spread}
        return cls(
            network,
            said,
            people,
            checkpoint.digest,
            embedder,
            place,
            None if directions is None else directions.float().numpy(),
        )

    def photos_of(
        self,
        embeddings: NDArray[np.float32],
        count: int,
        seed: int = 0,
        *,
        conditions: Mapping[str, float] | None = None,
    ) -> NDArray[np.uint8]:
        """New photos of one person.

        Args:
            embeddings: (M, D) of the person's photos, or (D,); their mean is what the photos resemble.
            conditions: attributes (1 or -1) and age (years) that all photos should show; others vary as
                in the training set.
        Returns: (count, S, S, 3) uint8 RGB.
        Raises: DataError: the vectors have another length; ConfigError: a condition that the generator does
        not know.
        """
        centre = _centre(embeddings, self.embedder.embedding_size)
        return self._drawn(centre, count, seed, conditions or {})[0]

    def person(
        self,
        identity: str,
        embeddings: NDArray[np.float32],
        count: int,
        seed: int = 0,
        *,
        source: str = "given",
        candidates: int = 1,
        conditions: Mapping[str, float] | None = None,
        training: NDArray[np.float32] | None = None,
        window: Window | None = None,
    ) -> SyntheticPerson:
        """New photos of one person with their scores.

        Args:
            candidates: photos made for each one that is kept; see `curation.chosen`.
            conditions: as of `photos_of`.
            training: (T, D) vectors of training photos, which no kept photo should repeat.
            window: of cosines to the centre; None: that of the weights.
        Raises: ConfigError: fewer than one candidate a photo, or a condition that the generator does not
        know; DataError: the vectors have another length.
        """
        sitter = self.sitter(identity, embeddings, seed, source)
        how: dict[str, Any] = {"candidates": candidates, "conditions": conditions, "training": training}
        return self.sitting(sitter, count, **how, window=window).person

    def sitter(
        self, identity: str, embeddings: NDArray[np.float32], seed: int, source: str = "given"
    ) -> Sitter:
        """A person to make photos of; arguments and errors as of `person`."""
        return Sitter(identity, _centre(embeddings, self.embedder.embedding_size), seed, source)

    def sitting(
        self,
        sitter: Sitter,
        count: int,
        *,
        candidates: int = 1,
        conditions: Mapping[str, float] | None = None,
        training: NDArray[np.float32] | None = None,
        window: Window | None = None,
    ) -> Candidates:
        """New photos of somebody with those that were not kept; arguments and errors as of `person`."""
        if candidates < 1:
            raise ConfigError(f"candidates is {candidates}; give 1 or more.")
        images, attributes = self._drawn(sitter.centre, count * candidates, sitter.seed, conditions or {})
        scores = curation.scored(images, sitter.centre, self.embedder, training)
        kept = curation.chosen(scores, count, window or self.window) if candidates > 1 else np.arange(count)
        return Candidates(sitter, images, attributes, scores, kept)

    def new_people(
        self,
        count: int,
        photos: int,
        seed: int = 0,
        *,
        max_similarity: float = 0.35,
        training_centres: NDArray[np.float32] | None = None,
        candidates: int = 1,
        conditions: Mapping[str, float] | None = None,
        training: NDArray[np.float32] | None = None,
        window: Window | None = None,
    ) -> list[SyntheticPerson]:
        """People who do not exist, `photos` each; the arguments are those of `strangers` and `person`.

        Raises: as `strangers`, `person`.
        """
        sitters = self.strangers(
            count,
            seed,
            max_similarity=max_similarity,
            training_centres=training_centres,
            conditions=conditions,
        )
        how: dict[str, Any] = {"candidates": candidates, "conditions": conditions, "training": training}
        return [self.sitting(sitter, photos, **how, window=window).person for sitter in sitters]

    def strangers(
        self,
        count: int,
        seed: int = 0,
        *,
        max_similarity: float = 0.35,
        training_centres: NDArray[np.float32] | None = None,
        conditions: Mapping[str, float] | None = None,
    ) -> list[Sitter]:
        """Sitters who do not exist.

        Without data their centres come from the Gaussian that the checkpoint carries; with the centres
        (P, D) of training people, from mixing pairs of those who look unlike each other.

        Args:
            max_similarity: cosine that no two new centres, and no new and training centre, exceed.
            conditions: attributes and age that they should have; see `PeopleModel.draw`.
        Raises: SynthesisExhausted: not so many people fit under `max_similarity`; ConfigError: a condition
        that the generator does not know; DataError: mixing has less than two people.
        """
        self.vocabulary.asked(conditions or {})
        rng = torch.Generator().manual_seed(seed)
        chosen: list[NDArray[np.float32]] = []
        tried: Iterable[NDArray[np.float32]] = (
            self.people.draw(count * DRAWS, rng, conditions).numpy()
            if training_centres is None
            else mixed(training_centres, count * DRAWS, rng)
        )
        for centre in tried:
            apart = all(centre @ other <= max_similarity for other in chosen)
            if training_centres is not None:
                apart = apart and float((training_centres @ centre).max()) <= max_similarity
            if apart:
                chosen.append(centre)
            if len(chosen) == count:
                break
        if len(chosen) < count:
            raise SynthesisExhausted(
                f"Only {len(chosen)} of {count} new people are less alike than {max_similarity}. "
                "Ask for fewer, or allow a higher max_similarity."
            )
        source = "sampled" if training_centres is None else "mixed"
        return [
            self.sitter(f"new-{seed:04d}-{i:05d}", centre, seed * 1_000_003 + i, source)
            for i, centre in enumerate(chosen)
        ]

    def encoding(self, purpose: str) -> VAE:
        """The network, where faces can be turned into codes for this purpose, as "Editing".

        Raises: ConfigError: it has no encoder.
        """
        if not isinstance(self.network, VAE):
            raise ConfigError(
                f"{purpose} needs an encoder, and this generator has none. Load a vae or a vae-gan."
            )
        return self.network

    @torch.inference_mode()
    def faces(self, centres: Tensor, attributes: Tensor, rng: torch.Generator) -> NDArray[np.uint8]:
        """One face for each row of centres (B, D) and attributes (B, V): (B, S, S, 3) uint8 RGB."""
        place = self.device
        noise = torch.randn(len(centres), self.noise_size, generator=rng)
        given = condition(centres.float(), attributes)
        pictures = [np.zeros((0, self.image_size, self.image_size, 3), np.uint8)]
        for at in range(0, len(given), BATCH):
            with autocast(place):
                batch = self.network(
                    noise[at : at + BATCH].to(place), given[at : at + BATCH].to(place), spread=self.spread
                )
            pictures.append(to_uint8(batch))
        return np.concatenate(pictures)

    def _drawn(
        self, centre: NDArray[np.float32], count: int, seed: int, asked: Mapping[str, float]
    ) -> tuple[NDArray[np.uint8], Encoded]:
        self.vocabulary.asked(asked)  # refuses what is not known
        rng = torch.Generator().manual_seed(seed)
        rows = torch.from_numpy(centre).expand(count, -1)
        attributes = self.people.draw_attributes(rows[:1], count, rng, asked)[0]
        return self.faces(rows, attributes, rng), attributes.numpy()


def _centre(embeddings: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    vectors = np.atleast_2d(np.asarray(embeddings, np.float32))
    if vectors.ndim != 2 or vectors.shape[1] != size or not len(vectors):
        raise DataError(f"embeddings are {np.shape(embeddings)}; give (M, {size}), M >= 1.")
    mean = vectors.mean(axis=0)
    length = float(np.linalg.norm(mean))
    if not np.isfinite(length) or length < 1e-6:
        raise DataError("The embeddings have no direction in common, or are not finite: no face fits them.")
    return np.asarray(mean / length, np.float32)
