"""Work in threads: results in order, and only so many of them ahead."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

MOST = 8  # threads: Python's own part of detection is done by one at a time

T = TypeVar("T")
R = TypeVar("R")


def count() -> int:
    """How many threads work: one a core."""
    return min(MOST, os.cpu_count() or 1)


@contextlib.contextmanager
def workers() -> Iterator[ThreadPoolExecutor]:
    """A thread a core, each of which computes on one core; what has not begun on leaving is dropped.

    So photos are worked on side by side instead of each by all cores in turn: the networks are so small that
    their threads would wait for each other most of the time.
    """
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(count(), "recog", initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # threads that start later do as the last call of any thread said


def in_order(
    pool: ThreadPoolExecutor, function: Callable[[T], R], items: Iterable[T], ahead: int
) -> Iterator[R]:
    """Map in the pool's threads, in the order of the items.

    Args:
        ahead: so many items are taken before the first result is fetched, and so many results wait at most.
    Raises: what the function raises, in place of its result.
    """
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items; the last may be shorter."""
    rest = iter(items)
    while batch := list(itertools.islice(rest, size)):
        yield batch
