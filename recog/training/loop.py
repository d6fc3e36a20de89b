"""The training loop of the embedder: one for every loss."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from timm.optim.muon import Muon
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from recog import checkpoints
from recog.device import autocast, keep_freed_memory, resolve
from recog.embedding import KIND, Embedder
from recog.errors import CheckpointError, ConfigError, DataError, TrainingDiverged
from recog.models import bare, create_network, fitted
from recog.pixels import scaled
from recog.progress import progress
from recog.training.batches import Batches
from recog.training.config import HOW, RunConfig, TrainConfig
from recog.training.data import CropSet
from recog.training.losses import Loss, MarginLoss
from recog.training.processes import Processes
from recog.training.runs import RunDirectory, pack

logger = logging.getLogger(__name__)
LOG_STEPS = 50
# px. Smaller images reach a strided convolution as maps of one pixel, and there oneDNN's weight gradients in
# bfloat16 differed from one call to the next (3.13.3, AVX512-BF16: 154 of 392 shapes; none in float32, none
# of 5,734 shapes over larger maps)
SMALLEST_IN_BF16 = 32


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
    holds other settings; DataError: fewer than two identities.
    """
    if any((some.labels < 0).any() for some in (crops, synthetic) if some is not None):
        raise DataError("Training needs to know who is on every crop; crops without labels are for distill.")
    place = resolve(device)
    processes = Processes.launched(place)
    share = config.synthetic_share
    batches = Batches(config, crops, synthetic, synthetic_share=share, processes=processes)
    if len(batches.identities) < 2:
        raise DataError("Training needs crops of at least two identities.")
    torch.manual_seed(config.seed)
    network = initial_network(config, start)
    loss = MarginLoss(config, len(batches.identities))
    sources = {
        "crops": len(crops),
        "data": crops.fingerprint,
        "synthetic": synthetic.fingerprint if synthetic is not None else None,
        "start": start_digest(start),
    }
    return run(config, network, loss, batches, sources=sources, run_dir=run_dir, place=place)


def run(
    config: RunConfig,
    network: nn.Module,
    loss: Loss,
    batches: Batches,
    *,
    sources: Mapping[str, Any],
    run_dir: Path | str | None,
    place: torch.device,
) -> Embedder:
    """Minimise `loss` over `batches`; under several processes each computes its part of every batch.

    Args:
        sources: what else decides the result; a run is resumed only with the same settings and sources.
    Returns: the finished embedder, of the averaged weights where there are some.
    Raises: TrainingDiverged; ConfigError: the run directory holds other settings.
    """
    keep_freed_memory()
    processes = batches.processes
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    network.to(place, memory_format=layout)  # type: ignore[call-overload]
    loss.to(place)
    optimizer = optimizer_of(config, network, loss)
    average = _averaged(config, network)
    modules = {"network": network, "loss": loss, **({"average": average} if average is not None else {})}
    record = RunDirectory(run_dir) if run_dir is not None else None
    first = 0
    if record is not None:
        if processes.is_main:
            record.write_config({**config.to_json(), **sources}, type(config)().to_json(), HOW)
        first = record.resume(modules, {"optimizer": optimizer}, rewind=processes.is_main)
    writer = record if processes.is_main else None
    save_steps = max(1, round(config.checkpoint_kimg * 1000 / config.batch_size))
    trained = processes.wrap(network)
    bf16 = config.bf16 and config.image_size >= SMALLEST_IN_BF16

    network.train()
    clock, seen = time.perf_counter(), 0
    loader = batches.loader(first, place)
    for step, batch in enumerate(progress(loader, total=len(loader), desc="train"), start=first):
        share = step / config.steps
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * schedule(share, config.warmup)
        loss.set_progress(share)

        inputs = _prepared(batch.images, place, layout)  # (B, 3, S, S) in [-1, 1]
        with autocast(place, bf16):
            embeddings = trained(inputs)
        whole = [processes.gather(part) for part in (embeddings.float(), *_moved(batch[1:], place))]
        value = loss(*whole)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        if average is not None:
            average.update_parameters(network)

        seen += config.batch_size
        logs = step % LOG_STEPS == LOG_STEPS - 1 or step == config.steps - 1
        saves = (step + 1) % save_steps == 0
        if (logs or saves) and not math.isfinite(value.item()):
            raise TrainingDiverged(
                f"loss is {value.item()} at step {step}: lower learning_rate ({config.learning_rate})."
            )
        if logs:
            row = {"loss": value.item(), **{name: part.item() for name, part in loss.parts.items()}}
            if writer is not None:
                rate = round(seen / (time.perf_counter() - clock), 1)
                kimg = (step + 1) * config.batch_size / 1000
                writer.append_stats({"step": step + 1, "kimg": kimg, **row, "crops_per_s": rate})
            clock, seen = time.perf_counter(), 0
        if writer is not None and saves:
            writer.save_state(pack(modules, {"optimizer": optimizer}), {"step": step + 1})

    final = network if average is None else average.module
    described = {**config.model_config(), "crop_size": batches.crop_size}
    embedder = Embedder.of_network(final, described, name="trained", device=place)
    if writer is not None:
        embedder.save(writer.final)
        if first < config.steps:
            writer.save_state(pack(modules, {"optimizer": optimizer}), {"step": config.steps})
    processes.wait()
    return embedder


def schedule(share: float, warmup: float) -> float:
    """Learning rate as a share of its peak: linear warm-up, then half a cosine to 0 (arXiv:1608.03983)."""
    if share < warmup:
        return (share + 1e-3) / (warmup + 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (share - warmup) / (1 - warmup)))


def start_digest(start: Path | str | None) -> str | None:
    """Which weights a run starts from."""
    return checkpoints.load(start, kind=KIND).digest if start is not None else None


def initial_network(config: RunConfig, start: Path | str | None) -> nn.Module:
    """The student before the first step: random, or `start`'s weights.

    Raises: ConfigError: `start` is of another backbone; CheckpointError: of other settings.
    """
    network = create_network(config.model_config())
    if start is None:
        return network
    checkpoint = checkpoints.load(start, kind=KIND)
    if checkpoint.config.get("backbone") != config.backbone:
        raise ConfigError(
            f"{start} holds backbone {checkpoint.config.get('backbone')!r}, "
            f"but the run asks for {config.backbone!r}."
        )
    inner = bare(network)
    try:
        inner.load_state_dict(fitted(checkpoint.tensors, inner))
    except RuntimeError as error:
        raise CheckpointError(
            f"{start} does not fit a network with head {config.head!r} and {config.embedding_size} numbers a "
            f"face: {str(error).splitlines()[-1].strip()} Start from weights of the same settings."
        ) from error
    return network


def _prepared(images: Tensor, place: torch.device, layout: torch.memory_format) -> Tensor:
    return scaled(images.to(place)).contiguous(memory_format=layout)


def _moved(parts: tuple[Tensor, ...], place: torch.device) -> list[Tensor]:
    return [part.to(place) for part in parts]


def _averaged(config: RunConfig, network: nn.Module) -> AveragedModel | None:
    """Exponential moving average of the weights, norms' statistics included."""
    if not config.ema_halflife_kimg:
        return None
    decay = 0.5 ** (config.batch_size / (config.ema_halflife_kimg * 1000))
    average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)


def optimizer_of(config: RunConfig, network: nn.Module, loss: nn.Module) -> torch.optim.Optimizer:
    """The optimizer decays matrices only: decay on norms and biases does harm."""
    parameters = [p for p in (*network.parameters(), *loss.parameters()) if p.requires_grad]
    matrices = [p for p in parameters if p.ndim > 1]
    vectors: dict[str, Any] = {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0}
    if config.optimizer == "adamw":
        groups = [{"params": matrices, "weight_decay": config.weight_decay}, vectors]
        return torch.optim.AdamW(groups, lr=config.learning_rate)
    # class centres are rows that are learned each on its own, no map to be made orthogonal
    rows = {id(p) for p in loss.parameters()}
    maps = [p for p in matrices if id(p) not in rows]
    centres = [p for p in matrices if id(p) in rows]
    groups = [
        {"params": maps, "weight_decay": config.weight_decay},
        vectors | {"use_fallback": True},
        {"params": centres, "weight_decay": config.weight_decay, "use_fallback": True},
    ]
    return Muon(groups, lr=config.learning_rate, nesterov=True)
