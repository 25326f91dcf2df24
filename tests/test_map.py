"""ThreadPoolExecutor.map over Python functions: one suite over the standard pool and ours, then what ours adds."""

from __future__ import annotations

import concurrent.futures
import contextvars
import gc
import itertools
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import conc
from conc import kernels

EXECUTORS: list[Any] = [concurrent.futures.ThreadPoolExecutor, conc.ThreadPoolExecutor]

both = pytest.mark.parametrize("executor", EXECUTORS, ids=["standard", "conc"])


@both
def test_calls_of_one_map_wait_for_each_other(executor: Any) -> None:
    barrier = threading.Barrier(3)
    with executor(3) as pool:
        assert sorted(pool.map(lambda _: barrier.wait(), range(9))) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


@both
def test_calls_begin_while_the_items_come(executor: Any) -> None:
    begun = [threading.Event() for _ in range(200)]

    def items() -> Iterator[int]:
        for number in range(200):
            yield number
            begun[number].wait()

    with executor(2) as pool:
        results = pool.map(lambda number: begun[number].set() or number, items())
        assert list(results) == list(range(200))


@both
def test_several_iterables_end_with_the_shortest(executor: Any) -> None:
    with executor(2) as pool:
        assert list(pool.map(pow, itertools.count(2), [1, 2, 3])) == [2, 9, 64]
        assert list(pool.map(max, "ab", "ba", "cc")) == ["c", "c"]
        assert list(pool.map(pow, [], [1])) == []
        with pytest.raises(TypeError):
            pool.map(pow, 3)


@both
def test_an_error_of_the_items_comes_from_map(executor: Any) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    with executor(1) as pool, pytest.raises(LookupError, match="no more"):
        pool.map(abs, items())


@both
def test_what_is_dropped_untouched_still_runs(executor: Any) -> None:
    ran: list[int] = []
    with executor(2) as pool:
        pool.map(ran.append, range(300))
    assert sorted(ran) == list(range(300))


@both
def test_what_is_dropped_half_way_begins_nothing_more(executor: Any, gate: threading.Event) -> None:
    ran: list[int] = []

    def call(number: int) -> None:
        ran.append(number)
        if number:
            gate.wait()

    with executor(1) as pool:
        results = pool.map(call, range(100))
        next(results)
        del results
        gc.collect()
        gate.set()
    assert ran in ([0], [0, 1])


@both
def test_after_an_error_nothing_more_begins(executor: Any, gate: threading.Event) -> None:
    ran: list[int] = []

    def call(number: int) -> int:
        ran.append(number)
        if number == 2:
            gate.wait()
        return 1 // number

    with executor(1) as pool:
        results = pool.map(call, [1, 0, 2, 3, 4])
        assert next(results) == 1
        with pytest.raises(ZeroDivisionError) as caught:
            next(results)
        assert caught.traceback[-1].name == "call"
        assert list(results) == []
        gate.set()
    assert ran in ([1, 0], [1, 0, 2])


@both
def test_a_call_that_raises_stop_iteration(executor: Any) -> None:
    with executor(1) as pool:
        with pytest.raises(RuntimeError, match="raised StopIteration") as caught:
            list(pool.map(next, [iter([1]), iter([])]))
        assert isinstance(caught.value.__cause__, StopIteration)


@both
def test_cancelling_drops_what_has_not_begun(executor: Any, gate: threading.Event) -> None:
    begun = threading.Event()

    def call(number: int) -> int:
        begun.set()
        gate.wait()
        return number

    pool = executor(1)
    results = pool.map(call, range(10))
    begun.wait()
    pool.shutdown(wait=False, cancel_futures=True)
    gate.set()
    assert next(results) == 0
    with pytest.raises(CancelledError):
        next(results)
    pool.shutdown()


@both
def test_a_queued_map_is_cancelled_as_a_whole(executor: Any, gate: threading.Event) -> None:
    pool = executor(1)
    first = pool.submit(gate.wait)
    results = pool.map(abs, range(3))
    pool.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(CancelledError):
        next(results)
    gate.set()
    assert first.cancelled() or first.result()
    pool.shutdown()


def test_a_map_of_a_broken_pool(caplog: pytest.LogCaptureFixture) -> None:
    with (
        conc.ThreadPoolExecutor(1, initializer=lambda: 1 // 0) as pool,
        pytest.raises(concurrent.futures.BrokenExecutor),
    ):
        list(pool.map(abs, range(3)))
    assert "ZeroDivisionError" in caplog.text


@both
def test_items_and_results_are_let_go(executor: Any) -> None:
    class Thing:
        pass

    with executor(2) as pool:
        things = [Thing() for _ in range(5)]
        refs = [weakref.ref(thing) for thing in things]
        for result in pool.map(lambda thing: thing, things):
            assert isinstance(result, Thing)
        del things, result
        pool.submit(int).result()
        pool.submit(int).result()
        assert [ref() for ref in refs] == [None] * 5


@both
def test_a_cycle_through_a_map_is_collected(executor: Any) -> None:
    class Holder:
        results: Any = None

        def call(self, number: int) -> int:
            return number

    with executor(1) as pool:
        holder = Holder()
        holder.results = pool.map(holder.call, range(20))
        assert next(holder.results) == 0
    ref = weakref.ref(holder)
    del holder
    gc.collect()
    assert ref() is None


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 200, 100_000])
def test_every_size(count: int) -> None:
    with conc.ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda n: n + 1, range(count))) == list(range(1, count + 1))
        assert list(pool.map(lambda n: n + 1, iter(range(count)))) == list(range(1, count + 1))


@settings(max_examples=40)
@given(
    items=st.lists(st.integers(-3, 3), max_size=40),
    size=st.none() | st.integers(1, 5),
    workers=st.integers(1, 4),
)
def test_as_the_built_in_map(items: list[int], size: int | None, workers: int) -> None:
    def call(number: int) -> int:
        return 6 // number

    with conc.ThreadPoolExecutor(workers) as pool:
        got: list[object] = []
        try:
            got.extend(pool.map(call, items, buffersize=size))
        except ZeroDivisionError:
            got.append("error")
    expected: list[object] = []
    for number in items:
        if number == 0:
            expected.append("error")
            break
        expected.append(call(number))
    assert got == expected


def test_a_buffer_bounds_what_is_taken() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in itertools.count():
            taken.append(number)
            yield number

    with conc.ThreadPoolExecutor(2) as pool:
        results = pool.map(abs, items(), buffersize=3)
        assert taken == [0, 1, 2]
        for number in range(10):
            assert next(results) == number
            assert taken[-1] == number + 3
        del results
        assert list(itertools.islice(pool.map(pow, itertools.count(), itertools.repeat(2), buffersize=1), 4)) == [
            0,
            1,
            4,
            9,
        ]
        assert list(pool.map(kernels.prime_factors, [6, 8], buffersize=1)) == [[2, 3], [2, 2, 2]]
        results = pool.map(abs, items(), buffersize=2)
    with pytest.raises(RuntimeError, match="after shutdown"):
        next(results)


@pytest.mark.parametrize(("size", "error"), [("2", TypeError), (2.0, TypeError), (0, ValueError), (-1, ValueError)])
def test_wrong_buffer_sizes(size: Any, error: type[Exception]) -> None:
    with conc.ThreadPoolExecutor(1) as pool, pytest.raises(error, match="buffersize must be"):
        pool.map(abs, [1], buffersize=size)


def test_context_variables_are_those_of_the_caller() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)

    def add_one(_: object) -> int:
        variable.set(variable.get() + 1)
        return variable.get()

    with conc.ThreadPoolExecutor(1) as pool:
        variable.set(10)
        results = pool.map(add_one, range(3))
        variable.set(20)
        assert list(results) == [11, 12, 13]
        assert variable.get() == 20
        assert list(pool.map(add_one, range(1))) == [21]


def test_a_task_maps_over_its_own_pool() -> None:
    def total(depth: int) -> int:
        return sum(pool.map(total, [depth - 1] * 2)) if depth else 1

    for _ in range(20):
        with conc.ThreadPoolExecutor(1) as pool:
            assert pool.submit(total, 4).result() == 16


def test_a_timeout_ends_the_map(gate: threading.Event) -> None:
    with conc.ThreadPoolExecutor(1) as pool:
        results = pool.map(lambda n: n or gate.wait(), [1, 0, 2], timeout=0.05)
        assert next(results) == 1
        with pytest.raises(TimeoutError):
            next(results)
        assert list(results) == []
        gate.set()


def test_an_iterator_is_for_one_at_a_time() -> None:
    def items() -> Iterator[int]:
        yield 1
        with pytest.raises(ValueError, match="already in use"):
            next(results)
        yield 2

    with conc.ThreadPoolExecutor(1) as pool:
        results = pool.map(abs, items(), buffersize=1)
        assert list(results) == [1, 2]
