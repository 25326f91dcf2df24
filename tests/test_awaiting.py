"""Futures of conc on an event loop: awaited, gathered, through run_in_executor, on asyncio's loop and on uvloop's."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import importlib.util
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

import conc
from conc import kernels

Run = Callable[[Coroutine[Any, Any, Any]], Any]

UVLOOP = pytest.param(
    "uvloop",
    marks=[
        pytest.mark.main_interpreter("uvloop"),
        pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed here"),
    ],
)


@pytest.fixture(params=["asyncio", UVLOOP])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a coroutine on one loop, which is closed at the end."""
    if request.param == "uvloop":
        loop: asyncio.AbstractEventLoop = importlib.import_module("uvloop").new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    yield loop.run_until_complete
    loop.close()


@pytest.fixture
def pool() -> Iterator[conc.ThreadPoolExecutor]:
    with conc.ThreadPoolExecutor(2) as made:
        yield made


class ScarceLoop(asyncio.SelectorEventLoop):
    """Has no memory for the first wake-ups from other threads."""

    refused = 0

    def call_soon_threadsafe(self, *arguments: Any, **options: Any) -> Any:
        if self.refused < 3:
            self.refused += 1
            raise MemoryError
        return super().call_soon_threadsafe(*arguments, **options)


def test_a_wake_up_without_memory_is_tried_again(pool: conc.ThreadPoolExecutor, gate: threading.Event) -> None:
    async def await_one() -> None:
        waiting = asyncio.ensure_future(wrap())
        for _ in range(5):  # turns, until it waits to be woken
            await asyncio.sleep(0)
        gate.set()
        assert await waiting is True

    async def wrap() -> Any:
        return await pool.submit(gate.wait)

    loop = ScarceLoop()
    loop.run_until_complete(await_one())
    assert loop.refused == 3
    gate.clear()
    loop.run_until_complete(await_one())
    loop.close()


def test_await(run: Run, pool: conc.ThreadPoolExecutor, gate: threading.Event) -> None:
    async def main() -> None:
        assert await pool.submit(pow, 2, 5) == 32
        assert await pool.submit(kernels.prime_factors, 12) == [2, 2, 3]
        with pytest.raises(ZeroDivisionError):
            await pool.submit(divmod, 1, 0)
        done = pool.submit(int)
        done.result()
        assert await done == 0
        waiting = pool.submit(gate.wait)
        asyncio.get_running_loop().call_later(0.01, gate.set)
        assert await waiting is True
        assert await waiting is True

    run(main())


def test_many_come_in_batches(run: Run, pool: conc.ThreadPoolExecutor, gate: threading.Event) -> None:
    wake_ups = 0

    async def main() -> None:
        nonlocal wake_ups
        loop = asyncio.get_running_loop()
        threadsafe = loop.call_soon_threadsafe

        def counted(*args: Any, **kwargs: Any) -> Any:
            nonlocal wake_ups
            wake_ups += 1
            return threadsafe(*args, **kwargs)

        try:
            loop.call_soon_threadsafe = counted  # type: ignore[method-assign]
        except AttributeError:  # uvloop's cannot be replaced
            wake_ups = -1
        first = pool.submit(gate.wait), pool.submit(gate.wait)
        futures = [pool.submit(pow, n, 2) for n in range(5_000)]

        async def one(future: conc.Future[int]) -> int:
            return await future

        gathered = asyncio.gather(*map(one, futures))
        for _ in range(5):
            await asyncio.sleep(0)  # all wait by now
        gate.set()
        assert await gathered == [n * n for n in range(5_000)]
        assert [await future for future in first] == [True, True]

    run(main())
    assert wake_ups < 1_000


def test_gather(run: Run, pool: conc.ThreadPoolExecutor) -> None:
    async def main() -> None:
        results = await asyncio.gather(*[pool.submit(pow, n, 2) for n in range(500)], return_exceptions=True)
        assert results == [n * n for n in range(500)]

    run(main())


def test_cancelling_the_await_leaves_the_task(run: Run, pool: conc.ThreadPoolExecutor, gate: threading.Event) -> None:
    async def wait(future: conc.Future[bool]) -> bool:
        return await future

    async def main() -> None:
        future = pool.submit(gate.wait)
        tasks = [asyncio.ensure_future(wait(future)) for _ in range(3)]
        await asyncio.sleep(0.001)
        tasks[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wait(future), 0.001)
        assert not future.done()
        gate.set()
        assert await asyncio.gather(*tasks[1:]) == [True, True]

    run(main())


def test_a_cancelled_future(run: Run, pool: conc.ThreadPoolExecutor, gate: threading.Event) -> None:
    async def main() -> None:
        blocked = [pool.submit(gate.wait) for _ in range(2)]
        queued = pool.submit(int)
        asyncio.get_running_loop().call_later(0.001, queued.cancel)
        with pytest.raises(concurrent.futures.CancelledError):
            await queued
        gate.set()
        assert [await future for future in blocked] == [True, True]

    run(main())


def test_several_loops_await_one_future(pool: conc.ThreadPoolExecutor, gate: threading.Event) -> None:
    future = pool.submit(gate.wait)
    waiting = threading.Barrier(4)

    async def main() -> bool:
        waiting.wait()
        return await future

    threads = [conc.Thread(target=asyncio.run, args=(main(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    waiting.wait()
    gate.set()
    assert [thread.result() for thread in threads] == [True] * 3


def test_a_loop_that_was_closed_meanwhile(pool: conc.ThreadPoolExecutor, gate: threading.Event) -> None:
    futures = [pool.submit(gate.wait) for _ in range(2)]

    async def wait(future: conc.Future[bool]) -> bool:
        return await future

    async def main() -> None:
        tasks = [asyncio.ensure_future(wait(future)) for future in futures]
        await asyncio.sleep(0.001)
        assert not any(task.done() for task in tasks)

    asyncio.run(main())  # cancels what waits
    gate.set()
    assert [future.result() for future in futures] == [True, True]
    assert asyncio.run(wait(futures[0])) is True


def test_a_loop_is_let_go(pool: conc.ThreadPoolExecutor, gate: threading.Event) -> None:
    loop = asyncio.new_event_loop()
    future = pool.submit(gate.wait)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wait(), 0.001)

    async def wait() -> bool:
        return await future

    loop.run_until_complete(main())
    loop.close()
    ref = weakref.ref(loop)
    del loop
    gc.collect()
    assert ref() is None
    gate.set()
    assert future.result()


def test_run_in_executor(run: Run, pool: conc.ThreadPoolExecutor) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(pool, pow, 2, 3) == 8
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(pool, divmod, 1, 0)
        assert await asyncio.gather(*[loop.run_in_executor(pool, pow, n, 2) for n in range(200)]) == [
            n * n for n in range(200)
        ]
        assert await asyncio.wrap_future(pool.submit(pow, 3, 2)) == 9

    run(main())


def test_the_loops_default_executor() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(conc.ThreadPoolExecutor(1))
        return await asyncio.to_thread(pow, 2, 4)

    assert asyncio.run(main()) == 16


def test_outside_of_a_loop(pool: conc.ThreadPoolExecutor, gate: threading.Event) -> None:
    waiting = pool.submit(gate.wait).__await__()
    next(waiting)
    with pytest.raises(RuntimeError, match="no running event loop"):
        next(waiting)
