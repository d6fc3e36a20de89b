"""`recog bench backbones`: which backbone learns most from a teacher from the same crops?

Every candidate is distilled with the same crops, steps and settings, judged on people it did not learn from,
exported to ONNX and timed in turn with the others.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.exams import Exam, require_disjoint
from benchmarks.rows import Measurement, Origin, Row, origin
from benchmarks.timing import SETTINGS, in_turn, in_words, takes
from benchmarks.verification import marks
from recog import onnx_export
from recog.embedding import Embedder
from recog.progress import progress
from recog.training import CropSet, DistillConfig, distill
from recog.training.embeddings import Model


def backbones(
    names: Sequence[str],
    config: DistillConfig,
    crops: CropSet,
    teachers: Sequence[Model],
    exam: Exam,
    *,
    yardstick: Path | None = None,
    runs: Path | None = None,
    rounds: int = 60,
    device: str = "auto",
) -> list[Row]:
    """Measure each backbone.

    Args:
        names: timm backbones.
        config: of the short distillation; its backbone is replaced.
        exam: of people who are not in `crops`, by name.
        yardstick: an ONNX model that is timed with them.
        runs: folder of the runs, a sub-folder each: an interrupted call goes on; default none is kept.
    Raises: DataError: somebody is both in `crops` and in the exam; as `distill`.
    """
    require_disjoint(crops, [exam])
    what = {"config": config.to_json(), "teachers": [t.digest for t in teachers], "exam": exam.digest()}
    lesson = f"{config.total_kimg:g} thousand crops of distillation at {config.image_size} px"
    protocol = f"{lesson}; {exam.protocol}"
    source = origin("backbones", protocol, exam.data, {**what, "data": crops.fingerprint}, device)
    rows: list[Row] = []
    digests: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as scratch:
        files = {"yardstick": yardstick} if yardstick is not None else {}
        for name in progress(names, total=len(names), desc="backbones"):
            started = time.perf_counter()
            student = distill(
                replace(config, backbone=name),
                crops,
                teachers,
                run_dir=None if runs is None else runs / name,
                device=device,
            )
            digests[name] = student.digest
            rows += _judged(source, name, student, exam, config.seed, time.perf_counter() - started)
            files[name] = onnx_export.export(student, Path(scratch) / f"{name}.onnx")
        rows += _timed(source, files, digests, config.seed, rounds)
    return rows


def _judged(source: Origin, name: str, student: Embedder, exam: Exam, seed: int, seconds: float) -> list[Row]:
    count = sum(p.numel() for p in student.network.parameters()) / 1e6
    measured = [*marks(exam, exam.scores(student)), Measurement("parameters, millions", count, 1)]
    return source.rows(measured, arm=name, seed=seed, model=student.digest, seconds=seconds)


def _timed(
    source: Origin, files: dict[str, Path], digests: dict[str, str], seed: int, rounds: int
) -> list[Row]:
    rows = []
    for batch, threads in SETTINGS:
        fitting = {name: file for name, file in files.items() if takes(file, batch)}
        started = time.perf_counter()
        timed = in_turn(fitting, batch=batch, threads=threads, rounds=max(10, rounds // batch))
        seconds = (time.perf_counter() - started) / len(timed)
        for name, found in timed.items():
            measured = found.ms_a_face(f"ms a face, {in_words(batch, threads)}")
            rows += source.rows([measured], arm=name, seed=seed, model=digests.get(name), seconds=seconds)
    return rows
