"""Which device computes, and in which precision."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import threading
from typing import Any

import torch

from recog.errors import ConfigError, DeviceUnavailable

CHOICES = ("auto", "cpu", "cuda", "mps")
# glibc's mallopt(3)
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4


def resolve(device: str = "auto") -> torch.device:
    """The torch device of this name; "auto" prefers cuda, then mps, then cpu.

    Raises: DeviceUnavailable: the device asked for is not here (it is never replaced by another);
    ConfigError: no such device name.
    """
    kind = device.partition(":")[0]
    if kind not in CHOICES:
        raise ConfigError(f"device is {device!r}; give one of {', '.join(CHOICES)}.")
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if kind == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if available[name]))
    if not available[kind]:
        raise DeviceUnavailable(f"No {kind} device on this machine. Pass --device auto or --device cpu.")
    return torch.device(device)


@functools.cache
def has_fast_bf16(device: torch.device) -> bool:
    """Whether bfloat16 pays there: on recent CUDA GPUs, on CPUs with AMX, on AMD's with AVX512-BF16.

    AVX512-BF16 alone says little: on AMD cores that have it a training step took 0.5 to 0.7 times as long as
    in float32, on Intel ones whose AMX was switched off a convolution took 1.9 times as long. A stopwatch
    would know better, but would make training differ from one run to the next on the same machine.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        amd = "AMD" in str(capabilities.get("cpu_name", ""))
        return bool(capabilities.get("amx_bf16") or (capabilities.get("avx512_bf16") and amd))
    return False


def autocast(device: torch.device, enabled: bool = True) -> contextlib.AbstractContextManager[Any]:
    """bfloat16 autocast where it pays, otherwise plain float32."""
    if enabled and has_fast_bf16(device):
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()


def precision(device: torch.device) -> str:
    """Of what `autocast` computes with there: "bfloat16" or "float32"."""
    return "bfloat16" if has_fast_bf16(device) else "float32"


def turn(lock: threading.Lock) -> contextlib.AbstractContextManager[Any]:
    """Holds the lock where torch spreads a forward pass of this thread over the cores.

    Passes of several such threads at once only get in each other's way; threads that have one core each
    (`recog.workers`) may go on side by side.
    """
    return lock if torch.get_num_threads() > 1 else contextlib.nullcontext()


def keep_freed_memory() -> bool:
    """Let this process keep what training frees, for the next step; returns whether it could (glibc only).

    A step on the CPU frees and asks again for blocks of tens of MB. glibc gives such blocks back to the
    system and maps them anew each time, and the kernel clears every page.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    settings = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: -1, M_TOP_PAD: 256 << 20}
    return all(mallopt(name, value) for name, value in settings.items())
