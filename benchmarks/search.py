"""`recog bench search`: how quickly stores of templates answer, and how often rightly, at any size.

Every store is built from the same templates in a process of its own, and opened in another, so that its time
to open and its memory are its own. Then all are asked the same probes, one at a time on one thread, in turns
of 25 whose order is random. A store that can search more thoroughly is asked at every setting up to the first
that reaches the wanted recall. Recall@1 is the share of probes whose answer is the template that an exact
search finds.
"""

from __future__ import annotations

import importlib.util
import logging
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import stats
from benchmarks.contestants import CONTESTANTS, Contestant, fresh, size_of
from benchmarks.populations import Population
from benchmarks.rows import Measurement, Row, origin
from recog.errors import ConfigError, RecogError
from recog.progress import progress

logger = logging.getLogger(__name__)
PACKAGES = {"hnswlib": "hnswlib", "usearch": "usearch", "milvus-lite": "milvus_lite"}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
BLOCK = 25  # probes that a store answers in a row: its memory is warm, as that of one in use
CHANGES = 20  # templates added, and removed, to see how long that takes
KINDS = ("enrolled", "strangers")


@dataclass(frozen=True, eq=False)
class Task:
    """What all stores hold and are asked."""

    rows: NDArray[np.float32]  # (N, D)
    probes: dict[str, NDArray[np.float32]]  # by kind: (Q, D)
    nearest: dict[str, NDArray[np.int64]]  # by kind: (Q,) what an exact search answers


def task(population: Population, templates: int, probes: int, seed: int) -> Task:
    """Templates of people who do not exist, one each; probes of some of them, and of strangers."""
    rng = np.random.default_rng(seed)
    centres = population.people(rng, templates)
    rows = population.photos(rng, centres)
    asked = {
        "enrolled": population.photos(rng, centres[:probes]),
        "strangers": population.photos(rng, population.people(rng, probes)),
    }
    return Task(rows, asked, {kind: _exact(rows, found) for kind, found in asked.items()})


def _exact(rows: NDArray[np.float32], probes: NDArray[np.float32]) -> NDArray[np.int64]:
    parts = [(rows @ probes[i : i + 64].T).argmax(axis=0) for i in range(0, len(probes), 64)]
    return np.concatenate(parts)


def installed() -> list[str]:
    """The stores that can be compared here."""
    return [name for name in CONTESTANTS if importlib.util.find_spec(PACKAGES.get(name, "recog"))]


def search(
    population: Population,
    source: str,
    *,
    templates: int = 1_000_000,
    probes: int = 500,
    recall: float = 0.99,
    seed: int = 0,
    only: Sequence[str] = (),
    scratch: Path | None = None,
) -> list[Row]:
    """Compare stores of templates.

    Args:
        population: what templates spread like; source: what rows call the faces it was read off.
        templates: in each store. probes: of enrolled people, and as many of strangers.
        recall: of enrolled people's probes, that thoroughness is raised to.
        only: the stores, by name; default all that are installed.
        scratch: folder for the stores' files; default a temporary one.
    Raises: ConfigError: a store that is unknown or not installed; RecogError: one failed.
    """
    names = list(only) or installed()
    for name in names:
        if name not in installed():
            raise ConfigError(f"{name!r} cannot be compared: choose among {', '.join(installed())}.")
    with ExitStack() as stack:
        folder = scratch or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        given = task(population, templates, probes, seed)
        np.save(folder / "rows.npy", given.rows)
        built = {name: _built(name, folder) for name in progress(names, desc="build")}
        stores = {name: stack.enter_context(Store(name, folder)) for name in names}
        opened = {name: store.ask("open", given.probes["enrolled"][0]) for name, store in stores.items()}
        efforts = {name: _effort(store, given, recall) for name, store in stores.items()}
        times, answers = _in_turn(stores, efforts, given, seed)
        changes = {name: _changes(store, given, seed) for name, store in stores.items()}
    rows = []
    for name in names:
        measured = [*built[name], *opened[name], *_speed(times[name]), *_recall(answers[name], given)]
        plan = {"templates": templates, "probes": probes, "recall": recall, "seed": seed}
        protocol = (
            f"{templates:,} synthetic templates, one a person; probes one at a time on one thread, stores "
            f"taking turns of {BLOCK}; "
            f"searched as thoroughly as recall {recall:g} takes"
        )
        where = origin("search", protocol, source, plan, "cpu")
        arm = f"{name}, effort {efforts[name]}" if efforts[name] else name
        rows += where.rows([*measured, *changes[name]], arm=arm, seconds=sum(times[name]), seed=seed)
    return rows


# ---------------------------------------------------------------- one process a store


class Store:
    """A store, opened in a process of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, name, folder / name), daemon=True)
        kept = {key: os.environ.get(key) for key in THREADS}
        os.environ.update(dict.fromkeys(THREADS, "1"))
        self._process.start()
        for key, value in kept.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})
        self._name = name

    @property
    def efforts(self) -> Sequence[int]:
        """How thoroughly it can search, cheapest first."""
        return CONTESTANTS[self._name].efforts

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    def ask(self, verb: str, *arguments: object) -> Any:
        """Let it do something. Raises: RecogError: it failed."""
        self._pipe.send((verb, *arguments))
        try:
            found = self._pipe.recv()
        except EOFError:
            found = RecogError("its process ended")
        if isinstance(found, Exception):
            raise RecogError(f"{self._name}: {found}")
        return found


def _serve(pipe: Connection, name: str, folder: Path) -> None:
    store = CONTESTANTS[name](folder)
    verbs: dict[str, Callable[..., object]] = {
        "open": _open,
        "nearest": _nearest,
        "add": _add,
        "remove": _remove,
    }
    while True:
        verb, *arguments = pipe.recv()
        try:
            pipe.send(verbs[verb](store, *arguments))
        except Exception as error:  # what another library raises can be anything, and belongs in the message
            pipe.send(RecogError(f"{type(error).__name__}: {error}"))


def _open(store: Contestant, probe: NDArray[np.float32]) -> list[Measurement]:
    before, started = _memory(), time.perf_counter()
    store.open(probe)
    seconds = time.perf_counter() - started
    return [
        Measurement("open and answer, s", seconds, 1),
        Measurement("memory, MB", (_memory() - before) / 1e6, 1),
    ]


def _nearest(store: Contestant, probe: NDArray[np.float32], effort: int) -> tuple[int, float]:
    started = time.perf_counter()
    found = store.nearest(probe, effort)
    return found, time.perf_counter() - started


def _add(store: Contestant, number: int, row: NDArray[np.float32]) -> float:
    started = time.perf_counter()
    store.add(number, row)
    return time.perf_counter() - started


def _remove(store: Contestant, number: int) -> float:
    started = time.perf_counter()
    store.remove(number)
    return time.perf_counter() - started


def _memory() -> int:
    """Bytes that this process and its children hold."""
    import psutil

    process = psutil.Process()
    return int(sum(one.memory_info().rss for one in [process, *process.children(recursive=True)]))


def _built(name: str, folder: Path) -> list[Measurement]:
    """Build a store, on all threads, in a process that ends."""
    place = fresh(folder / name)
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_build, args=(name, place, folder / "rows.npy"))
    started = time.perf_counter()
    process.start()
    process.join()
    if process.exitcode:
        raise RecogError(f"{name}: building it failed.")
    seconds = time.perf_counter() - started
    return [Measurement("build, s", seconds, 1), Measurement("files, MB", size_of(place) / 1e6, 1)]


def _build(name: str, folder: Path, rows: Path) -> None:
    CONTESTANTS[name](folder).build(np.load(rows))


# ---------------------------------------------------------------- measuring


def _effort(store: Store, given: Task, recall: float) -> int:
    """The first setting that reaches the wanted recall on enrolled people's probes, else the last."""
    for effort in store.efforts:
        found = [store.ask("nearest", probe, effort)[0] for probe in given.probes["enrolled"]]
        if np.mean(np.array(found) == given.nearest["enrolled"]) >= recall:
            return effort
    return store.efforts[-1]


def _in_turn(
    stores: Mapping[str, Store], efforts: Mapping[str, int], given: Task, seed: int
) -> tuple[dict[str, list[float]], dict[str, dict[str, list[int]]]]:
    """Seconds, and answers by kind of probe, of each store."""
    rng = np.random.default_rng(seed)
    times: dict[str, list[float]] = {name: [] for name in stores}
    answers: dict[str, dict[str, list[int]]] = {name: {kind: [] for kind in KINDS} for name in stores}
    blocks = [
        (kind, given.probes[kind][first : first + BLOCK])
        for kind in KINDS
        for first in range(0, len(given.probes[kind]), BLOCK)
    ]
    for kind, probes in blocks:
        for name in rng.permutation(list(stores)).tolist():
            for probe in probes:
                found, seconds = stores[name].ask("nearest", probe, efforts[name])
                times[name].append(seconds)
                answers[name][kind].append(found)
    return times, answers


def _speed(seconds: Sequence[float]) -> list[Measurement]:
    return [
        _quantile(seconds, 0.5, "query, median, ms"),
        _quantile(seconds, 0.99, "query, 99th percentile, ms"),
    ]


def _quantile(seconds: Sequence[float], share: float, metric: str) -> Measurement:
    found = 1000 * np.array(seconds)
    (interval,) = stats.bootstrap(
        lambda drawn: np.quantile(found[drawn], share, keepdims=True), len(found), resamples=500
    )
    return Measurement(metric, float(np.quantile(found, share)), len(found), interval)


def _recall(answers: Mapping[str, Sequence[int]], given: Task) -> list[Measurement]:
    measured = []
    for kind in KINDS:
        right = np.array(answers[kind]) == given.nearest[kind]
        interval = stats.proportion_interval(int(right.sum()), len(right))
        measured.append(Measurement(f"recall@1, {kind}", float(right.mean()), len(right), interval))
    return measured


def _changes(store: Store, given: Task, seed: int) -> list[Measurement]:
    """How long adding one template takes, and removing one."""
    rng = np.random.default_rng(seed)
    new = len(given.rows) + np.arange(CHANGES)
    added = [store.ask("add", int(number), given.rows[rng.integers(len(given.rows))]) for number in new]
    removed = [store.ask("remove", int(number)) for number in new[: CHANGES // 4]]
    return [
        Measurement("add, median, ms", 1000 * float(np.median(added)), len(added)),
        Measurement("remove, median, ms", 1000 * float(np.median(removed)), len(removed)),
    ]
