"""`recog bench speed`: how long embedding a face takes, models in turn, all as ONNX.

One crop through the network once: no detection, no mirror image. The models run one after another in every
round, so that all of them meet the same machine; ratios are taken round by round.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.rows import Measurement, Row, origin
from benchmarks.timing import SETTINGS, in_turn, in_words, takes
from recog import onnx_export
from recog.embedders import load_embedder
from recog.embedding import Embedder
from recog.errors import ConfigError


def speed(
    models: Sequence[str], *, rounds: int = 200, names: Mapping[str, str] | None = None, device: str = "cpu"
) -> list[Row]:
    """Time models against the last of them.

    Args:
        models: names or files; those that are not ONNX files are exported.
        rounds: of one face at once; of more faces there are fewer.
        names: what reports call a model, by how it is given here; default its own name.
    Raises: ConfigError: fewer than two models, or packages are missing; ModelNotFound.
    """
    if len(set(models)) < 2:
        raise ConfigError("Times are compared: give at least two different models.")
    embedders = {model: load_embedder(model, device) for model in models}
    own = [embedder.name for embedder in embedders.values()]
    labels = {
        model: (names or {}).get(model, embedder.name if own.count(embedder.name) == 1 else str(model))
        for model, embedder in embedders.items()
    }
    if len(set(labels.values())) < len(labels):
        raise ConfigError(f"Two models are called {', '.join(labels.values())}: give names that differ.")
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        files, digests = {}, {}
        for number, (model, embedder) in enumerate(embedders.items()):
            label = labels[model]
            digests[label] = embedder.digest
            files[label] = Path(model)
            if isinstance(embedder, Embedder):
                files[label] = onnx_export.export(embedder, Path(scratch) / f"{number}.onnx")
        yardstick = labels[models[-1]]
        for batch, threads in SETTINGS:
            fitting = {label: file for label, file in files.items() if takes(file, batch)}
            rows += _timed(fitting, digests, yardstick, batch, threads, max(10, rounds // batch))
    return rows


def _timed(
    files: Mapping[str, Path],
    digests: Mapping[str, str],
    yardstick: str,
    batch: int,
    threads: int,
    rounds: int,
) -> list[Row]:
    started = time.perf_counter()
    timed = in_turn(files, batch=batch, threads=threads, rounds=rounds)
    protocol = f"one pass of a face, no mirror image; {in_words(batch, threads)}, onnxruntime"
    source = origin("speed", protocol, "noise", {**digests, "rounds": rounds}, "cpu")
    seconds = time.perf_counter() - started
    rows = []
    for label, found in timed.items():
        measured = [found.ms_a_face()]
        if yardstick in timed and label != yardstick:
            ratio, interval = found.ratio(timed[yardstick])
            measured.append(Measurement(f"times {yardstick}", ratio, rounds, interval))
        rows += source.rows(measured, arm=label, model=digests[label], seconds=seconds)
    return rows
