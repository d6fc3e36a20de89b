"""The training loop of the embedder."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path

import torch
from torch import nn

from recog import checkpoints
from recog.device import autocast, keep_freed_memory, resolve
from recog.embedding import KIND, Embedder
from recog.errors import CheckpointError, ConfigError, TrainingDiverged
from recog.models import create_network, fitted
from recog.progress import progress
from recog.training.batches import Batches
from recog.training.config import TrainConfig
from recog.training.data import CropSet
from recog.training.losses import MarginLoss
from recog.training.runs import RunDirectory, pack

logger = logging.getLogger(__name__)
LOG_STEPS = 50


def train(
    config: TrainConfig,
    crops: CropSet,
    *,
    run_dir: Path | str | None = None,
    synthetic: CropSet | None = None,
    device: str = "auto",
    start: Path | str | None = None,
) -> Embedder:
    """Train an embedder to tell the identities of `crops` (and `synthetic`) apart.

    Args:
        run_dir: folder of the run; the same call resumes it. None: nothing is written.
        synthetic: made-up crops, `config.synthetic_share` of each batch; identities of the same name are one.
        start: checkpoint to fine-tune instead of random weights; it may be of another image size.
    Raises: TrainingDiverged: the loss became NaN; ConfigError: the run directory
    holds other settings; DataError.
    """
    place = resolve(device)
    keep_freed_memory()
    run = RunDirectory(run_dir) if run_dir is not None else None
    batches = Batches(config, crops, synthetic)
    torch.manual_seed(config.seed)
    network = create_network(config.model_config())
    if start is not None:
        _initialise(network, start, config)
    loss = MarginLoss(config, len(batches.identities))
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    network.to(place, memory_format=layout)  # type: ignore[call-overload]
    loss.to(place)
    optimizer = _optimizer(config, network, loss)
    first = 0
    if run is not None:
        run.write_config({**config.to_json(), **_sources(crops, synthetic, start)})
        first = run.resume({"network": network, "loss": loss}, {"adamw": optimizer})
    save_steps = max(1, round(config.checkpoint_kimg * 1000 / config.batch_size))

    network.train()
    clock, seen = time.perf_counter(), 0
    loader = batches.loader(first)
    for step, (images, labels) in enumerate(progress(loader, total=len(loader), desc="train"), start=first):
        share = step / config.steps
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * schedule(share, config.warmup)
        loss.set_progress(share)

        inputs = (images.to(place).float() / 127.5 - 1).contiguous(
            memory_format=layout
        )  # (B, 3, S, S) in [-1, 1]
        with autocast(place, config.bf16):
            embeddings = network(inputs)
        value = loss(embeddings.float(), labels.to(place))
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()

        seen += len(labels)
        if step % LOG_STEPS == LOG_STEPS - 1 or step == config.steps - 1:
            number = value.item()
            if not math.isfinite(number):
                raise TrainingDiverged(
                    f"loss is {number} at step {step}: lower learning_rate ({config.learning_rate})."
                )
            if run is not None:
                rate = seen / (time.perf_counter() - clock)
                kimg = (step + 1) * config.batch_size / 1000
                run.append_stats(
                    {"step": step + 1, "kimg": kimg, "loss": number, "crops_per_s": round(rate, 1)}
                )
            clock, seen = time.perf_counter(), 0
        if run is not None and (step + 1) % save_steps == 0:
            run.save_state(pack({"network": network, "loss": loss}, {"adamw": optimizer}), {"step": step + 1})

    embedder = Embedder.of_network(network, config.model_config(), name="trained", device=place)
    if run is not None:
        embedder.save(run.final)
        run.save_state(pack({"network": network, "loss": loss}, {"adamw": optimizer}), {"step": config.steps})
    return embedder


def schedule(share: float, warmup: float) -> float:
    """Learning rate as a share of its peak: linear warm-up, then half a cosine to 0 (arXiv:1608.03983)."""
    if share < warmup:
        return (share + 1e-3) / (warmup + 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (share - warmup) / (1 - warmup)))


def _sources(crops: CropSet, synthetic: CropSet | None, start: Path | str | None) -> dict[str, object]:
    """What the run learns from: resuming it with other data would mix them."""
    return {
        "crops": len(crops),
        "data": crops.fingerprint,
        "synthetic": synthetic.fingerprint if synthetic is not None else None,
        "start": checkpoints.load(start, kind=KIND).digest if start is not None else None,
    }


def _optimizer(config: TrainConfig, network: nn.Module, loss: nn.Module) -> torch.optim.Optimizer:
    """AdamW that decays matrices only: decay on norms and biases does harm."""
    parameters = [*network.parameters(), *loss.parameters()]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def _initialise(network: nn.Module, start: Path | str, config: TrainConfig) -> None:
    checkpoint = checkpoints.load(start, kind=KIND)
    if checkpoint.config.get("backbone") != config.backbone:
        raise ConfigError(
            f"{start} holds backbone {checkpoint.config.get('backbone')!r}, "
            f"but the run asks for {config.backbone!r}."
        )
    try:
        network.load_state_dict(fitted(checkpoint.tensors, network))
    except RuntimeError as error:
        raise CheckpointError(
            f"{start} does not fit a network with head {config.head!r} and {config.embedding_size} numbers a "
            f"face: {str(error).splitlines()[-1].strip()} Start from weights of the same settings."
        ) from error
