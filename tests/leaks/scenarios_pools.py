"""Leak scenarios: pools, futures, and native functions that run in them."""

from __future__ import annotations

import array
import asyncio
import concurrent.futures
import contextlib
import ctypes
import dataclasses
import datetime
import importlib.util
import io
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from leak_actors import ARGUMENT, RESULT, TARGET, Refusal, fail, quiet
from leak_table import covers, refused

import conc
from conc import _core

_LIBC = ctypes.CDLL(None)
_LLABS = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(("llabs", _LIBC))
_BODY = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)(("llabs", _LIBC))  # ignores the rest


def loops_over_a_range(pool: Any) -> None:
    """The native loops of an executor, or of the core's Pool, whose arguments all have to be given."""
    bare = isinstance(pool, _core.Pool)
    numbers = array.array("q", [-1, 2])
    pool.map_into(numbers, conc.native(_LLABS), numbers)
    assert list(numbers) == [1, 2]
    pool.parallel_for(conc.native(_BODY), 0, 10, 1, numbers)
    refused(TypeError, pool.parallel_for, conc.native(_LLABS), 0, 10, 1, numbers)
    refused(ValueError, pool.parallel_for, conc.native(_BODY), 1, 0, 1, numbers)
    refused(ValueError, pool.map_into, numbers, conc.native(_LLABS), array.array("q", [1]))
    refused(TypeError, pool.map_into, numbers, conc.native(_LLABS), array.array("d", [1]))
    refused(BufferError, pool.map_into, bytes(16), conc.native(_LLABS), numbers)
    if not bare:
        refused(TypeError, pool.map_into, numbers, conc.native(_LLABS))


@covers("conc.register_joblib_backend")
def joblib_backend() -> None:
    with mock.patch.dict("sys.modules", joblib=None):
        refused(ImportError, conc.register_joblib_backend)
    if importlib.util.find_spec("joblib") is None:
        return
    conc.register_joblib_backend()
    joblib: Any = importlib.import_module("joblib")
    with joblib.parallel_config(backend="conc", n_jobs=2):
        assert joblib.Parallel()(joblib.delayed(pow)(2, n) for n in range(3)) == [1, 2, 4]


@contextmanager
def replaced(name: str, function: Callable[..., object]) -> Iterator[None]:
    """A function of conc.natives while the block runs. A mock would be a new class each time, kept without the GIL."""
    before = getattr(conc.natives, name)
    setattr(conc.natives, name, function)
    try:
        yield
    finally:
        setattr(conc.natives, name, before)


@covers("conc.native", "conc.compile_c", "conc.CompileError", "conc._core.native", "conc._core.capsule")
def native_functions() -> None:
    function = conc.native(_LLABS, "int64(int64)")
    assert function(-3) == 3
    refused(TypeError, function, ARGUMENT)
    refused(TypeError, conc.native, _LLABS, "double(double)")
    refused(TypeError, conc.native, ARGUMENT)
    refused(ValueError, conc.native, _LLABS, "nonsense")
    refused(ValueError, conc.native, 0, "int64(int64)")
    refused(TypeError, _core.capsule, ARGUMENT)
    assert _core.capsule(datetime.datetime_CAPI)[0] == "datetime.datetime_CAPI"
    # Not through the environment: what libc keeps of that is not given back.
    with (
        tempfile.TemporaryDirectory() as cache,
        replaced("_cache", lambda: Path(cache)),
        replaced("_compiler", lambda: "false"),
    ):
        # A library that is loaded stays so, and with it what ctypes keeps of it: this one cannot be made.
        refused(conc.CompileError, conc.compile_c, "double f(double x) { return x; }")


@covers("conc.ThreadPoolExecutor", "conc.ThreadPoolExecutor.*", "conc.Future", "conc.Future.result")
def pool_runs_python() -> None:
    with conc.ThreadPoolExecutor(2, "leaks", initializer=TARGET, initargs=(ARGUMENT,)) as pool:
        loops_over_a_range(pool)
        assert pool.with_options(priority=1).submit(TARGET, ARGUMENT).result() is RESULT
        assert pool.stats().run >= 1
        assert pool.submit(TARGET, ARGUMENT, key=ARGUMENT).result() is RESULT
        assert list(pool.map(TARGET, [ARGUMENT] * 3)) == [RESULT] * 3
        refused(Refusal, pool.submit(fail, ARGUMENT).result)
        refused(Refusal, list, pool.map(fail, [ARGUMENT] * 2))
    refused(RuntimeError, pool.submit, TARGET, ARGUMENT)
    refused(RuntimeError, pool.map, TARGET, [ARGUMENT])


@covers("conc.ThreadPoolExecutor", "conc.ThreadPoolExecutor.*", "conc._core.Batch", "conc._core.Pool.counts")
def pool_runs_kernels() -> None:
    with conc.ThreadPoolExecutor(2) as pool:
        loops_over_a_range(pool)
        assert pool.with_options(priority=1).submit(conc.kernels.prime_factors, 4).result() == [2, 2]
        assert pool.stats().run >= 1
        assert pool.submit(conc.kernels.prime_factors, 12).result() == [2, 2, 3]
        refused(TypeError, pool.submit(conc.kernels.prime_factors, ARGUMENT).result)
        results = pool.map(conc.kernels.prime_factors, [4, 6])
        assert isinstance(results, _core.Batch)
        assert list(results) == [[2, 2], [2, 3]]
        refused(TypeError, list, pool.map(conc.kernels.prime_factors, [4, ARGUMENT]))
        go = threading.Event()
        held = [pool.submit(go.wait) for _ in range(2)]
        refused(TimeoutError, list, pool.map(conc.kernels.prime_factors, [4], timeout=0))
        go.set()
        assert all(future.result() for future in held)
        next(pool.map(conc.kernels.prime_factors, [4, 6, 8]))  # dropped with results that nobody asked for
        assert len(pool._workers.counts()) == 3
    refused(RuntimeError, pool.map, conc.kernels.prime_factors, [4])


@covers(
    "conc.ThreadPoolExecutor.with_options",
    "conc.ThreadPoolExecutor.stats",
    "conc.executors.RankedView.*",
    "conc.PoolStats",
    "conc.PoolStats.*",
    "conc._core.Pool.submit_ranked",
    "conc._core.Pool.totals",
)
def pool_with_options() -> None:
    with conc.ThreadPoolExecutor(1) as pool:
        view = pool.with_options(priority=1, deadline=600)
        assert view.submit(TARGET, ARGUMENT).result() is RESULT
        assert list(view.map(TARGET, [ARGUMENT] * 2)) == [RESULT] * 2
        assert view.submit(conc.kernels.prime_factors, 4).result() == [2, 2]
        go, begun = threading.Event(), threading.Event()
        held = pool.submit(lambda: (begun.set(), go.wait()))
        begun.wait()
        late = [pool.with_options(deadline=0).submit(TARGET, ARGUMENT)]
        time.sleep(1e-6)
        go.set()
        refused(TimeoutError, late.pop().result)
        held.result()
        stats = pool.stats()
        assert stats.to_dict().keys() == {field.name for field in dataclasses.fields(stats)}
        assert stats.to_json()
        for name in stats.to_dict():
            assert getattr(stats, name) >= 0
        refused(TypeError, pool.with_options, priority=ARGUMENT)
        refused(TypeError, pool.with_options, deadline=ARGUMENT)
    view.shutdown()
    refused(RuntimeError, view.submit, TARGET)


@covers(
    "conc.ThreadPoolExecutor.map", "conc._core.CallBatch", "conc._core.CallBatch.close", "conc._core.Pool.map_calls"
)
def pool_maps_calls() -> None:
    with conc.ThreadPoolExecutor(2) as pool:
        results = pool.map(TARGET, [ARGUMENT] * 100)
        assert isinstance(results, _core.CallBatch)
        assert list(results) == [RESULT] * 100
        assert list(pool.map(lambda *given: given, [ARGUMENT] * 3, [RESULT] * 3)) == [(ARGUMENT, RESULT)] * 3
        assert len(list(pool.map(TARGET, iter([ARGUMENT] * 5), buffersize=2))) == 5
        refused(ZeroDivisionError, list, pool.map(lambda _: 1 // 0, [ARGUMENT] * 3))
        refused(TypeError, pool.map, TARGET, ARGUMENT)
        refused(ValueError, pool.map, TARGET, [ARGUMENT], buffersize=0)
        refused(TimeoutError, list, pool.map(time.sleep, [0.01], timeout=0))
        next(pool.map(TARGET, [ARGUMENT] * 8))  # dropped with results that nobody asked for
        pool.map(TARGET, [ARGUMENT] * 8)  # dropped untouched
        pool.map(TARGET, [ARGUMENT] * 8).close()
    refused(RuntimeError, pool.map, TARGET, [ARGUMENT])


@covers("conc.ThreadPoolExecutor.shutdown", "conc.Future.cancelled", "conc._core.Pool.cancel_queued")
def pool_is_cancelled() -> None:
    begun, go = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        go.wait()

    pool = conc.ThreadPoolExecutor(1)
    held = pool.submit(hold)
    begun.wait()
    queued = [pool.submit(TARGET, ARGUMENT) for _ in range(3)]
    batch = pool.map(conc.kernels.prime_factors, [4, 6])
    pool.shutdown(wait=False, cancel_futures=True)
    go.set()
    assert held.result() is None
    assert all(future.cancelled() for future in queued)
    refused(concurrent.futures.CancelledError, list, batch)
    pool.shutdown()


@covers("conc.ThreadPoolExecutor")
def pool_is_refused_or_breaks() -> None:
    refused(ValueError, conc.ThreadPoolExecutor, 0)
    refused(TypeError, conc.ThreadPoolExecutor, "2")
    refused(TypeError, conc.ThreadPoolExecutor, 1, initializer=1)
    with quiet(), conc.ThreadPoolExecutor(1, initializer=fail) as pool:
        with contextlib.suppress(concurrent.futures.thread.BrokenThreadPool):
            pool.submit(TARGET, ARGUMENT).result()
        refused(concurrent.futures.thread.BrokenThreadPool, pool.submit, TARGET, ARGUMENT)


@covers("conc.ThreadPoolExecutor")
def pool_is_dropped() -> None:
    future = conc.ThreadPoolExecutor(1).submit(TARGET, ARGUMENT)
    assert future.result() is RESULT


@covers("conc.Future", "conc.Future.*", "conc._core.FutureState", "conc._core.FutureState.*")
def future_lives() -> None:
    seen: list[object] = []
    future: conc.Future[object] = conc.Future()
    future.add_done_callback(seen.append)
    refused(TimeoutError, future.result, 0)
    refused(TimeoutError, future.exception, 0)
    assert future.set_running_or_notify_cancel()
    assert future.running()
    assert not future.cancel()
    future.set_result(RESULT)
    refused(concurrent.futures.InvalidStateError, future.set_result, RESULT)
    refused(concurrent.futures.InvalidStateError, future.set_exception, Refusal())
    refused(RuntimeError, future.set_running_or_notify_cancel)
    future.add_done_callback(seen.append)
    assert future.done()
    assert future.result() is RESULT
    assert future.exception() is None
    assert seen == [future, future]

    raising: list[conc.Future[object]] = [conc.Future()]
    raising[0].set_exception(Refusal(ARGUMENT))
    assert type(raising[0].exception()) is Refusal
    refused(Refusal, raising.pop().result)  # its traceback keeps this frame, which must not hold the future

    cancelled: conc.Future[object] = conc.Future()
    with quiet():
        cancelled.add_done_callback(fail)
        assert cancelled.cancel()
        cancelled.add_done_callback(fail)
    assert cancelled.cancelled()
    assert not cancelled.set_running_or_notify_cancel()
    refused(concurrent.futures.CancelledError, cancelled.result)


@covers("conc.Future")
def futures_are_awaited() -> None:
    async def use(pool: conc.ThreadPoolExecutor) -> None:
        assert await pool.submit(TARGET, ARGUMENT) is RESULT
        assert await asyncio.gather(*[pool.submit(TARGET, ARGUMENT) for _ in range(3)]) == [RESULT] * 3
        assert await asyncio.get_running_loop().run_in_executor(pool, TARGET, ARGUMENT) is RESULT
        go = threading.Event()
        held = pool.submit(go.wait)

        async def wait() -> bool:
            return await held

        waiting = asyncio.ensure_future(wait())
        await asyncio.sleep(0.001)
        waiting.cancel()
        await asyncio.wait([waiting])
        go.set()
        assert await held

    with conc.ThreadPoolExecutor(1) as pool:
        asyncio.run(use(pool))


@covers("conc.Future")
def future_is_waited_for() -> None:
    futures: list[conc.Future[object]] = [conc.Future() for _ in range(3)]
    concurrent.futures.wait(futures, timeout=0)
    futures[0].set_result(RESULT)
    futures[1].set_exception(Refusal())
    futures[2].cancel()
    futures[2].set_running_or_notify_cancel()
    assert len(concurrent.futures.wait(futures).done) == 3
    assert len(list(concurrent.futures.as_completed(futures))) == 3
    with contextlib.redirect_stderr(io.StringIO()):
        repr(futures)


class _BarePool(_core.Pool):
    def _enter_worker(self, index: int) -> None:
        pass

    def _leave_worker(self) -> None:
        pass


@covers("conc._core.Pool", "conc._core.Pool.*")
def pool_alone() -> None:
    pool = _BarePool(1, conc.Future)
    assert pool.submit(TARGET, ARGUMENT).result() is RESULT
    assert list(pool.map_kernel(conc.kernels.prime_factors, ((4,),))) == [[2, 2]]
    refused(TypeError, pool.map_kernel, conc.kernels.prime_factors, ((4,), ()))
    assert list(pool.map_calls(TARGET, iter([ARGUMENT]), False, True)) == [RESULT]
    refused(TypeError, pool.map_calls, TARGET, ARGUMENT, False, True)
    held = [pool.submit(conc.kernels.sleep, 60.0)]
    pool.request_stop()
    refused(OSError, held.pop().result)
    assert len(pool.counts()) == 3
    assert len(pool.totals()) == 6
    assert not pool.is_broken()
    assert pool.submit_ranked(1, None, TARGET, ARGUMENT).result() is RESULT
    loops_over_a_range(pool)
    refused(TypeError, pool.submit_ranked, 1)
    refused(TypeError, pool.submit_ranked, ARGUMENT, None, TARGET)
    pool.close()
    pool.cancel_queued()
    assert pool.join()
    refused(RuntimeError, pool.submit, TARGET)
    refused(TypeError, _core.Pool, 1, object)
