"""Pools, futures and kernels with failing allocations."""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from outcomes import DEADLINE_S, Steps, comes_to_its_end, expect, no_more_threads, operation, works

import conc
from conc import kernels


@operation
def pool_make() -> Steps:
    outcome = yield lambda: conc.ThreadPoolExecutor(2)
    if expect(outcome):
        works(outcome.value)


@operation
def pool_submit() -> Steps:
    pool = conc.ThreadPoolExecutor(2)
    outcome = yield lambda: pool.submit(pow, 2, 10)
    if no_more_threads(outcome):
        comes_to_its_end(outcome.value, 1024)
    works(pool)


@operation
def pool_submit_many() -> Steps:
    pool = conc.ThreadPoolExecutor(2)
    futures: list[concurrent.futures.Future[int]] = []

    def call() -> None:
        for i in range(10):
            futures.append(pool.submit(pow, i, 2))  # noqa: PERF401  (those that were accepted are kept)
        pool.shutdown()

    outcome = yield call
    no_more_threads(outcome)
    for i, future in enumerate(futures):
        comes_to_its_end(future, i * i)
    pool.shutdown()


@operation
def pool_submit_kernel() -> Steps:
    pool = conc.ThreadPoolExecutor(2)
    outcome = yield lambda: pool.submit(kernels.prime_factors, 2**40)
    if no_more_threads(outcome):
        comes_to_its_end(outcome.value, kernels.prime_factors(2**40))
    works(pool)


@operation
def pool_submit_to_a_worker() -> Steps:
    pool = conc.ThreadPoolExecutor(1)
    pool.submit(int).result(DEADLINE_S)

    def call() -> int:
        return pool.submit(pow, 2, 10).result(DEADLINE_S)

    outcome = yield call
    expect(outcome)
    works(pool)


@operation
def pool_initializer() -> Steps:
    done: list[int] = []
    pool = conc.ThreadPoolExecutor(1, initializer=done.append, initargs=(1,))
    outcome = yield lambda: pool.submit(pow, 2, 10)
    if no_more_threads(outcome):
        error = outcome.value.exception(DEADLINE_S)
        broken = isinstance(error, concurrent.futures.thread.BrokenThreadPool)
        assert error is None or broken or isinstance(error, MemoryError), repr(error)
    pool.shutdown()


@operation
def pool_map() -> Steps:
    pool = conc.ThreadPoolExecutor(2)
    outcome = yield lambda: list(pool.map(pow, range(5), range(5)))
    if no_more_threads(outcome):
        assert outcome.value == [i**i for i in range(5)]
    works(pool)


@operation
def pool_map_kernel() -> Steps:
    pool = conc.ThreadPoolExecutor(2)
    outcome = yield lambda: list(pool.map(kernels.prime_factors, [2**40, 12, 35]))
    if no_more_threads(outcome):
        assert outcome.value == [kernels.prime_factors(n) for n in (2**40, 12, 35)]
    works(pool)


@operation
def pool_shutdown() -> Steps:
    pool = conc.ThreadPoolExecutor(2)
    gate = threading.Event()
    first = pool.submit(gate.wait, DEADLINE_S)
    rest = [pool.submit(pow, 2, 10) for _ in range(3)]
    gate.set()
    outcome = yield lambda: pool.shutdown(cancel_futures=True)
    expect(outcome)
    for future, value in zip([first, *rest], [True, 1024, 1024, 1024], strict=True):
        with contextlib.suppress(concurrent.futures.CancelledError):
            comes_to_its_end(future, value)
    pool.shutdown()


# -- futures -----------------------------------------------------------------------------------------------------------


@operation
def future_set_result() -> Steps:
    future: conc.Future[int] = conc.Future()
    called: list[Any] = []
    future.add_done_callback(called.append)
    outcome = yield lambda: future.set_result(7)
    if not expect(outcome) and not future.done():
        future.set_result(7)
    assert future.result(0) == 7


@operation
def future_methods() -> Steps:
    future: conc.Future[int] = conc.Future()

    def call() -> None:
        conc.Future()
        future.add_done_callback(print_nothing)
        future.set_running_or_notify_cancel()
        future.running()
        future.set_exception(KeyError(1))
        future.exception()
        future.add_done_callback(print_nothing)
        with contextlib.suppress(KeyError):
            future.result()
        repr(future)

    outcome = yield call
    expect(outcome)
    if not future.done():
        future.set_result(3)
    assert future.done()


def print_nothing(future: object) -> None:
    """A callback."""


@operation
def future_cancel() -> Steps:
    future: conc.Future[int] = conc.Future()
    outcome = yield future.cancel
    if not expect(outcome):
        future.cancel()
    assert future.cancelled()


@operation
def future_wait() -> Steps:
    future: conc.Future[int] = conc.Future()
    future.set_result(3)
    outcome = yield lambda: concurrent.futures.wait([future], timeout=DEADLINE_S)
    expect(outcome)
    assert concurrent.futures.wait([future], timeout=DEADLINE_S).done == {future}
    assert list(concurrent.futures.as_completed([future])) == [future]


class Waiter:
    """What concurrent.futures puts among a future's waiters, less its event.

    threading.Event is left out on purpose: when there is no memory in the middle of its set(), the lock inside stays
    held, and who waits for it hangs in threading, whatever executor the future came from.
    """

    def __init__(self) -> None:
        self.finished_futures: list[object] = []

    def add_result(self, future: object) -> None:
        self.finished_futures.append(future)

    add_exception = add_cancelled = add_result


def _waiters_are_told(end: Callable[[conc.Future[Any]], object], future: conc.Future[Any]) -> Steps:
    waiters = [Waiter(), Waiter()]
    with future._condition:
        future._waiters.extend(waiters)
    outcome = yield lambda: end(future)
    expect(outcome)
    if not future.done():
        end(future)
    if outcome.error is not None and outcome.injected > 1:
        return  # there was no memory all the while: the caller knows
    until = time.monotonic() + DEADLINE_S
    while any(waiter.finished_futures != [future] for waiter in waiters):
        assert time.monotonic() < until, "a waiter was not told that a future is done, or twice"
        time.sleep(0.0005)
    assert future._condition.acquire(timeout=DEADLINE_S), "the condition was left held"
    future._condition.release()


@operation
def future_tells_waiters() -> Steps:
    return _waiters_are_told(lambda future: future.set_result(3), conc.Future())


@operation
def pool_tells_waiters() -> Steps:
    pool = conc.ThreadPoolExecutor(1)
    gate = threading.Lock()
    gate.acquire()
    future = pool.submit(gate.acquire)

    def end(future: conc.Future[bool]) -> None:
        if gate.locked() and not future.done():
            gate.release()
        for _ in range(10):
            if future.done():
                return
            time.sleep(0.001)

    yield from _waiters_are_told(end, future)
    comes_to_its_end(future, True)
    works(pool)


# -- kernels -----------------------------------------------------------------------------------------------------------


@operation
def kernel_call() -> Steps:
    def call() -> Any:
        kernels.sleep(0)
        kernels.spin(0.0)
        kernels.trial_divisions(91)
        return kernels.prime_factors(2**40)

    outcome = yield call
    expect(outcome)
    assert list(kernels.prime_factors(2**40)) == [2] * 40


@operation
def kernel_wrong_argument() -> Steps:
    outcome = yield lambda: kernels.prime_factors(-1)
    assert outcome.error is not None
    if outcome.injected == 0:
        assert isinstance(outcome.error, ValueError)
    else:
        expect(outcome, ValueError)
