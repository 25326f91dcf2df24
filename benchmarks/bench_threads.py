"""conc.Thread against threading.Thread."""

from __future__ import annotations

import threading
from typing import Any

import parked_memory
import started_threads
from paired import QUICK, alone, note, paired, rounds_of
from results import Target
from started_threads import THREADS, nothing

import conc

PARKED = 50 if QUICK else 1000
KIB = 1 << 10


def in_a_process(
    benchmark: Any, series: str, name: str, *, against: str, target: Target | None = None, rounds: int = 40
) -> None:
    """Note one series of started_threads.py."""
    taken: list[started_threads.Samples] = []
    benchmark.pedantic(
        lambda: taken.append(started_threads.measure(series, rounds_of(rounds))),
        rounds=1,
        warmup_rounds=0,
        iterations=1,
    )
    note(benchmark, name, taken[0].ours_s, taken[0].peer_s, against=against, target=target)


def test_python_target(benchmark: Any) -> None:
    in_a_process(
        benchmark,
        "python",
        f"start+join of {THREADS} threads with a Python target, without construction",
        against="threading.Thread",
        target=Target("at least", 2.0, "x"),
    )


def test_python_target_with_construction(benchmark: Any) -> None:
    in_a_process(
        benchmark,
        "python with construction",
        f"construction, start and join of {THREADS} threads with a Python target",
        against="threading.Thread",
        target=Target("at least", 2.0, "x"),
    )


def test_the_c_library_alone(benchmark: Any) -> None:
    """What the C library's own threads take, whose join sleeps at once."""
    in_a_process(
        benchmark,
        "raw",
        f"pthread_create and pthread_join of {THREADS} threads",
        against="start+join of threading.Thread",
    )


def test_construction(benchmark: Any) -> None:
    paired(
        benchmark,
        "construction of 1,000 threads",
        lambda: [conc.Thread(target=nothing) for _ in range(1000)],
        lambda: [threading.Thread(target=nothing) for _ in range(1000)],
        against="threading.Thread",
        target=Target("at least", 1.5, "x"),
    )


def test_kernel_target(benchmark: Any) -> None:
    in_a_process(
        benchmark,
        "kernel",
        f"start+join of {THREADS} threads with a kernel, without construction",
        against="pthread_create and pthread_join",
        target=Target("at least", round(1 / 1.15, 3), "x", "(at most 1.15 times the peer's time)"),
    )


def test_memory_of_a_parked_thread(benchmark: Any) -> None:
    """The kinds take turns, each time in a fresh process; parked_memory.py says what is counted."""
    found: dict[str, list[parked_memory.Memory]] = {kind: [] for kind in parked_memory.KINDS}

    def measure_each() -> None:
        for kind, taken in found.items():
            taken.append(parked_memory.measure(kind, PARKED))

    rounds = rounds_of(5)
    benchmark.pedantic(measure_each, rounds=rounds, iterations=1)
    how = f"{rounds} processes of {PARKED:,} threads"
    for kind, taken in found.items():
        asked = Target("at most", 12.0, "KiB") if kind == parked_memory.KERNEL else None
        resident = [one.resident / KIB for one in taken]
        alone(benchmark, f"resident memory of a parked {kind}", resident, "KiB", how=how, target=asked)
        tables = [one.page_tables / KIB for one in taken]
        alone(benchmark, f"page tables of a parked {kind}", tables, "KiB", how=how)
    pairs = zip(found[parked_memory.NATIVE], found[parked_memory.PYTHON], strict=True)
    alone(
        benchmark,
        f"resident memory of a parked {parked_memory.NATIVE} over that of a {parked_memory.PYTHON}",
        [ours.resident / peer.resident for ours, peer in pairs],
        "x",
        how=how,
        target=Target("at most", 1.0, "x"),
    )
