"""Made-up vectors: what other photos of a person would look like to a recogniser, without making the photos.

A conditional VAE learns from people with many photos how one more photo of somebody differs from the few
that are known, and applies it to people with few (feature transfer for thin classes: arXiv:1803.09014).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from recog.errors import ConfigError, DataError
from recog.settings import Checks, above_zero, at_least, check
from recog.vectors import unit

Vectors = NDArray[np.float32]  # (N, D) unit
Labels = NDArray[np.int64]  # (N,)


@dataclass(frozen=True, kw_only=True)
class FeatureSettings:
    """How the generator learns.

    Raises: ConfigError: a value is outside its range.
    """

    steps: int = 4000
    batch_size: int = 256
    width: int = 512
    noise_size: int = 32
    most_known: int = 5  # photos that a person is told by, at most
    learning_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        check(self, self._checks)

    def _checks(self) -> Checks:
        return {
            **at_least(1, self, "steps", "width", "noise_size", "most_known"),
            **at_least(2, self, "batch_size"),
            **above_zero(self, "learning_rate"),
        }


class FeatureNetwork(nn.Module):
    """A conditional VAE of how a photo's vector differs from the mean of others of the same person.

    Vectors come in units in which they have length sqrt(D). The spread around what is decoded is learned, too
    (sigma-VAE, arXiv:2006.13202): made-up vectors differ as real ones do, not only as their means.
    """

    spread: Tensor  # (D,) of what the decoder does not explain

    def __init__(self, size: int, width: int, noise_size: int) -> None:
        super().__init__()
        self.noise_size = noise_size
        known = size + 1  # the mean, and how many photos it is of
        self.encoder = _layers(size + known, width, 2 * noise_size)
        self.decoder = _layers(noise_size + known, width, size)
        self.register_buffer("spread", torch.ones(size))

    def forward(self, noise: Tensor, known: Tensor) -> Tensor:
        """(B, Z), (B, D + 1) -> (B, D) how a photo differs from the mean."""
        decoded: Tensor = self.decoder(torch.cat([noise, known], dim=1))
        return decoded

    def loss(self, differences: Tensor, known: Tensor, rng: torch.Generator) -> Tensor:
        """Nats a vector, of (B, D) differences; keeps the spread that explains these best."""
        mean, log_variance = self.encoder(torch.cat([differences, known], dim=1)).chunk(2, dim=1)
        noise = mean + torch.randn(mean.shape, generator=rng) * (0.5 * log_variance).exp()
        squares = (differences - self(noise, known)).square().mean(dim=0)  # (D,)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()
        with torch.no_grad():
            self.spread.lerp_(squares.sqrt(), 0.02)
        nats: Tensor = 0.5 * squares.clamp(min=1e-6).log().sum() + kl
        return nats


class FeatureGenerator:
    """Draws vectors that other photos of a person might have."""

    def __init__(self, network: FeatureNetwork) -> None:
        self.network = network.eval().requires_grad_(False)
        self.size = len(network.spread)

    @classmethod
    def learn(
        cls, vectors: Vectors, labels: Labels, settings: FeatureSettings | None = None
    ) -> FeatureGenerator:
        """Learn from (N, D) vectors of people, of whom those with two photos or more say something.

        Raises: DataError: fewer than two people have two photos.
        """
        how = settings or FeatureSettings()
        groups = [rows for rows in _grouped(labels) if len(rows) > 1]
        if len(groups) < 2:
            raise DataError(f"{len(groups)} people have two photos; two such people at least are needed.")
        size = vectors.shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(how.seed)
            network = FeatureNetwork(size, how.width, how.noise_size)
        optimizer = torch.optim.AdamW(network.parameters(), how.learning_rate)
        slower = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, how.steps)
        noise = torch.Generator().manual_seed(how.seed)
        for step in range(how.steps):
            differences, known = _examples(vectors, groups, how, step)
            value = network.loss(differences, known, noise)
            optimizer.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            slower.step()
        return cls(network)

    def draw(self, vectors: Vectors, count: int, seed: int = 0) -> Vectors:
        """New vectors of one person.

        Args:
            vectors: (M, D) of the person's photos, M >= 1.
        Returns: (count, D) unit vectors.
        Raises: DataError: vectors of another size, or none; ConfigError: count is negative.
        """
        if count < 0:
            raise ConfigError(f"count is {count}; give 0 or more.")
        if vectors.ndim != 2 or vectors.shape[1] != self.size or not len(vectors):
            raise DataError(f"vectors are {vectors.shape}; give (M, {self.size}), M >= 1.")
        rng = torch.Generator().manual_seed(seed)
        mean = unit(vectors.mean(axis=0, keepdims=True))
        known = _known(np.repeat(mean, count, axis=0), np.full(count, len(vectors)))
        with torch.inference_mode():
            decoded = self.network(torch.randn(count, self.network.noise_size, generator=rng), known)
            differences = decoded + torch.randn(count, self.size, generator=rng) * self.network.spread
        return unit(np.repeat(mean, count, axis=0) + differences.numpy() / math.sqrt(self.size))


def _layers(wide: int, width: int, narrow: int) -> nn.Sequential:
    """Begins with saying nothing: every difference is noise."""
    last = nn.Linear(width, narrow)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(
        nn.Linear(wide, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2), last
    )


def _grouped(labels: Labels) -> list[NDArray[np.int64]]:
    """Rows of each person."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


def _examples(
    vectors: Vectors, groups: list[NDArray[np.int64]], how: FeatureSettings, step: int
) -> tuple[Tensor, Tensor]:
    """A batch: of each of some people a photo, and a few others that it is to be told from."""
    rng = np.random.default_rng([how.seed, step])
    photos, means, counts = [], [], []
    for person in rng.integers(0, len(groups), how.batch_size):
        rows = groups[person]
        most = min(how.most_known, len(rows) - 1)
        drawn = rng.permutation(rows)[: 1 + rng.integers(1, most + 1)]
        photos.append(vectors[drawn[0]])
        means.append(vectors[drawn[1:]].mean(axis=0))
        counts.append(len(drawn) - 1)
    mean = unit(np.array(means, np.float32))
    differences = torch.from_numpy(np.array(photos, np.float32) - mean) * math.sqrt(mean.shape[1])
    return differences, _known(mean, np.array(counts))


def _known(means: Vectors, counts: NDArray[np.integer]) -> Tensor:
    """(B, D + 1): unit means and how many photos each is of."""
    told = torch.from_numpy(1.0 / counts.astype(np.float32))[:, None]
    scaled = torch.from_numpy(means.astype(np.float32)) * math.sqrt(means.shape[1])
    return F.pad(scaled, (0, 1)) + F.pad(told, (means.shape[1], 0))
