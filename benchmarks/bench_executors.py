"""conc.ThreadPoolExecutor against concurrent.futures.ThreadPoolExecutor, two workers each, warm."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator
from typing import Any

import pending_memory
import pytest
from paired import QUICK, alone, paired, rounds_of
from results import Target

import conc


def nothing(_: object = None) -> None:
    pass


@pytest.fixture
def pools() -> Iterator[tuple[conc.ThreadPoolExecutor, concurrent.futures.ThreadPoolExecutor]]:
    with conc.ThreadPoolExecutor(2) as ours, concurrent.futures.ThreadPoolExecutor(2) as peer:
        yield ours, peer


def submit_all(pool: concurrent.futures.Executor, count: int) -> None:
    for future in [pool.submit(nothing) for _ in range(count)]:
        future.result()


def round_trips(pool: concurrent.futures.Executor, count: int) -> None:
    for _ in range(count):
        pool.submit(nothing).result()


def test_submit(benchmark: Any, pools: tuple[Any, Any]) -> None:
    paired(
        benchmark,
        "submit+result of 30,000 no-ops",
        lambda: submit_all(pools[0], 30_000),
        lambda: submit_all(pools[1], 30_000),
        against="the standard pool",
        target=Target("at least", 8, "x"),
    )


def test_round_trip(benchmark: Any, pools: tuple[Any, Any]) -> None:
    paired(
        benchmark,
        "2,000 round trips submit -> result",
        lambda: round_trips(pools[0], 2_000),
        lambda: round_trips(pools[1], 2_000),
        against="the standard pool",
        target=Target("at least", 2, "x"),
    )


def test_map(benchmark: Any, pools: tuple[Any, Any]) -> None:
    paired(
        benchmark,
        "map of 100,000 no-ops",
        lambda: list(pools[0].map(nothing, range(100_000))),
        lambda: list(pools[1].map(nothing, range(100_000))),
        against="the standard pool",
        target=Target("at least", 25, "x"),
    )


def test_memory_of_a_pending_task(benchmark: Any) -> None:
    """The pools take turns, each time in a fresh process; pending_memory.py says what is counted."""
    tasks = 10_000 if QUICK else 100_000
    found: dict[str, list[float]] = {kind: [] for kind in pending_memory.KINDS}

    def measure_each() -> None:
        for kind, taken in found.items():
            taken.append(pending_memory.measure(kind, tasks))

    rounds = rounds_of(5)
    benchmark.pedantic(measure_each, rounds=rounds, iterations=1)
    for kind, taken in found.items():
        asked = Target("at most", 300, "bytes") if kind == pending_memory.CONC else None
        how = f"{rounds} processes of {tasks:,} tasks"
        alone(benchmark, f"memory of a pending task, {kind}", taken, "bytes", how=how, target=asked)
