"""Which crops make up which step: a pure function of configuration, seed and step number.

Nothing else is needed to resume a run exactly, to pair two runs step by step, or to divide a step among
processes.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from recog.errors import ConfigError, DataError
from recog.training import augment
from recog.training.config import RunConfig
from recog.training.data import CropSet
from recog.training.processes import Processes

MOST_WORKERS = 4  # prepare some 4,000 crops a second


class Batch(NamedTuple):
    """What one step learns from."""

    images: Tensor  # (B, 3, S, S) uint8 RGB
    labels: Tensor  # (B,) int64, index into `Batches.identities`; -1: nobody knows
    targets: Tensor  # (B, D) float32 unit vectors; (B, 0) without a teacher


class Batches(Dataset[Batch]):
    """Item `step` is this process's part of step `step`."""

    def __init__(
        self,
        config: RunConfig,
        real: CropSet,
        synthetic: CropSet | None = None,
        *,
        synthetic_share: float = 0.0,
        targets: NDArray[np.float32] | None = None,
        processes: Processes | None = None,
    ) -> None:
        """
        Args:
            synthetic_share: of each batch, 0..1.
            targets: (N, D), a row for each crop of `real`; then there is no `synthetic`.
        Raises: DataError: no synthetic crops though some are asked for; ConfigError: the batch cannot be
        divided among the processes.
        """
        self.config = config
        self.crop_size = real.images.shape[1]  # px
        self._real = real
        self.shares = _shares(config.batch_size, real, synthetic, synthetic_share)
        self.identities = tuple(sorted({name for crops, _ in self.shares for name in crops.identities}))
        self.processes = processes or Processes.alone()
        self._codes = [_codes(crops, self.identities) for crops, _ in self.shares]
        self._targets = targets
        self._augment = augment.build(config.augmentation, config.image_size)
        if config.photos_per_identity > 1 and any((crops.labels < 0).any() for crops, _ in self.shares):
            raise ConfigError("photos_per_identity above 1 needs a label on every crop: set it to 1.")
        piece = config.crops_per_draw * self.processes.count
        if self.processes.count > 1 and config.batch_size % piece:
            raise ConfigError(
                f"batch_size is {config.batch_size}; {self.processes.count} processes need a multiple of "
                f"{piece} (processes x crops_per_draw)."
            )

    @property
    def codes(self) -> NDArray[np.int64]:
        """(N,) index into `identities` of each real crop; -1: nobody knows."""
        return _codes(self._real, self.identities)

    def __len__(self) -> int:
        return self.config.steps

    def __getitem__(self, step: int) -> Batch:
        crops, labels, targets = self._chosen(step)
        # photos of one person stand side by side: the order gives them different draws
        order = np.random.default_rng([self.config.seed, step, 2]).permutation(len(crops))
        mine = order[self.processes.slice_of(len(order))]
        return Batch(
            self._augmented([crops[i] for i in mine], step),
            torch.from_numpy(labels[mine]),
            torch.from_numpy(targets[mine]),
        )

    def _chosen(self, step: int) -> tuple[list[NDArray[np.uint8]], NDArray[np.int64], NDArray[np.float32]]:
        """Crops, labels and targets of the whole step."""
        crops: list[NDArray[np.uint8]] = []
        labels: list[NDArray[np.int64]] = []
        targets = np.zeros((self.config.batch_size, 0), np.float32)
        for part, (source, count) in enumerate(self.shares):
            chosen = self._choose(source, count, step, seed=self.config.seed * 2 + part)
            crops += [source.images[i] for i in chosen]
            labels.append(self._codes[part][chosen])
            if self._targets is not None:
                targets = self._targets[chosen]
        return crops, np.concatenate(labels), targets

    def _choose(self, crops: CropSet, count: int, step: int, *, seed: int) -> NDArray[np.int64]:
        if self.config.photos_per_identity == 1:
            return epoch_order(len(crops), count, step, seed=seed)
        return people_order(crops.labels, count, self.config.photos_per_identity, step, seed=seed)

    def _augmented(self, crops: list[NDArray[np.uint8]], step: int) -> Tensor:
        """Draw anew for every few crops: a draw a crop costs as much as the network's own step."""
        tensor = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
        groups = torch.split(tensor, self.config.crops_per_draw)
        first = self.processes.index * len(groups)  # of this process among all groups of the step
        made = []
        with torch.random.fork_rng(devices=[]):
            for number, group in enumerate(groups, start=first):
                torch.manual_seed((self.config.seed * 1_000_003 + step) * 4_099 + number)
                made.append(self._augment(group))
        return torch.cat(made)

    def loader(self, first: int, place: torch.device) -> DataLoader[Batch]:
        """Batches from step `first` to the end, prepared ahead for a network at `place`."""
        steps = range(first, len(self))
        wanted = self.config.workers
        workers = usual_workers(place, self.processes.count) if wanted is None else wanted
        return DataLoader(self, sampler=steps, batch_size=None, num_workers=workers)


def usual_workers(place: torch.device, processes: int) -> int:
    """Workers of each training process: one a processor that training leaves free, at most `MOST_WORKERS`.

    None where torch's threads take all: they would only be in their way (measured on two cores: 185 crops a
    second with one worker, 237 without).
    """
    busy = torch.get_num_threads() if place.type == "cpu" else 1  # else it waits for the device, mostly
    return max(0, min(MOST_WORKERS, (os.cpu_count() or 1) // processes - busy))


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


def _codes(crops: CropSet, identities: tuple[str, ...]) -> NDArray[np.int64]:
    """(N,) labels of the crops in terms of `identities`; -1 stays -1."""
    code = {name: index for index, name in enumerate(identities)}
    known = np.array([*(code[name] for name in crops.identities), -1], np.int64)
    return known[crops.labels]  # label -1 takes the last


def _shares(
    batch_size: int, real: CropSet, synthetic: CropSet | None, synthetic_share: float
) -> list[tuple[CropSet, int]]:
    """Each source of crops with its number of crops in a batch."""
    made = round(synthetic_share * batch_size)
    if made and (synthetic is None or not len(synthetic)):
        raise DataError(f"synthetic_share is {synthetic_share}, but there are no synthetic crops.")
    pairs = [(real, batch_size - made), *([(synthetic, made)] if synthetic is not None else [])]
    return [(crops, count) for crops, count in pairs if count]
