"""conc.ThreadPoolExecutor: one suite over the standard pool and ours, then what ours adds."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import logging
import os
import random
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, CancelledError
from concurrent.futures.thread import BrokenThreadPool
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import conc
from conc import _core, kernels

EXECUTORS: list[Any] = [concurrent.futures.ThreadPoolExecutor, conc.ThreadPoolExecutor]

both = pytest.mark.parametrize("executor", EXECUTORS, ids=["standard", "conc"])


class Boom(Exception):
    """What the tests raise."""


def boom(*args: object) -> None:
    raise Boom(*args)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """An event that tasks wait for; opened at the latest when the test ends."""
    event = threading.Event()
    yield event
    event.set()


def os_threads() -> int:
    return len(os.listdir("/proc/self/task"))


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, f"did not come: {what}"
        os.sched_yield()


# -- both pools -----------------------------------------------------------------------------------------------------


@both
def test_submit(executor: Any) -> None:
    with executor(2) as pool:
        assert pool.submit(pow, 2, 10).result() == 1024
        assert pool.submit(int, "ff", base=16).result() == 255
        assert pool.submit(dict, fn=1, self=2).result() == {"fn": 1, "self": 2}
        future = pool.submit(boom, "a", 1)
        assert isinstance(future, concurrent.futures.Future)
        assert future.exception().args == ("a", 1)
        with pytest.raises(Boom):
            future.result()
        frames = []
        tb = future.exception().__traceback__
        while tb is not None:
            frames.append(tb.tb_frame.f_code.co_name)
            tb = tb.tb_next
        assert frames[-1] == "boom"


@both
def test_submit_needs_a_function(executor: Any) -> None:
    with executor(1) as pool:
        with pytest.raises(TypeError):
            pool.submit()
        with pytest.raises(TypeError, match="not callable"):
            pool.submit(3).result()


@both
def test_map(executor: Any) -> None:
    with executor(3) as pool:
        assert list(pool.map(pow, range(10), range(10))) == list(map(pow, range(10), range(10)))
        assert list(pool.map(str, [])) == []
        results = pool.map(divmod, [1, 1, 1], [1, 0, 1])
        assert next(results) == (1, 0)
        with pytest.raises(ZeroDivisionError):
            next(results)
        with pytest.raises(StopIteration):
            next(results)


@both
def test_map_in_time(executor: Any, gate: threading.Event) -> None:
    with executor(1) as pool:
        results = pool.map(gate.wait, [None], timeout=0.0)
        with pytest.raises(TimeoutError):
            next(results)
        gate.set()


@both
def test_wait_and_as_completed(executor: Any, gate: threading.Event) -> None:
    with executor(2) as pool:
        slow, quick, failing = pool.submit(gate.wait), pool.submit(int), pool.submit(boom)
        done, pending = concurrent.futures.wait([slow, failing, quick], return_when=FIRST_EXCEPTION)
        assert failing in done
        assert slow in pending
        done, pending = concurrent.futures.wait([slow, quick], return_when=FIRST_COMPLETED)
        assert (done, pending) == ({quick}, {slow})
        assert concurrent.futures.wait([slow], timeout=0).not_done == {slow}
        iterator = concurrent.futures.as_completed([slow, quick])
        assert next(iterator) is quick
        gate.set()
        assert next(iterator) is slow
        assert concurrent.futures.wait([slow, quick, failing]).not_done == set()


@both
def test_as_completed_with_many_futures_from_many_threads(executor: Any) -> None:
    with executor(4) as pool:
        futures = [pool.submit(pow, i, 2) for i in range(500)]
        assert sorted(f.result() for f in concurrent.futures.as_completed(futures)) == [i * i for i in range(500)]


@both
def test_cancel_what_is_queued(executor: Any, gate: threading.Event) -> None:
    with executor(1) as pool:
        running = pool.submit(gate.wait)
        queued = pool.submit(int)
        until(running.running, "the first task runs")
        assert not running.cancel()
        assert queued.cancel()
        assert queued.cancel()
        assert queued.cancelled()
        assert queued.done()
        with pytest.raises(CancelledError):
            queued.result()
        gate.set()
        assert concurrent.futures.wait([queued, running]).not_done == set()


@both
def test_shutdown(executor: Any) -> None:
    pool = executor(2)
    futures = [pool.submit(pow, i, 2) for i in range(50)]
    pool.shutdown()
    assert [f.result() for f in futures] == [i * i for i in range(50)]
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        pool.submit(int)
    pool.shutdown()


@both
def test_shutdown_cancels(executor: Any, gate: threading.Event) -> None:
    pool = executor(1)
    running = pool.submit(gate.wait)
    queued = [pool.submit(int) for _ in range(10)]
    until(running.running, "the first task runs")
    pool.shutdown(wait=False, cancel_futures=True)
    assert all(f.cancelled() for f in queued)
    gate.set()
    assert running.result() is True


@both
def test_initializer(executor: Any) -> None:
    local = threading.local()

    def prepare(value: str) -> None:
        local.value = value

    with executor(2, initializer=prepare, initargs=("ready",)) as pool:
        assert [pool.submit(getattr, local, "value").result() for _ in range(4)] == ["ready"] * 4


@both
def test_failing_initializer(executor: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL, "concurrent.futures"):
        pool = executor(2, initializer=boom)
        future = pool.submit(int)
        with pytest.raises(BrokenThreadPool):
            future.result()
        with pytest.raises(BrokenThreadPool):
            pool.submit(int)
        pool.shutdown()
    assert "Exception in initializer" in caplog.text


@both
@pytest.mark.parametrize(
    ("arguments", "error"),
    [((0,), ValueError), ((-1,), ValueError), ((1, "", 3), TypeError)],
)
def test_wrong_arguments(executor: Any, arguments: tuple[Any, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        executor(*arguments)


@both
def test_worker_names(executor: Any) -> None:
    with executor(1, "mine") as pool:
        thread = pool.submit(threading.current_thread).result()
        assert thread.name == "mine_0"
        assert thread in threading.enumerate()
        record = pool.submit(logging.LogRecord, "x", logging.INFO, "", 0, "", None, None).result()
        assert record.threadName == "mine_0"
    assert thread not in threading.enumerate()


@both
def test_no_more_workers_than_needed(executor: Any) -> None:
    before = os_threads()
    with executor(8) as pool:
        for _ in range(20):
            pool.submit(int).result()
        assert os_threads() - before <= 8
    until(lambda: os_threads() <= before, "every worker is gone")


@both
def test_a_dropped_pool_finishes_its_work(executor: Any) -> None:
    before = os_threads()
    pool = executor(2)
    futures = [pool.submit(pow, i, 2) for i in range(100)]
    del pool
    gc.collect()
    assert [f.result() for f in futures] == [i * i for i in range(100)]
    del futures
    until(lambda: os_threads() <= before, "the workers of a dropped pool are gone")


@both
def test_arguments_and_results_are_let_go(executor: Any) -> None:
    class Thing:
        pass

    with executor(1) as pool:
        thing = Thing()
        ref = weakref.ref(thing)
        future = pool.submit(lambda x: None, thing)
        future.result()
        del thing
        pool.submit(int).result()
        gc.collect()
        assert ref() is None
        result = pool.submit(Thing).result()
        ref = weakref.ref(result)
        del result
        pool.submit(int).result()
        gc.collect()
        assert ref() is None


@both
def test_asyncio(executor: Any) -> None:
    async def main(pool: Any) -> list[int]:
        loop = asyncio.get_running_loop()
        first = asyncio.wrap_future(pool.submit(pow, 2, 5))
        return [await first, *await asyncio.gather(*(loop.run_in_executor(pool, pow, i, 2) for i in range(10)))]

    with executor(2) as pool:
        assert asyncio.run(main(pool)) == [32] + [i * i for i in range(10)]


@both
def test_nested_submits(executor: Any) -> None:
    with executor(4) as pool:

        def outer(i: int) -> Any:
            return pool.submit(pow, i, 2)

        inner = [pool.submit(outer, i) for i in range(50)]
        assert [f.result().result() for f in inner] == [i * i for i in range(50)]


@both
def test_ctypes_callbacks_inside_tasks(executor: Any) -> None:
    """A callback through PyGILState_Ensure must find the worker's own thread state."""
    import ctypes

    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)

    def sort() -> list[int]:
        libc = ctypes.CDLL(None)
        array = (ctypes.c_int * 5)(5, 3, 1, 4, 2)

        def compare(a: int, b: int) -> int:
            return ctypes.c_int.from_address(a).value - ctypes.c_int.from_address(b).value

        libc.qsort(array, 5, 4, kind(compare))
        return list(array)

    with executor(2) as pool:
        assert [pool.submit(sort).result() for _ in range(20)] == [[1, 2, 3, 4, 5]] * 20


@pytest.mark.parametrize("seed", range(3))
@both
def test_every_task_is_accounted_for(executor: Any, seed: int) -> None:
    rng = random.Random(seed)
    ran: list[int] = []

    def work(i: int, kind: int) -> int:
        ran.append(i)
        if kind == 1:
            raise Boom(i)
        return i

    with executor(4) as pool:
        kinds = [rng.randrange(3) for _ in range(2000)]
        futures = []
        for i, kind in enumerate(kinds):
            future = pool.submit(work, i, kind)
            if kind == 2:
                future.cancel()
            futures.append(future)
    cancelled = {i for i, f in enumerate(futures) if f.cancelled()}
    assert sorted(ran) == sorted(set(range(2000)) - cancelled)
    for i, (future, kind) in enumerate(zip(futures, kinds, strict=True)):
        if i in cancelled:
            assert kind == 2
        elif kind == 1:
            assert future.exception().args == (i,)
        else:
            assert future.result() == i


@both
def test_threads_of_tasks_are_no_daemons(executor: Any) -> None:
    with executor(1) as pool:
        assert pool.submit(lambda: threading.Thread().daemon).result() is False


@both
def test_workers_follow_the_trace_hooks(executor: Any) -> None:
    called: list[str] = []

    def work() -> None:
        pass

    def profile(frame: Any, event: str, arg: object) -> None:
        if frame.f_code is work.__code__:
            called.append(event)

    before = threading.getprofile()
    threading.setprofile(profile)
    try:
        with executor(1) as pool:
            pool.submit(work).result()
    finally:
        threading.setprofile(before)  # type: ignore[arg-type]
    assert called == ["call", "return"]


def own_stack_bytes() -> int:
    """The size of the calling thread's stack, as the C library tells it."""
    import ctypes

    libc = ctypes.CDLL(None)
    libc.pthread_self.restype = ctypes.c_void_p
    attr, size = ctypes.create_string_buffer(128), ctypes.c_size_t()
    assert libc.pthread_getattr_np(ctypes.c_void_p(libc.pthread_self()), attr) == 0
    assert libc.pthread_attr_getstacksize(attr, ctypes.byref(size)) == 0
    libc.pthread_attr_destroy(attr)
    return size.value


def test_stack_size() -> None:
    before = threading.stack_size(64 << 20)
    try:
        thread = conc.Thread(target=own_stack_bytes)
        thread.start()
        assert thread.result() >= 64 << 20
        with conc.ThreadPoolExecutor(1) as pool:
            assert pool.submit(own_stack_bytes).result() >= 64 << 20
    finally:
        threading.stack_size(before)


@both
def test_as_the_default_executor_of_a_loop(executor: Any) -> None:
    async def main() -> int:
        asyncio.get_running_loop().set_default_executor(executor(2))
        return await asyncio.to_thread(pow, 2, 5)

    assert asyncio.run(main()) == 32


# -- ours -----------------------------------------------------------------------------------------------------------


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
@settings(max_examples=40, deadline=None)
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
