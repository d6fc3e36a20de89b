"""One process, or several that train one network together, started by `accelerate launch`, torchrun or MPI.

On processors it has to be `torchrun --nproc_per_node N` or `accelerate launch --multi_gpu --num_processes N`
(without a GPU, in spite of its name): `accelerate launch --cpu` starts one process only.

Each process takes its part of every batch. Losses that compare crops with each other see the whole batch:
`gather` joins the parts, and gradients flow back through it to the process that made them.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from recog.errors import ConfigError

logger = logging.getLogger(__name__)
LONGEST_WAIT = timedelta(hours=12)
# who says how many there are, and which one this is: torchrun, then those of MPI, as accelerate reads them
COUNTS = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")


@dataclass(frozen=True)
class Processes:
    """This process among those that train together."""

    index: int = 0
    count: int = 1
    accelerator: Any = field(default=None, repr=False, compare=False)

    @classmethod
    def alone(cls) -> Processes:
        """A single process."""
        return cls()

    @classmethod
    def launched(cls, device: torch.device) -> Processes:
        """The processes that were started together; a single one where nothing says so.

        Raises: ConfigError: several were started, and accelerate is not installed.
        """
        if not _several():
            return cls.alone()
        _meet(device)
        from accelerate import Accelerator

        # precision is the loop's own affair
        accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision="no")
        return cls(accelerator.process_index, accelerator.num_processes, accelerator)

    @property
    def is_main(self) -> bool:
        """Whether this process writes the run's files."""
        return self.index == 0

    def slice_of(self, total: int) -> slice:
        """This process's part of `total` things; `total` is a multiple of the number of processes."""
        part = total // self.count
        return slice(self.index * part, (self.index + 1) * part)

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network as it is trained: gradients are averaged over the processes."""
        if self.count == 1:
            return network
        if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules()):
            if self.accelerator.device.type == "cuda":
                network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
            else:
                logger.warning(
                    "Batch norms see 1/%d of each batch in every process: results differ from one process's.",
                    self.count,
                )
        return self.accelerator.prepare_model(network)  # type: ignore[no-any-return]

    def gather(self, part: Tensor) -> Tensor:
        """(B, ...) of all processes from each one's part, in order; gradients flow to this one's part."""
        if self.count == 1:
            return part
        whole: Tensor = _Joined.apply(part, self)
        return whole

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            self.accelerator.wait_for_everyone()


@contextlib.contextmanager
def main_first(device: torch.device) -> Iterator[None]:
    """The first process goes ahead, the others follow when it is done: for downloads and caches.

    Raises: ConfigError: several were started, and accelerate is not installed.
    """
    if not _several():
        yield
        return
    with _meet(device).main_process_first():
        yield


def is_main_process() -> bool:
    """Whether this process speaks for all that were started together."""
    return _said(RANKS, 0) == 0


def _several() -> bool:
    """Whether more than this process was started."""
    return _said(COUNTS, 1) > 1


def _said(names: Sequence[str], otherwise: int) -> int:
    """What the first of these environment variables says."""
    return next((int(os.environ[name]) for name in names if name in os.environ), otherwise)


def _meet(device: torch.device) -> Any:
    """accelerate's state of the processes that were launched together.

    Whoever makes it first settles its device and its patience for all that follows, so nothing else makes it.
    """
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise ConfigError("Several processes need accelerate: pip install 'recog[distributed]'.") from error
    return PartialState(cpu=device.type == "cpu", timeout=LONGEST_WAIT)


class _Joined(torch.autograd.Function):
    """The parts of all processes as one tensor.

    Every process computes the same loss from the whole, so each knows the gradient of its own part without
    asking; times their number, because averaging over the processes (`Processes.wrap`) divides by it.
    """

    @staticmethod
    def forward(ctx: Any, part: Tensor, processes: Processes) -> Tensor:
        ctx.processes = processes
        mine = part.contiguous()
        parts = [torch.empty_like(mine) for _ in range(processes.count)]
        dist.all_gather(parts, mine)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (whole,) = gradients
        return whole[ctx.processes.slice_of(len(whole))] * ctx.processes.count, None
