"""Which crops make up which step: a pure function of configuration, seed and step number.

Nothing else is needed to resume a run exactly or to pair two runs step by step.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from recog.errors import DataError
from recog.training import augment
from recog.training.config import TrainConfig
from recog.training.data import CropSet


class Batches(Dataset[tuple[Tensor, Tensor]]):
    """Item `step` is (images (B, 3, S, S) uint8, labels (B,) int64); labels index `identities`."""

    def __init__(self, config: TrainConfig, real: CropSet, synthetic: CropSet | None = None) -> None:
        self.config = config
        self.shares = _shares(config, real, synthetic)
        self.identities = tuple(sorted({name for crops, _ in self.shares for name in crops.identities}))
        code = {name: index for index, name in enumerate(self.identities)}
        self._codes = [np.array([code[name] for name in crops.identities]) for crops, _ in self.shares]
        self._augment = augment.build(config.augmentation, config.image_size)
        if len(self.identities) < 2:
            raise DataError("Training needs crops of at least two identities.")

    def __len__(self) -> int:
        return self.config.steps

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        images: list[Tensor] = []
        labels: list[NDArray[np.int64]] = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed * 1_000_003 + step)
            for part, (crops, count) in enumerate(self.shares):
                chosen = self._choose(crops, count, step, seed=self.config.seed * 2 + part)
                images += self._augmented(crops.images[chosen])
                labels.append(self._codes[part][crops.labels[chosen]])
        return torch.cat(images), torch.from_numpy(np.concatenate(labels))

    def _choose(self, crops: CropSet, count: int, step: int, *, seed: int) -> NDArray[np.int64]:
        if self.config.photos_per_identity == 1:
            return epoch_order(len(crops), count, step, seed=seed)
        return people_order(crops.labels, count, self.config.photos_per_identity, step, seed=seed)

    def _augmented(self, images: NDArray[np.uint8]) -> list[Tensor]:
        """Draw anew for every few crops: a draw a crop costs as much as the network's own step."""
        tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
        order = torch.randperm(
            len(tensor)
        )  # photos of one person stand side by side: give them different draws
        made = torch.cat(
            [self._augment(group) for group in torch.split(tensor[order], self.config.crops_per_draw)]
        )
        return [made[order.argsort()]]

    def loader(self, first: int) -> DataLoader[tuple[Tensor, Tensor]]:
        """Batches from step `first` to the end, prepared ahead by `config.workers` processes."""
        steps = range(first, len(self))
        return DataLoader(self, sampler=steps, batch_size=None, num_workers=self.config.workers)


def epoch_order(total: int, count: int, step: int, *, seed: int) -> NDArray[np.int64]:
    """Indices of step `step` when `count` a step are taken from one shuffle of `total` after another."""
    positions = np.arange(step * count, (step + 1) * count)
    epochs = {
        int(e): np.random.default_rng([seed, int(e)]).permutation(total)
        for e in np.unique(positions // total)
    }
    return np.array([epochs[p // total][p % total] for p in positions.tolist()], np.int64)


def people_order(
    labels: NDArray[np.int64], count: int, photos: int, step: int, *, seed: int
) -> NDArray[np.int64]:
    """Indices of step `step`: `photos` crops each of so many people that they make `count`.

    People come in one shuffle after another; who has too few photos gives some of them twice.
    """
    people = -(-count // photos)
    rng = np.random.default_rng([seed, step, 1])
    sizes = np.unique(labels, return_counts=True)[1]
    by_label = np.argsort(labels, kind="stable")
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    chosen = []
    for person in epoch_order(len(sizes), people, step, seed=seed):
        size = int(sizes[person])
        drawn = rng.choice(size, photos, replace=size < photos)
        chosen.append(by_label[first[person] + drawn])
    return np.concatenate(chosen)[:count].astype(np.int64)


def _shares(config: TrainConfig, real: CropSet, synthetic: CropSet | None) -> list[tuple[CropSet, int]]:
    """Each source of crops with its number of crops in a batch."""
    made = round(config.synthetic_share * config.batch_size)
    if made and (synthetic is None or not len(synthetic)):
        raise DataError(f"synthetic_share is {config.synthetic_share}, but there are no synthetic crops.")
    pairs = [(real, config.batch_size - made), *([(synthetic, made)] if synthetic is not None else [])]
    return [(crops, count) for crops, count in pairs if count]
