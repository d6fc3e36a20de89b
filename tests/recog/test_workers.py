"""Threads that work ahead: in order, not too far, and gone at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from recog.workers import batches, in_order, workers


def test_results_come_in_the_order_of_the_items() -> None:
    def slow_at_first(number: int) -> int:
        time.sleep(0.05 if number == 0 else 0)
        return number * number

    with workers() as pool:
        assert list(in_order(pool, slow_at_first, range(20), 5)) == [n * n for n in range(20)]
        assert list(in_order(pool, slow_at_first, [], 5)) == []


def test_no_more_items_are_taken_than_allowed() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    with workers() as pool:
        results = in_order(pool, abs, items(), 7)
        assert taken == []
        assert [next(results), next(results)] == [0, 1]
        time.sleep(0.05)  # however long nobody asks
        assert len(taken) == 8


def test_an_error_takes_the_place_of_its_result() -> None:
    with workers() as pool:
        results = in_order(pool, lambda number: 1 // number, [1, 1, 0, 1], 4)
        assert [next(results), next(results)] == [1, 1]
        with pytest.raises(ZeroDivisionError):
            next(results)


def test_what_has_not_begun_is_dropped_and_the_threads_are_gone() -> None:
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        time.sleep(0.01)

    before = set(threading.enumerate())
    with workers() as pool:
        for number in range(1000):
            pool.submit(work, number)
    assert 0 < len(begun) < 500
    assert set(threading.enumerate()) <= before


def test_each_thread_computes_on_one_core_and_others_as_before() -> None:
    def threads_of_a_new_thread() -> int:
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        return found[0]

    usual = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with workers() as pool:
            assert pool.submit(torch.get_num_threads).result() == 1
            assert torch.get_num_threads() == 3
        assert (torch.get_num_threads(), threads_of_a_new_thread()) == (3, 3)
    finally:
        torch.set_num_threads(usual)


def test_batches_are_full_but_the_last() -> None:
    assert list(batches(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(batches([], 2)) == []
