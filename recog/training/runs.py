"""A run directory: config.json, stats.jsonl, and a state from which the run goes on after an interruption."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from recog.checkpoints import FINAL, write_atomically
from recog.errors import CheckpointError, ConfigError

logger = logging.getLogger(__name__)
STATE = "state.safetensors"
T = TypeVar("T")
CONFIG = "config.json"  # its settings: what makes a folder a run


class RunDirectory:
    """The folder of one training run; resuming is opening it again."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @property
    def final(self) -> Path:
        """The finished weights."""
        return self.path / FINAL

    def write_config(
        self,
        config: Mapping[str, Any],
        usual: Mapping[str, Any] | None = None,
        free: Collection[str] = (),
    ) -> None:
        """Record what this run is.

        Args:
            usual: values of settings that a run of an older version may not have recorded.
            free: settings that may be others when the run goes on.
        Raises: ConfigError: the folder holds a run with other settings.
        """
        settled = json.loads(json.dumps(config))
        file = self.path / CONFIG
        if file.is_file():
            there = {**json.loads(json.dumps(usual or {})), **json.loads(file.read_text())}
            names = {*there, *settled} - {*free}
            changed = sorted(name for name in names if there.get(name) != settled.get(name))
            if changed:
                raise ConfigError(
                    f"{self.path} holds a run with other settings ({', '.join(changed)}). "
                    "Use the same settings to resume it, or another folder."
                )
        write_atomically(file, (json.dumps(settled, indent=2, sort_keys=True) + "\n").encode())

    def append_stats(self, row: Mapping[str, Any]) -> None:
        """Add one line to stats.jsonl."""
        with self._stats.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def stats(self) -> list[dict[str, Any]]:
        """The lines of stats.jsonl, but for one that was cut off."""
        lines = self._stats.read_text().splitlines() if self._stats.is_file() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    @property
    def _stats(self) -> Path:
        return self.path / "stats.jsonl"

    def save_state(self, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """Replace the saved state in one step (one file holds tensors and meta)."""
        content = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        write_atomically(self.path / STATE, save(content, metadata={"meta": json.dumps(meta)}))

    def load_state(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """What `save_state` wrote last, or None.

        Raises: CheckpointError: the file is damaged or foreign.
        """
        file = self.path / STATE
        if not file.is_file():
            return None
        try:
            with safe_open(str(file), framework="pt") as opened:
                meta: dict[str, Any] = json.loads((opened.metadata() or {})["meta"])
            return load_file(file), meta
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise CheckpointError(
                f"{file}: not a readable state of a run ({error}). Start again in another folder."
            ) from error

    def resume(
        self,
        modules: Mapping[str, nn.Module],
        optimizers: Mapping[str, torch.optim.Optimizer],
        *,
        rewind: bool = True,
    ) -> int:
        """Put back what was saved last, if anything, and return the step to go on with.

        Args:
            rewind: drop the statistics of steps that are done again; one process of several does.
        Raises: CheckpointError.
        """
        saved = self.load_state()
        step = 0
        if saved is not None:
            unpack(saved[0], modules, optimizers)
            step = int(saved[1]["step"])
            logger.info("going on with %s at step %d", self.path, step)
        if rewind:
            self._forget_stats_after(step)
        return step

    @property
    def state_digest(self) -> str:
        """Of the saved state: what another run that begins with it is known by.

        Raises: CheckpointError: there is none.
        """
        try:
            return hashlib.sha256((self.path / STATE).read_bytes()).hexdigest()[:24]
        except OSError as error:
            raise CheckpointError(f"{self.path}: holds no state of a run ({error}).") from error

    def give(self, modules: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Optimizer]) -> None:
        """Put the saved state into the networks of another run, which begins with it.

        A network that this run had none of, as a critic, stays as it is.

        Raises: CheckpointError: there is none, or it is of other networks.
        """
        saved = self.load_state()
        if saved is None:
            raise CheckpointError(f"{self.path}: holds no state of a run.")
        there = {key.partition("/")[0] for key in saved[0]}
        try:
            unpack(saved[0], _named(modules, there), _named(optimizers, there))
        except (RuntimeError, ValueError) as error:
            first = str(error).strip().splitlines()[-1].strip()
            raise CheckpointError(
                f"{self.path}: holds other networks than this run's ({first}). Begin with a run of the same "
                "kind, sizes, attributes and model."
            ) from error

    def _forget_stats_after(self, step: int) -> None:
        """Drop the lines of steps that the resumed run does again."""
        if self._stats.is_file():
            kept = [json.dumps(line) for line in self.stats() if line["step"] <= step]
            write_atomically(self._stats, "".join(f"{line}\n" for line in kept).encode())


def _named(parts: Mapping[str, T], names: set[str]) -> dict[str, T]:
    return {name: part for name, part in parts.items() if name in names}


def pack(
    modules: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Optimizer]
) -> dict[str, Tensor]:
    """States of modules and optimizers as one flat dictionary of tensors."""
    flat = {f"{name}/{key}": value for name, m in modules.items() for key, value in m.state_dict().items()}
    for name, optimizer in optimizers.items():
        for index, slots in optimizer.state_dict()["state"].items():
            for key, value in slots.items():
                flat[f"{name}/{index}/{key}"] = torch.as_tensor(value)
    return flat


def unpack(
    flat: Mapping[str, Tensor],
    modules: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
) -> None:
    """Put back what `pack` took."""
    for name, module in modules.items():
        module.load_state_dict(
            {k.partition("/")[2]: v for k, v in flat.items() if k.partition("/")[0] == name}
        )
    for name, optimizer in optimizers.items():
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in flat.items():
            if key.partition("/")[0] == name:
                _, index, slot = key.split("/")
                state.setdefault(int(index), {})[slot] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
