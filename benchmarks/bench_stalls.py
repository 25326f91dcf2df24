"""What an armed stall guard costs: throughput beside the same work without one, and the CPU time of its own threads."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
from paired import QUICK, alone, paired, rounds_of
from results import Target

import conc
from conc import _core

LIMIT_S = 1.0
TURNS = 2_000 if QUICK else 100_000
SQUARES = 10_000 if QUICK else 10_000_000
WATCHED_S = 0.1 if QUICK else 5.0
AT_LEAST = Target("at least", 0.99, "x", "starting and stopping the guard included")


async def turn() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def turn_guarded() -> None:
    with conc.stall_guard(LIMIT_S):
        await turn()


def compute() -> int:
    total = 0
    for number in range(SQUARES):
        total += number * number
    return total


def compute_guarded() -> int:
    with conc.stall_guard(LIMIT_S):
        return compute()


def test_loop_throughput(benchmark: Any) -> None:
    """A loop that does nothing but turn."""
    paired(
        benchmark,
        "turns of an event loop under a stall guard of 1 s",
        lambda: asyncio.run(turn_guarded()),
        lambda: asyncio.run(turn()),
        against="the same loop without",
        target=AT_LEAST,
    )


def test_computing_throughput(benchmark: Any) -> None:
    """One thread that computes in Python, whom the guard asks for the GIL now and then."""
    paired(
        benchmark,
        "computing in Python under a stall guard of 1 s",
        compute_guarded,
        compute,
        against="the same without",
        target=AT_LEAST,
    )


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
