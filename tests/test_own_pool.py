"""What conc.ThreadPoolExecutor adds to the standard pool: kernels, maps without futures, waits for its own tasks."""

from __future__ import annotations

import concurrent.futures
import gc
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from concurrent.futures.thread import BrokenThreadPool
from typing import Any

import pytest
from executors_support import boom, os_threads
from hypothesis import given, settings
from hypothesis import strategies as st
from threads_support import until

import conc
from conc import _core, kernels


def test_kernels_in_the_pool() -> None:
    with conc.ThreadPoolExecutor(2) as pool:
        assert pool.submit(kernels.prime_factors, 12).result() == [2, 2, 3]
        with pytest.raises(ValueError, match="must be in 1"):
            pool.submit(kernels.prime_factors, 0).result()
        with pytest.raises(TypeError):
            pool.submit(kernels.prime_factors).result()


@given(
    numbers=st.lists(st.integers(1, 2**32), max_size=200),
    workers=st.integers(1, 4),
)
@settings(max_examples=40)
def test_map_of_a_kernel_is_map(numbers: list[int], workers: int) -> None:
    with conc.ThreadPoolExecutor(workers) as pool:
        assert list(pool.map(kernels.prime_factors, numbers)) == [kernels.prime_factors(n) for n in numbers]


def test_map_of_a_kernel_with_a_wrong_item() -> None:
    with conc.ThreadPoolExecutor(2) as pool:
        results = pool.map(kernels.prime_factors, [4, 6, "x", 8])
        assert [next(results), next(results)] == [[2, 2], [2, 3]]
        with pytest.raises(TypeError, match="must be an int"):
            next(results)
        with pytest.raises(StopIteration):
            next(results)


def test_map_of_a_kernel_in_time() -> None:
    with conc.ThreadPoolExecutor(1) as pool:
        results = pool.map(kernels.sleep, [1000], timeout=0.0)
        with pytest.raises(TimeoutError):
            next(results)


def test_a_dropped_map_stops_its_kernels() -> None:
    with conc.ThreadPoolExecutor(1) as pool:
        results = pool.map(kernels.sleep, [0, 1000, 1000])
        assert next(results) is None
        del results
        gc.collect()
        assert pool.submit(kernels.sleep, 0).result(timeout=30) is None


def test_map_after_shutdown() -> None:
    pool = conc.ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        pool.map(kernels.sleep, [0])


def test_cancelled_futures_cancel_a_map(gate: threading.Event) -> None:
    pool = conc.ThreadPoolExecutor(1)
    pool.submit(gate.wait)
    results = pool.map(kernels.sleep, [0, 0])
    pool.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(CancelledError):
        next(results)
    gate.set()
    pool.shutdown()


def test_one_map_in_two_threads() -> None:
    with conc.ThreadPoolExecutor(1) as pool:
        results = pool.map(kernels.sleep, [2])
        outcomes: list[str] = []

        def ask() -> None:
            try:
                outcomes.append(repr(next(results)))
            except ValueError as error:
                outcomes.append(str(error))

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert outcomes == ["this iterator is already in use by another thread", "None"]


def test_no_worker_needs_the_gil_for_a_map() -> None:
    """The main thread keeps the GIL while the workers run the whole map."""
    import ctypes

    hold_gil_us = ctypes.PyDLL(None).usleep
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000.0)
    try:
        with conc.ThreadPoolExecutor(2) as pool:
            results = pool.map(kernels.spin, [0.02] * 10)
            hold_gil_us(1_000_000)
            workers, idle, queued = pool._workers.counts()
            assert (idle, queued) == (workers, 0)
            assert len(list(results)) == 10
    finally:
        sys.setswitchinterval(before)


def test_a_map_lets_go_of_the_gil_that_a_python_task_left_held(gate: threading.Event) -> None:
    """The worker goes from a Python task straight to a kernel that never ends: this thread must get on."""
    with conc.ThreadPoolExecutor(1) as pool:
        first = pool.submit(gate.wait)
        until(first.running, "the first task runs")
        results = pool.map(kernels.sleep, [1000])
        gate.set()
        assert first.result() is True
        until(lambda: pool._workers.counts()[2] == 0, "the kernel has begun")
        del results


def test_waiting_for_what_was_cancelled_before_the_pool_broke(
    gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        gate.wait()
        boom()

    pool = conc.ThreadPoolExecutor(1, initializer=fail)
    broken, cancelled = pool.submit(int), pool.submit(int)
    assert cancelled.cancel()
    with caplog.at_level(logging.CRITICAL, "concurrent.futures"):
        gate.set()
        pool.shutdown()
    assert concurrent.futures.wait([cancelled, broken]).not_done == set()
    assert isinstance(broken.exception(), BrokenThreadPool)


def test_shutdown_in_an_own_worker() -> None:
    with (
        conc.ThreadPoolExecutor(1) as pool,
        pytest.raises(RuntimeError, match="in one of its own workers"),
    ):
        pool.submit(pool.shutdown).result()


def test_core_pool_arguments() -> None:
    with pytest.raises(TypeError, match="subclass of FutureState"):
        _core.Pool(1, int)  # type: ignore[arg-type]
    with pytest.raises(OSError, match="make a pool"):
        _core.Pool(0, conc.Future)


def test_a_c_function_does_not_starve_others() -> None:
    """Tasks that run no bytecode give the GIL away all the same."""
    with conc.ThreadPoolExecutor(1) as pool:
        futures = [pool.submit(int) for _ in range(20_000)]
        assert futures[0].result() == 0
        assert all(f.result() == 0 for f in futures)


def test_pools_may_be_made_while_exit_drains() -> None:
    class Pool:
        drained = 0

        def close(self) -> None:
            pass

        def join(self) -> None:
            Pool.drained += 1

    live = conc.executors._LivePools()
    kept = [Pool() for _ in range(20_000)]
    maker = threading.Thread(target=lambda: [live.add(pool) for pool in kept])  # type: ignore[arg-type, func-returns-value]
    maker.start()
    while maker.is_alive():
        live.drain()
    live.drain()
    assert Pool.drained == len(kept)


def test_a_task_waits_for_tasks_of_its_own_pool() -> None:
    """With one worker: the standard pool would wait for ever."""

    def add_up(n: int) -> int:
        return n + (pool.submit(add_up, n - 1).result() if n else 0)

    before = os_threads()
    with conc.ThreadPoolExecutor(1) as pool:
        assert pool.submit(add_up, 50).result() == 50 * 51 // 2
        until(lambda: os_threads() <= before + 1, "those who made up for the waiting ones are gone")
        assert pool.submit(add_up, 3).result() == 6


def wait_for_all(futures: Iterable[Any]) -> None:
    assert concurrent.futures.wait(futures).not_done == set()


def wait_for_first(futures: Iterable[Any]) -> None:
    assert concurrent.futures.wait(futures, 100, concurrent.futures.FIRST_COMPLETED).done


def take_as_completed(futures: Iterable[Any]) -> None:
    assert all(future.done() for future in concurrent.futures.as_completed(futures))


@pytest.mark.parametrize("wait", [wait_for_all, wait_for_first, take_as_completed])
def test_a_task_waits_by_concurrent_futures_for_tasks_of_its_own_pool(wait: Callable[[Iterable[Any]], None]) -> None:
    """With one worker, many deep; those who made up for the waiting ones leave."""

    def add_up(n: int) -> int:
        if n == 0:
            return 0
        parts = [pool.submit(add_up, n - 1), pool.submit(int, n)]
        wait(parts)
        return sum(part.result() for part in parts)

    before = os_threads()
    with conc.ThreadPoolExecutor(1) as pool:
        assert pool.submit(add_up, 30).result() == 30 * 31 // 2
        until(lambda: os_threads() <= before + 1, "those who made up for the waiting ones are gone")


def test_a_wait_in_a_task_that_times_out_is_over(gate: threading.Event) -> None:
    """The worker counts again: the pool runs one task at a time as before."""
    with conc.ThreadPoolExecutor(1) as pool:

        def wait_in_vain() -> int:
            blocked = pool.submit(gate.wait)
            not_done = concurrent.futures.wait([blocked], timeout=0.01).not_done
            gate.set()
            return len(not_done)

        assert pool.submit(wait_in_vain).result() == 1
        until(lambda: pool.stats().workers == 1, "the one that made up for it has left")


def test_waiting_for_another_pool_by_concurrent_futures_adds_no_worker(gate: threading.Event) -> None:
    """Also when the list holds one of its own pool that is done."""
    with conc.ThreadPoolExecutor(1) as one, conc.ThreadPoolExecutor(1) as another:
        done, blocked = one.submit(int), another.submit(gate.wait)
        done.result()
        waits = one.submit(concurrent.futures.wait, [done, blocked])
        until(lambda: len(blocked._waiters) == 1, "it waits")
        queued = one.submit(int)
        assert one.stats().workers == 1
        assert not queued.done()
        gate.set()
        assert waits.result().not_done == set()


@pytest.mark.parametrize(
    ("online", "usable", "spins"), [(2, 2, False), (64, 2, False), (64, 3, True), (None, 8, False)]
)
def test_workers_look_out_for_work_where_there_are_cpus_for_it(
    monkeypatch: pytest.MonkeyPatch, online: int | None, usable: int, spins: bool
) -> None:
    """And the pool does its work on such a machine, which this one may not be."""
    monkeypatch.setattr(os, "cpu_count", lambda: online)
    monkeypatch.setattr("conc.cpus.cpu_count", lambda: usable)
    assert (conc.executors._spin_ns() > 0) == spins
    with conc.ThreadPoolExecutor(8) as pool:
        for _ in range(50):  # some come while workers look out, others when all have parked
            assert pool.submit(lambda: pool.submit(int, 7).result()).result() == 7
        assert [future.result() for future in [pool.submit(int, n) for n in range(2_000)]] == list(range(2_000))
        assert list(pool.map(kernels.trial_divisions, [2, 3, 4])) == list(map(kernels.trial_divisions, [2, 3, 4]))


def test_another_pools_future_adds_no_worker(gate: threading.Event) -> None:
    """A pool of one worker runs one task at a time, also while it waits for somebody else's."""
    running: list[int] = []

    def wait_for(other: Any, number: int) -> list[int]:
        running.append(number)
        other.result()
        seen = list(running)
        running.remove(number)
        return seen

    with conc.ThreadPoolExecutor(1) as one, conc.ThreadPoolExecutor(1) as another:
        blocked = another.submit(gate.wait)
        queued = another.submit(int)
        futures = [one.submit(wait_for, queued, number) for number in range(3)]
        until(futures[0].running, "the first waits")
        gate.set()
        assert blocked.result()
        assert [future.result() for future in futures] == [[0], [1], [2]]
