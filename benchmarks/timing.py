"""How long ONNX models take, measured in turn so that all of them meet the same machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import stats
from benchmarks.rows import Measurement
from recog.errors import ConfigError, DataError

SETTINGS = ((1, 1), (1, 2), (32, 1), (32, 2))  # (faces at once, threads)
WARM_UP = 3  # rounds that are not counted


@dataclass(frozen=True, eq=False)
class Timed:
    """Times of one model."""

    seconds: NDArray[np.float64]  # (R,) per face, one a round

    @property
    def median(self) -> float:
        """Seconds a face."""
        return float(np.median(self.seconds))

    def interval(self) -> stats.Interval:
        """95 % interval of the median (bootstrap over rounds)."""
        return _interval_of_median(self.seconds)

    def ms_a_face(self, metric: str = "ms a face") -> Measurement:
        """The median and its interval, in milliseconds."""
        low, high = self.interval()
        return Measurement(metric, 1000 * self.median, len(self.seconds), (1000 * low, 1000 * high))

    def ratio(self, other: Timed) -> tuple[float, stats.Interval]:
        """Median of this over that of another, round by round, with its 95 % interval."""
        ratios = self.seconds / other.seconds
        return float(np.median(ratios)), _interval_of_median(ratios)


def _interval_of_median(values: NDArray[np.float64]) -> stats.Interval:
    (found,) = stats.bootstrap(
        lambda drawn: np.median(values[drawn], keepdims=True), len(values), resamples=500
    )
    if found is None:
        raise ConfigError(f"{len(values)} round is too few to tell how much times vary. Time at least two.")
    return found


def in_turn(files: Mapping[str, Path], *, batch: int, threads: int, rounds: int = 60) -> dict[str, Timed]:
    """Seconds a face of each model through onnxruntime on the CPU.

    Args:
        files: ONNX files with one input (B, 3, S, S) of free batch size, or of batch size `batch`.
        batch: faces a call.
        threads: of one call.
    Raises: ConfigError: onnxruntime is missing; DataError: a model does not take this batch.
    """
    sessions = {name: _session(file, threads) for name, file in files.items()}
    order = np.random.default_rng(0)
    images = {name: _input(session, batch, name) for name, session in sessions.items()}
    taken: dict[str, list[float]] = {name: [] for name in files}
    for number in range(WARM_UP + rounds):
        for name in order.permutation(list(sessions)):
            begun = time.perf_counter()
            sessions[name].run(None, images[name])
            if number >= WARM_UP:
                taken[name].append((time.perf_counter() - begun) / batch)
    return {name: Timed(np.array(seconds)) for name, seconds in taken.items()}


def in_words(batch: int, threads: int) -> str:
    """A setting as rows call it, for example "32 at once, 1 thread"."""
    return f"{batch} at once, {threads} thread{'s' if threads > 1 else ''}"


def takes(file: Path, batch: int) -> bool:
    """Whether a model's batch size is free or just this."""
    size = _session(file, 1).get_inputs()[0].shape[0]
    return not isinstance(size, int) or size == batch


def _session(file: Path, threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError("Timing ONNX models needs onnxruntime: pip install 'recog[onnx]'.") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # else a session's threads go on waiting busily, 34 ms here, while the next model is timed
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _input(session: Any, batch: int, name: str) -> dict[str, NDArray[np.float32]]:
    port = session.get_inputs()[0]
    if isinstance(port.shape[0], int) and port.shape[0] != batch:
        raise DataError(f"{name}: takes {port.shape[0]} faces at once, not {batch}.")
    shape = (batch, *(int(side) for side in port.shape[1:]))
    return {port.name: np.random.default_rng(0).normal(size=shape).astype(np.float32)}
