"""Pools used from many threads at once: every task is accounted for, whatever else happens to the pool."""

from __future__ import annotations

import concurrent.futures
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from racing import THREADS, errors, race, race_alike, rounds, values

import conc
from conc import kernels


class Tally:
    """Counts from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.counts: Counter[object] = Counter()

    def add(self, what: object) -> object:
        with self._lock:
            self.counts[what] += 1
        return what


def test_tasks_of_all_are_run_once_each() -> None:
    each = rounds(400)
    tally = Tally()
    with conc.ThreadPoolExecutor(4) as pool:

        def submit(racer: int) -> list[object]:
            futures = [pool.submit(tally.add, (racer, number)) for number in range(each)]
            return [future.result() for future in futures]

        outcomes = race(*[lambda racer=racer: submit(racer) for racer in range(THREADS)])
    expected = [[(racer, number) for number in range(each)] for racer in range(THREADS)]
    assert values(outcomes) == expected
    assert tally.counts == dict.fromkeys((task for tasks in expected for task in tasks), 1)


def test_cancelling_and_shutting_down_account_for_every_task() -> None:
    for _ in range(rounds(25)):
        tally = Tally()
        pool = conc.ThreadPoolExecutor(2)
        submitted: list[list[conc.Future[object]]] = [[] for _ in range(4)]

        def submit(racer: int, pool: Any = pool, tally: Tally = tally, submitted: list[list[Any]] = submitted) -> int:
            for number in range(100):
                try:
                    submitted[racer].append(pool.submit(tally.add, (racer, number)))
                except RuntimeError as error:
                    if "after shutdown" not in str(error):
                        raise
                    return number
            return 100

        def cancel(submitted: list[list[Any]] = submitted) -> int:
            return sum(future.cancel() for futures in submitted for future in list(futures))

        def look(pool: Any = pool) -> None:
            for _ in range(50):
                workers, idle, queued = pool._workers.counts()
                assert 0 <= idle <= workers <= 2
                assert queued >= 0

        values(
            race(
                *[lambda racer=racer, submit=submit: submit(racer) for racer in range(4)],
                cancel,
                look,
                lambda pool=pool: pool.shutdown(wait=True, cancel_futures=True),
                lambda pool=pool: pool.shutdown(wait=False),
            )
        )
        pool.shutdown()
        ran = Counter(
            (racer, number)
            for racer, futures in enumerate(submitted)
            for number, future in enumerate(futures)
            if not future.cancelled()
        )
        assert all(future.done() for futures in submitted for future in futures)
        assert tally.counts == ran


def test_shutdown_by_all_waits_for_all() -> None:
    for _ in range(rounds(40)):
        pool = conc.ThreadPoolExecutor(4)
        futures = [pool.submit(pow, 2, number) for number in range(20)]
        values(race_alike(pool.shutdown))
        assert [future.result() for future in futures] == [2**number for number in range(20)]
        assert pool._workers.counts() == (0, 0, 0)


def test_maps_of_python_and_of_kernels_side_by_side() -> None:
    items = list(range(2, 200))
    with conc.ThreadPoolExecutor(3) as pool:

        def python() -> list[object]:
            return list(pool.map(kernels.prime_factors.__call__, items))

        def native() -> list[object]:
            return list(pool.map(kernels.prime_factors, items))

        for _ in range(rounds(10)):
            first, *others = values(race(python, python, native, native, native))
            assert all(other == first for other in others)


def consume(iterator: Iterator[Any]) -> tuple[list[Any], int]:
    """What this thread got, and how often the iterator was in use by another one."""
    got, refused = [], 0
    while True:
        try:
            got.append(next(iterator))
        except StopIteration:
            return got, refused
        except ValueError as error:
            if "already in use by another thread" not in str(error):
                raise
            refused += 1


def test_an_iterator_that_many_consume_gives_each_item_once() -> None:
    items = list(range(2, 300))
    with conc.ThreadPoolExecutor(2) as pool:
        for _ in range(rounds(15)):
            iterator = pool.map(kernels.trial_divisions, items)
            got = values(race_alike(lambda iterator=iterator: consume(iterator), 4))
            results = sorted(value for part, _ in got for value in part)
            assert results == sorted(map(kernels.trial_divisions, items))


def test_iterators_are_dropped_while_they_run() -> None:
    with conc.ThreadPoolExecutor(2) as pool:

        def start_and_drop() -> None:
            for _ in range(rounds(30)):
                assert next(iter(pool.map(kernels.prime_factors, range(2, 50)))) == [2]
                pool.map(kernels.prime_factors, range(2, 50))

        values(race_alike(start_and_drop, 4))
        assert pool.submit(int).result() == 0


def test_pools_are_made_and_dropped_while_they_work() -> None:
    tally = Tally()
    each = rounds(25)

    def make_and_drop(racer: int) -> list[conc.Future[object]]:
        futures = []
        for number in range(each):
            pool = conc.ThreadPoolExecutor(2, initializer=int if number % 2 else None)
            futures += [pool.submit(tally.add, (racer, number, task)) for task in range(4)]
        return futures

    futures = values(race(*[lambda racer=racer: make_and_drop(racer) for racer in range(4)]))
    assert concurrent.futures.wait([future for part in futures for future in part]).not_done == set()
    assert tally.counts == dict.fromkeys(
        ((racer, number, task) for racer in range(4) for number in range(each) for task in range(4)), 1
    )


def test_a_pool_dropped_by_the_last_submitter_ends() -> None:
    for _ in range(rounds(20)):
        pools = [conc.ThreadPoolExecutor(2)]
        workers = weakref.ref(pools[0]._workers)
        pool = pools.pop()

        def submit(pool: conc.ThreadPoolExecutor) -> list[conc.Future[float]]:
            return [pool.submit(kernels.spin, 1e-5) for _ in range(3)]

        calls = [lambda pool=pool, submit=submit: submit(pool) for _ in range(3)]
        del pool
        outcomes = race(*calls)
        calls.clear()
        assert all(future.result() >= 0 for part in values(outcomes) for future in part)
        left = workers()
        if left is not None:  # its own workers hold it until they have left
            assert left.join()


def test_workers_submit_to_their_own_pool() -> None:
    tally = Tally()
    with conc.ThreadPoolExecutor(4) as pool:

        def spread(depth: int, path: tuple[int, ...]) -> list[conc.Future[Any]]:
            tally.add(path)
            return [pool.submit(spread, depth - 1, (*path, branch)) for branch in range(2)] if depth else []

        pending = [future for part in values(race_alike(lambda: [pool.submit(spread, 6, ())], 2)) for future in part]
        while pending:
            pending += pending.pop().result()
    assert tally.counts.total() == 2 * (2**7 - 1)
    assert set(tally.counts.values()) == {2}


def test_a_broken_initializer_breaks_the_pool_for_all() -> None:
    def fail() -> None:
        raise LookupError("no such thing")

    for _ in range(rounds(20)):
        pool = conc.ThreadPoolExecutor(2, initializer=fail)
        outcomes = race_alike(lambda pool=pool: pool.submit(int).exception())
        kinds = [type(outcome.error or outcome.value) for outcome in outcomes]
        assert kinds == [concurrent.futures.thread.BrokenThreadPool] * THREADS
        pool.shutdown()


@pytest.mark.parametrize("cancel", [False, True])
def test_kernels_and_calls_are_shut_down_together(cancel: bool) -> None:
    for _ in range(rounds(20)):
        pool = conc.ThreadPoolExecutor(2)

        def submit(pool: Any = pool) -> list[conc.Future[Any]]:
            return [pool.submit(kernels.prime_factors, 12), pool.submit(pow, 2, 3), pool.submit(kernels.spin, 1e-6)]

        outcomes = race(submit, submit, lambda pool=pool: pool.shutdown(cancel_futures=cancel))
        assert all(isinstance(error, RuntimeError) for error in errors(outcomes))
        for outcome in outcomes[:2]:
            for future in outcome.value or []:
                assert future.done() or future.exception() is None
        pool.shutdown()
