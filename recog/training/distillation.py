"""Distillation: a small network learns to answer as its teachers do, from any crops of faces."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from recog.device import resolve
from recog.embedding import Embedder
from recog.errors import ConfigError, DataError
from recog.models import Whitened
from recog.training import teachers
from recog.training.batches import Batches
from recog.training.config import DistillConfig
from recog.training.data import CropSet
from recog.training.embeddings import Model
from recog.training.loop import initial_network, run, start_digest
from recog.training.losses import DistillLoss
from recog.training.processes import Processes
from recog.training.whitening import whitening
from recog.vectors import centres, unit


def distill(
    config: DistillConfig,
    crops: CropSet,
    taught_by: Sequence[Model],
    *,
    run_dir: Path | str | None = None,
    device: str = "auto",
    start: Path | str | None = None,
) -> Embedder:
    """Teach a student the embeddings that its teachers give `crops`.

    The student sees damaged crops (`config.augmentation`), its teachers saw them whole: it can become better
    than they are on damaged faces. Crops without labels (-1) teach as well as others; labels count where
    `config.arcface_weight` is above 0.

    Args:
        crops: aligned, as large as the largest teacher's input.
        taught_by: see `teachers.targets` for how several are joined.
        run_dir: folder of the run; the same call resumes it. None: nothing is written.
        start: weights to go on from; they may be of another image size.
    Raises: DataError: no crops, or too few people for `config.whiten`; ConfigError: the teachers' embeddings
    are shorter than the student's, or the run directory holds other settings; TrainingDiverged.
    """
    if len(crops) < 2:
        raise DataError(f"{len(crops)} crops are too few to learn from.")
    if config.arcface_weight and not (crops.labels >= 0).any():
        raise ConfigError("arcface_weight needs labelled crops, and there are none: set it to 0.")
    place = resolve(device)
    processes = Processes.launched(place)
    if not processes.is_main:  # the first one asks the teachers, the others find what they said
        processes.wait()
    wanted = teachers.targets(crops, taught_by, size=config.embedding_size or None)
    if processes.is_main:
        processes.wait()
    config = replace(config, embedding_size=wanted.shape[1])
    known = crops.labels >= 0
    learned = whitening(wanted[known], crops.labels[known]) if config.whiten else None
    if learned is not None:
        wanted = unit((wanted - learned.centre) @ learned.matrix).astype(np.float32)
    batches = Batches(config, crops, targets=wanted, processes=processes)
    middle = centres(wanted, batches.codes, len(batches.identities))
    torch.manual_seed(config.seed)
    network = initial_network(config, start)
    if isinstance(network, Whitened) and learned is not None:
        network.learn(learned.centre, learned.matrix)
    loss = DistillLoss(config, torch.from_numpy(middle))
    sources = {
        "crops": len(crops),
        "data": crops.fingerprint,
        "pixels": hashlib.sha256(np.ascontiguousarray(crops.images).data).hexdigest()[:24],
        "teachers": [teacher.digest for teacher in taught_by],
        "start": start_digest(start),
    }
    return run(config, network, loss, batches, sources=sources, run_dir=run_dir, place=place)
