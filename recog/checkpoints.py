"""Weights files: safetensors with a JSON configuration in the header, identified by a digest.

One file holds everything that decides a model's output (weights, architecture, preprocessing), so that a
gallery or a generator can name the exact model it belongs to.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from recog.errors import CheckpointError, ModelNotFound, WriteFailed

FORMAT = 1
FINAL = "final.safetensors"  # the finished weights of a run directory
# The description of a model does not change what it computes: it stays out of the digest.
DESCRIPTIVE = frozenset(
    {"card", "name", "thresholds", "intervals", "odds", "comparisons", "mirror", "training"}
)


@dataclass(frozen=True)
class Checkpoint:
    """A weights file in memory."""

    kind: str  # "embedder", "gan", "vae", "repairer"
    config: dict[str, Any]
    tensors: dict[str, Tensor]  # floating tensors as float32, on the CPU
    digest: str  # hex SHA-256 of tensors, kind and configuration

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with `prefix` and a point, named without them."""
        return part(self.tensors, prefix)


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those of `tensors` whose names begin with `prefix` and a point, named without them."""
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}


def digest_of(kind: str, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """Hex SHA-256 over names, shapes and values of the tensors (as float32) and the configuration."""
    settled = {key: value for key, value in config.items() if key not in DESCRIPTIVE}
    sha = hashlib.sha256(json.dumps([FORMAT, kind, settled], sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = _as_loaded(tensors[name])
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        sha.update(tensor.numpy().tobytes())
    return sha.hexdigest()


def save(
    path: Path | str,
    *,
    kind: str,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    dtype: torch.dtype | None = None,
) -> str:
    """Write a checkpoint in one step (a reader never sees half of it) and return its digest.

    Args:
        kind: what loads it; `load` refuses another kind.
        config: JSON-able; enough to build the model again.
        dtype: storage type of floating tensors (torch.float16 halves the file); default: as they are.
    Raises: WriteFailed: the file cannot be written.
    """
    stored = {name: _stored(tensor, dtype) for name, tensor in tensors.items()}
    metadata = {"format": str(FORMAT), "kind": kind, "config": json.dumps(config, sort_keys=True)}
    write_atomically(path, to_bytes(stored, metadata=metadata))
    return digest_of(kind, config, stored)


def find(name: Path | str, bundled: Mapping[str, Path], what: str, *, others: Iterable[str] = ()) -> Path:
    """The weights file that a name stands for: one of this package, any file, or that of a run directory.

    Args:
        bundled: files of this package by name.
        what: what is looked for, for the message.
        others: names that stand for something else, for the message.
    Raises: ModelNotFound: there is no such file.
    """
    path = bundled.get(str(name), Path(name))
    path = path / FINAL if path.is_dir() else path
    if not path.is_file():
        known = ", ".join(dict.fromkeys((*bundled, *others)))
        raise ModelNotFound(
            f"{str(name)!r}: no {what} here. Give {known}, a .safetensors file, or a run directory."
        )
    return path


def load(path: Path | str, *, kind: str | tuple[str, ...]) -> Checkpoint:
    """Read a checkpoint that `save` wrote.

    Args:
        kind: what it must hold; of several kinds one.
    Raises: ModelNotFound: there is no such file; CheckpointError: damaged, foreign, or of another kind.
    """
    if not Path(path).is_file():
        raise ModelNotFound(f"{path}: no weights file here. Check the path, or train it first.")
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: _as_loaded(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path}: not a readable safetensors file ({error}). Fetch or train it again."
        ) from error
    found, config = _described(path, metadata, (kind,) if isinstance(kind, str) else kind)
    return Checkpoint(found, config, tensors, digest_of(found, config, tensors))


def write_atomically(path: Path | str, content: bytes) -> None:
    """Replace `path` by `content` in one step.

    Raises: WriteFailed: no space, no permission, ...
    """
    target = Path(path)
    scratch = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with scratch.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise WriteFailed(
            f"{path}: cannot be written ({error.strerror}). Free some space or choose another place."
        ) from error


def _described(
    path: Path | str, metadata: Mapping[str, str], kinds: tuple[str, ...]
) -> tuple[str, dict[str, Any]]:
    """Kind and configuration as the header says them."""
    if metadata.get("format") != str(FORMAT) or "config" not in metadata:
        raise CheckpointError(
            f"{path}: safetensors, but not a checkpoint of this toolkit (format {metadata.get('format')!r}, "
            f"expected {FORMAT}). Use a file written by `recog train` or `recog generate train`."
        )
    kind = metadata.get("kind", "")
    if kind not in kinds:
        needed = " or ".join(map(repr, kinds))
        raise CheckpointError(f"{path}: holds a {kind!r} model, but a {needed} is needed here.")
    config: dict[str, Any] = json.loads(metadata["config"])
    return kind, config


def _stored(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    tensor = tensor.detach().cpu()
    return tensor.to(dtype if dtype and tensor.is_floating_point() else tensor.dtype).contiguous()


def _as_loaded(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu()
    return tensor.float().contiguous() if tensor.is_floating_point() else tensor.contiguous()
