"""One conc.Thread in the hands of many threads, and many of them at once."""

from __future__ import annotations

import itertools
import os
import queue
import threading
from collections.abc import Callable
from typing import Any

import pytest
from racing import THREADS, errors, race, race_alike, rounds, values

import conc
from conc import kernels

TARGETS: list[tuple[Callable[..., object], tuple[object, ...], object]] = [
    (divmod, (17, 5), (3, 2)),
    (kernels.prime_factors, (360,), [2, 2, 2, 3, 3, 5]),
]
KINDS = pytest.mark.parametrize(("target", "args", "result"), TARGETS, ids=["python", "kernel"])


def ended(thread: conc.Thread) -> bool:
    """Wait for the thread; it may not have been started yet."""
    while thread.ident is None:
        os.sched_yield()
    thread.join()
    return not thread.is_alive()


@KINDS
def test_one_of_many_starts_wins(target: Callable[..., object], args: tuple[object, ...], result: object) -> None:
    for _ in range(rounds(150)):
        thread = conc.Thread(target=target, args=args)
        lost = errors(race_alike(thread.start))
        assert [str(error) for error in lost] == ["threads can only be started once"] * (THREADS - 1)
        assert {type(error) for error in lost} == {RuntimeError}
        assert thread.result() == result


@KINDS
def test_a_result_is_the_same_for_all_who_wait(
    target: Callable[..., object], args: tuple[object, ...], result: object
) -> None:
    for _ in range(rounds(150)):
        thread = conc.Thread(target=target, args=args)

        def ask(thread: conc.Thread = thread) -> Any:
            while thread.ident is None:  # result() may be asked for from here on, before start() returns
                os.sched_yield()
            return thread.result()

        first, *others = values(race(thread.start, *[ask] * (THREADS - 1)))[1:]
        assert first == result
        assert all(other is first for other in others)


@KINDS
def test_it_can_be_looked_at_by_all(target: Callable[..., object], args: tuple[object, ...], result: object) -> None:
    order = [None, *conc.ThreadState]
    for _ in range(rounds(60)):
        thread = conc.Thread(target=target, args=args)

        def look(thread: conc.Thread = thread) -> list[int]:
            seen = [order.index(thread.state)]
            while seen[-1] != len(order) - 1:
                alive = thread.is_alive()
                seen.append(order.index(thread.state))
                assert repr(thread)
                assert not (alive and seen[0] == len(order) - 1)
                _ = thread.name, thread.daemon, thread.native_id
                os.sched_yield()
            assert not thread.is_alive()
            return seen

        for seen in values(race(thread.start, *[look] * 3))[1:]:
            first_ran = next(i for i, place in enumerate(seen) if place > 1)
            assert all(place > 1 for place in seen[first_ran:]), "it went back to STARTING, or to nothing"
        assert thread.result() == result


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_exception_is_the_same_for_all() -> None:
    def fail() -> None:
        raise LookupError("no such thing")

    for _ in range(rounds(60)):
        thread = conc.Thread(target=fail)
        thread.start()
        outcomes = race(*[thread.exception] * 4, *[thread.result] * 4)
        found = [outcome.error or outcome.value for outcome in outcomes]
        assert type(found[0]) is LookupError
        assert all(error is found[0] for error in found)


def test_threads_that_are_dropped_run_to_their_end() -> None:
    ran: queue.SimpleQueue[int] = queue.SimpleQueue()
    numbers = itertools.count()
    each = rounds(100)

    def start_and_drop() -> None:
        for _ in range(each):
            conc.Thread(target=ran.put, args=(next(numbers),)).start()

    values(race_alike(start_and_drop, 4))
    assert sorted(ran.get() for _ in range(4 * each)) == list(range(4 * each))


def test_threads_start_threads() -> None:
    ran: queue.SimpleQueue[int] = queue.SimpleQueue()

    def start_more(depth: int) -> None:
        ran.put(depth)
        threads = [conc.Thread(target=start_more, args=(depth - 1,)) for _ in range(2)] if depth else []
        for thread in threads:
            thread.start()
        for thread in threads:
            assert ended(thread)

    for _ in range(rounds(4)):
        values(race_alike(lambda: start_more(3), 4))
        assert sorted(ran.get() for _ in range(60)) == sorted([3] * 4 + [2] * 8 + [1] * 16 + [0] * 32)
    assert ran.empty()


def test_enumerate_lists_running_threads_only() -> None:
    go = threading.Event()
    threads = [conc.Thread(target=go.wait) for _ in range(rounds(60))]
    middle = len(threads) // 2

    def start(part: list[conc.Thread]) -> None:
        for thread in part:
            thread.start()
            assert thread in threading.enumerate()

    values(race(lambda: start(threads[:middle]), lambda: start(threads[middle:])))
    go.set()
    assert all(values(race(*[lambda thread=thread: ended(thread) for thread in threads])))
    assert not set(threads) & set(threading.enumerate())
