"""Futures of conc on an event loop against run_in_executor with the standard pool, two workers each."""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib.util
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from paired import paired
from results import Target

import conc

COUNT = 10_000


def nothing() -> None:
    pass


@pytest.fixture
def pools() -> Iterator[tuple[conc.ThreadPoolExecutor, concurrent.futures.ThreadPoolExecutor]]:
    with conc.ThreadPoolExecutor(2) as ours, concurrent.futures.ThreadPoolExecutor(2) as peer:
        yield ours, peer


@pytest.fixture
def run() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    with asyncio.Runner() as runner:
        yield runner.run


def through_the_loop(pool: concurrent.futures.Executor, count: int) -> list[asyncio.Future[None]]:
    loop = asyncio.get_running_loop()
    return [loop.run_in_executor(pool, nothing) for _ in range(count)]


async def await_ours(pool: conc.ThreadPoolExecutor) -> None:
    for future in [pool.submit(nothing) for _ in range(COUNT)]:
        await future


async def await_peers(pool: concurrent.futures.Executor) -> None:
    for future in through_the_loop(pool, COUNT):
        await future


async def gather_ours(pool: conc.ThreadPoolExecutor) -> None:
    await asyncio.gather(*[pool.submit(nothing) for _ in range(COUNT)])


async def gather_peers(pool: concurrent.futures.Executor) -> None:
    await asyncio.gather(*through_the_loop(pool, COUNT))


async def one_by_one(pool: concurrent.futures.Executor) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(2_000):
        await loop.run_in_executor(pool, nothing)


def test_await(benchmark: Any, pools: tuple[Any, Any], run: Any) -> None:
    paired(
        benchmark,
        "for f in fs: await f, 10,000 completions",
        lambda: run(await_ours(pools[0])),
        lambda: run(await_peers(pools[1])),
        against="run_in_executor with the standard pool",
        target=Target("at least", 10, "x"),
    )


def test_gather(benchmark: Any, pools: tuple[Any, Any], run: Any) -> None:
    """Most of ours is asyncio's: a Task for each awaitable, which alone takes 5.4 of 6 us."""
    paired(
        benchmark,
        "gather(*fs) of 10,000",
        lambda: run(gather_ours(pools[0])),
        lambda: run(gather_peers(pools[1])),
        against="run_in_executor with the standard pool",
        target=Target("at least", 3, "x"),
    )


def test_run_in_executor(benchmark: Any, pools: tuple[Any, Any], run: Any) -> None:
    paired(
        benchmark,
        "gather of 10,000 run_in_executor",
        lambda: run(gather_peers(pools[0])),
        lambda: run(gather_peers(pools[1])),
        against="run_in_executor with the standard pool",
        target=Target("at least", 1.3, "x"),
    )


def test_run_in_executor_one_by_one(benchmark: Any, pools: tuple[Any, Any], run: Any) -> None:
    paired(
        benchmark,
        "2,000 awaits of run_in_executor",
        lambda: run(one_by_one(pools[0])),
        lambda: run(one_by_one(pools[1])),
        against="run_in_executor with the standard pool",
        target=Target("at least", 1.3, "x"),
    )


@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed here")
def test_run_in_executor_on_uvloop(benchmark: Any, pools: tuple[Any, Any]) -> None:
    uvloop = importlib.import_module("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        paired(
            benchmark,
            "gather of 10,000 run_in_executor on uvloop",
            lambda: runner.run(gather_peers(pools[0])),
            lambda: runner.run(gather_peers(pools[1])),
            against="run_in_executor with the standard pool",
            target=Target("at least", 1.3, "x"),
        )
