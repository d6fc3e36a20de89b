"""One linear loop that trains every network here; what is minimised is the objective's business."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from generative.averaging import ramped_average, settled, step_rng
from generative.board import Board
from generative.data import Batch, FaceData
from generative.grids import save_grid
from generative.recorder import Recorder
from recog import checkpoints
from recog.device import autocast, keep_freed_memory, resolve
from recog.errors import TrainingDiverged
from recog.settings import Checks, above_zero, at_least, check, shares
from recog.training.runs import RunDirectory, pack

EARLY = 0.1  # share of a run in which trouble is usual
PATIENCE = 3  # lines of statistics that show trouble, before a run is stopped


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Length and pace of a run; units are in the names. The objective has settings of its own.

    Raises: ConfigError: a value is outside its range.
    """

    image_size: int = 64  # px
    batch_size: int = 64  # faces a step
    total_kimg: float = 300.0  # length of the run, thousands of faces seen
    learning_rate: float = 2e-4  # Adam; falls along a cosine ...
    final_learning_rate: float = 5e-5  # ... to this
    beta1: float = 0.0
    beta2: float = 0.99
    gradient_clip: float | None = None  # norm; None: as they are
    ema_halflife_kimg: float = 20.0  # of the averaged weights that the run ends with; 0: the plain weights
    ema_rampup: float = 0.1  # the half-life is at most this share of the faces seen so far
    snapshot_kimg: float = 50.0  # between saved states and sample grids
    log_kimg: float = 5.0
    balanced_share: float = 0.0  # of a batch: drawn by attribute or age first, so that rare ones are learned
    seed: int = 0
    bf16: bool = True  # where the device has it natively
    channels_last: bool = True  # the layout that convolutions are quickest in

    def __post_init__(self) -> None:
        check(self, self._checks)

    def _checks(self) -> Checks:
        """Whether each setting is in its range, and what that is."""
        clip = self.gradient_clip
        return {
            "image_size": (self.image_size >= 8, "8 px or more"),
            **at_least(2, self, "batch_size"),
            **at_least(0, self, "ema_rampup", "ema_halflife_kimg"),
            **above_zero(self, "total_kimg", "learning_rate", "snapshot_kimg", "log_kimg"),
            **shares(self, "balanced_share"),
            "final_learning_rate": (
                0 <= self.final_learning_rate <= self.learning_rate,
                f"0 to learning_rate ({self.learning_rate})",
            ),
            "beta1": (0 <= self.beta1 < 1, "0 or more, less than 1"),
            "beta2": (0 <= self.beta2 < 1, "0 or more, less than 1"),
            "gradient_clip": (clip is None or 0 < clip < math.inf, "more than 0, or None"),
        }

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return max(1, round(self.total_kimg * 1000 / self.batch_size))

    def every(self, kimg: float) -> int:
        """Steps that `kimg` thousand faces take."""
        return max(1, round(kimg * 1000 / self.batch_size))


@dataclass(frozen=True, slots=True)
class Moment:
    """Where in the run a step is, and its source of randomness."""

    step: int
    progress: float  # 0..1
    rng: torch.Generator  # seeded by the step alone: a resumed run repeats the uninterrupted one


@dataclass(frozen=True)
class Phase:
    """One update of a step: whose weights move, and against which loss."""

    name: str
    module: nn.Module
    loss: Callable[[Batch, Moment], tuple[Tensor, Mapping[str, Tensor]]]


class Objective(Protocol):
    """What the loop calls without knowing which it is."""

    kind: str  # of the checkpoint

    @property
    def network(self) -> nn.Module:
        """What is averaged and shipped."""

    @property
    def phases(self) -> Sequence[Phase]:
        """The updates of each step, in order."""

    def run_config(self) -> dict[str, Any]:
        """What makes this run what it is, JSON-able."""

    def model_config(self) -> dict[str, Any]:
        """Enough to build `network` again, JSON-able."""

    def extra_tensors(self, network: nn.Module, data: FaceData) -> dict[str, Tensor]:
        """What ships beside the weights of the finished network."""

    def rehearse(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> None:
        """Run `network` on a batch as it is used: batch normalisation sees what it has to reckon with."""

    def samples(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> tuple[Tensor, int]:
        """Pictures (N, 3, S, S) in [-1, 1] that show the state of training, and how many make a row."""

    def trouble(self, means: Mapping[str, float]) -> str | None:
        """Why the run has gone wrong, if it has, by the means of its statistics, and what to try."""


def train(
    config: GeneratorConfig,
    data: FaceData,
    objective: Objective,
    run_dir: Path,
    device: str = "auto",
    *,
    begin_from: Path | None = None,
    tensorboard: bool = False,
) -> Path:
    """Train, or go on with the run in `run_dir`, and return the finished weights (the running average).

    The folder gets config.json, stats.jsonl, grid-<kimg>.png, state.safetensors and final.safetensors.

    Args:
        begin_from: folder of another run whose networks a new run begins with, as that run left them.
        tensorboard: also log losses and previews for TensorBoard, in the folder's `tensorboard`.
    Raises: TrainingDiverged: a loss or gradient is not finite, or the objective sees that the run has gone
    wrong; ConfigError: the folder holds another run, or TensorBoard is not installed; CheckpointError:
    `begin_from` holds no run, or one of other networks.
    """
    place = resolve(device)
    keep_freed_memory()
    run = RunDirectory(run_dir)
    before = None if begin_from is None else RunDirectory(begin_from)
    run.write_config(
        {
            **asdict(config),
            "kind": objective.kind,
            "objective": objective.run_config(),
            "data": data.fingerprint,
            **({} if before is None else {"begun_from": before.state_digest}),
        },
        usual={"channels_last": True},
    )
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    modules = {phase.name: phase.module.to(place).to(memory_format=layout) for phase in objective.phases}
    optimizers = {f"adam_{phase.name}": _optimizer(config, phase.module) for phase in objective.phases}
    average = AveragedModel(objective.network, multi_avg_fn=ramped_average(config))
    start = run.resume({**modules, "average": average}, optimizers)
    if before is not None and start == 0:
        before.give({**modules, "average": average}, optimizers)
    recorder = Recorder(config, run, start)
    board = Board(run_dir / "tensorboard") if tensorboard else None
    finished: nn.Module | None = None
    bad = 0  # lines of statistics in a row that show trouble

    for step in range(start, config.steps):
        moment = Moment(step, step / config.steps, step_rng(config, step))
        batch = data.batch(config.batch_size, moment.rng, place, config.balanced_share, layout)
        for phase, optimizer in zip(objective.phases, optimizers.values(), strict=True):
            with autocast(place, config.bf16):
                loss, stats = phase.loss(batch, moment)
            _update(config, objective.kind, phase, optimizer, loss, moment)
            recorder.add({phase.name: loss, **stats})
        average.update_parameters(objective.network)
        means = recorder.tick(step + 1)
        if means is not None and board is not None:
            board.numbers(means, step + 1)
        if means is not None and step >= EARLY * config.steps:
            why = objective.trouble(means)
            bad = bad + 1 if why else 0
            if bad >= PATIENCE:
                raise TrainingDiverged(f"{objective.kind} training stopped at step {step + 1}: {why}.")
        if (step + 1) % config.every(config.snapshot_kimg) == 0 or step + 1 == config.steps:
            run.save_state(pack({**modules, "average": average}, optimizers), {"step": step + 1})
            finished = settled(config, data, objective, average.module, place)
            grid = _save_samples(config, data, objective, finished, run_dir, step + 1, place)
            if board is not None:
                board.picture(grid, step + 1)

    if finished is None:  # the run was whole already
        finished = settled(config, data, objective, average.module, place)
    weights = {f"network.{name}": value for name, value in finished.state_dict().items()}
    tensors = {**weights, **objective.extra_tensors(finished, data)}
    checkpoints.save(
        run.final, kind=objective.kind, config=objective.model_config(), tensors=tensors, dtype=torch.float16
    )
    return run.final


def _update(
    config: GeneratorConfig,
    kind: str,
    phase: Phase,
    optimizer: torch.optim.Optimizer,
    loss: Tensor,
    moment: Moment,
) -> None:
    if not torch.isfinite(loss):
        raise _diverged(kind, phase, moment, "loss")
    fall = 0.5 + 0.5 * math.cos(math.pi * moment.progress)  # 1 to 0
    spread = config.learning_rate - config.final_learning_rate
    for group in optimizer.param_groups:
        group["lr"] = config.final_learning_rate + spread * fall
    optimizer.zero_grad()
    weights = list(phase.module.parameters())
    torch.autograd.backward(
        loss, inputs=weights
    )  # other networks in the graph keep their gradients to themselves
    if not torch.isfinite(nn.utils.clip_grad_norm_(weights, config.gradient_clip or math.inf)):
        raise _diverged(kind, phase, moment, "gradient")
    optimizer.step()


def _diverged(kind: str, phase: Phase, moment: Moment, what: str) -> TrainingDiverged:
    return TrainingDiverged(
        f"{kind} training stopped at step {moment.step}: the {what} of phase {phase.name!r} is not finite. "
        "The run directory still holds the last good state; start another run with a lower learning rate."
    )


def _optimizer(config: GeneratorConfig, module: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(module.parameters(), config.learning_rate, (config.beta1, config.beta2), eps=1e-8)


def _save_samples(
    config: GeneratorConfig,
    data: FaceData,
    objective: Objective,
    network: nn.Module,
    run_dir: Path,
    step: int,
    place: torch.device,
) -> Path:
    rng = step_rng(config, -1)  # the same faces and noise each time, so that grids can be compared
    batch = data.batch(min(config.batch_size, 32), rng, place)
    network.eval()
    with torch.no_grad(), autocast(place, config.bf16):
        images, columns = objective.samples(network, batch, rng)
    grid = run_dir / f"grid-{round(step * config.batch_size / 1000):05d}.png"
    save_grid(grid, images, columns)
    return grid
