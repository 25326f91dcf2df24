"""What an armed stall guard costs: throughput beside the same work without one, and the CPU time of its own threads."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from paired import QUICK, alone, collector_off, note, rounds_of
from results import Target

import conc
from conc import _core

LIMIT_S = 1.0
TURNS = 2_000 if QUICK else 10_000
SQUARES = 10_000 if QUICK else 2_000_000
WATCHED_S = 0.1 if QUICK else 5.0


def turn_s() -> float:
    """Seconds of a loop that does nothing but turn, which is closed afterwards; the guard, if any, is the caller's."""

    async def turn() -> float:
        begin = time.perf_counter()
        for _ in range(TURNS):
            await asyncio.sleep(0)
        return time.perf_counter() - begin

    return asyncio.run(turn())


def guarded_turn_s(ends_ms: list[float]) -> float:
    """The same under a guard that is on for longer; what its begin and end took together goes to `ends_ms`."""

    async def turn() -> float:
        outer = time.perf_counter()
        with conc.stall_guard(LIMIT_S):
            begin = time.perf_counter()
            for _ in range(TURNS):
                await asyncio.sleep(0)
            seconds = time.perf_counter() - begin
        ends_ms.append(1e3 * (time.perf_counter() - outer - seconds))
        return seconds

    return asyncio.run(turn())


def compute_s() -> float:
    """Seconds of one thread that computes in Python."""
    begin = time.perf_counter()
    total = 0
    for number in range(SQUARES):
        total += number * number
    return time.perf_counter() - begin


def guarded_compute_s(ends_ms: list[float]) -> float:
    outer = time.perf_counter()
    with conc.stall_guard(LIMIT_S):
        seconds = compute_s()
    ends_ms.append(1e3 * (time.perf_counter() - outer - seconds))
    return seconds


def there_and_back(
    benchmark: Any, name: str, against: str, guarded: Callable[[list[float]], float], unguarded: Callable[[], float]
) -> None:
    """Each round goes unguarded, guarded, guarded, unguarded, so that a drift of the machine moves both sides alike."""
    unguarded_s: list[float] = []
    guarded_s: list[float] = []
    ends_ms: list[float] = []

    def measure() -> None:
        before = unguarded()
        guarded_s.append(guarded(ends_ms) + guarded(ends_ms))
        unguarded_s.append(before + unguarded())

    guarded([])
    rounds = rounds_of(61)
    with collector_off():
        benchmark.pedantic(measure, rounds=rounds, iterations=1)
    note(benchmark, name, guarded_s, unguarded_s, against=against, target=Target("at least", 0.99, "x"))
    alone(benchmark, f"begin and end of a guard around {name}", ends_ms, "ms", how=f"{len(ends_ms)} guards")


def test_loop_throughput(benchmark: Any) -> None:
    """A loop that does nothing but turn."""
    name = "turns of an event loop under a stall guard of 1 s"
    there_and_back(benchmark, name, "the same loop without", guarded_turn_s, turn_s)


def test_computing_throughput(benchmark: Any) -> None:
    """One thread that computes in Python, whom the guard asks for the GIL now and then."""
    name = "computing in Python under a stall guard of 1 s"
    there_and_back(benchmark, name, "the same without", guarded_compute_s, compute_s)


def tasks() -> set[int]:
    return {int(path.name) for path in Path("/proc/self/task").iterdir()}


def share_of_a_core(*, threads: int) -> float:
    """CPU time of a guard's own threads over wall time, in percent, beside so many idle ones and an idle loop."""

    async def watched() -> float:
        before = tasks()
        with conc.stall_guard(LIMIT_S):
            await asyncio.sleep(0.05)
            own = tasks() - before
            begin, begin_ns = time.perf_counter_ns(), sum(_core.thread_cpu_ns(tid) or 0 for tid in own)
            await asyncio.sleep(WATCHED_S)
            used_ns = sum(_core.thread_cpu_ns(tid) or 0 for tid in own) - begin_ns
            return 100 * used_ns / (time.perf_counter_ns() - begin)

    read_end, write_end = os.pipe()
    idle = [conc.Thread(target=os.read, args=(read_end, 1)) for _ in range(threads)]
    for thread in idle:
        thread.start()
    try:
        return asyncio.run(watched())
    finally:
        os.write(write_end, b"x" * threads)
        for thread in idle:
            thread.join()
        os.close(read_end)
        os.close(write_end)


@pytest.mark.parametrize("threads", [0, 10 if QUICK else 1_000])
def test_share_of_a_core(benchmark: Any, threads: int) -> None:
    """What the guard itself takes, with deadlocks looked for, beside no other thread and beside 1,000."""
    samples: list[float] = []
    benchmark.pedantic(lambda: samples.append(share_of_a_core(threads=threads)), rounds=rounds_of(5), iterations=1)
    alone(
        benchmark,
        f"a stall guard's own CPU time, {threads} idle threads",
        samples,
        "% of a core",
        how=f"{len(samples)} watches of {WATCHED_S} s",
        target=Target("at most", 1.0, "% of a core"),
    )
