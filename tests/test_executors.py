"""conc.ThreadPoolExecutor: one suite over the standard pool and ours. What ours adds: test_own_pool.py."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import logging
import random
import threading
import weakref
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, CancelledError
from concurrent.futures.thread import BrokenThreadPool
from typing import Any

import pytest
from executors_support import Boom, boom, os_threads
from threads_support import until

import conc

EXECUTORS: list[Any] = [concurrent.futures.ThreadPoolExecutor, conc.ThreadPoolExecutor]

both = pytest.mark.parametrize("executor", EXECUTORS, ids=["standard", "conc"])


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
