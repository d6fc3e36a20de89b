"""One process, or several under `accelerate launch` that train one network together.

Each process takes its part of every batch. Losses that compare crops with each other see the whole batch:
`gather` joins the parts, and gradients flow back through it to the process that made them.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from recog.errors import ConfigError

logger = logging.getLogger(__name__)
LONGEST_WAIT = timedelta(hours=12)


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
        """The processes that `accelerate launch` (or torchrun) started; a single one without it.

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
                    "Batch norms see %s of each batch in every process: results differ from one process's.",
                    f"a {self.count}th",
                )
        return self.accelerator.prepare_model(network)  # type: ignore[no-any-return]

    def gather(self, part: Tensor) -> Tensor:
        """(B, ...) of all processes from each one's part, in order; gradients flow to this one's part.

        Every process computes the same loss from the whole, so its gradient arrives once from each of them;
        averaging over the processes (`wrap`) makes that the gradient of the one loss.
        """
        if self.count == 1:
            return part
        from torch.distributed.nn.functional import all_gather

        if not part.requires_grad:
            return torch.cat(_plain_gather(part))
        return torch.cat(all_gather(part.contiguous()))  # type: ignore[no-untyped-call]

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
    """Whether this process speaks for all that were launched together."""
    return os.environ.get("RANK", "0") == "0"


def _several() -> bool:
    """Whether `accelerate launch` (or torchrun) started more than this process."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def _meet(device: torch.device) -> Any:
    """accelerate's state of the processes that were launched together.

    Whoever makes it first settles its device and its patience for all that follows, so nothing else makes it.
    """
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise ConfigError("Several processes need accelerate: pip install 'recog[distributed]'.") from error
    return PartialState(cpu=device.type == "cpu", timeout=LONGEST_WAIT)


def _plain_gather(part: Tensor) -> list[Tensor]:
    parts = [torch.empty_like(part) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, part.contiguous())
    return parts
