"""conc.Thread against threading.Thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import parked_memory
import raw_threads
from paired import QUICK, alone, paired, rounds_of
from results import Target

import conc
from conc import kernels

THREADS = 200
PARKED = 50 if QUICK else 1000
KIB = 1 << 10


def nothing() -> None:
    pass


def start_and_join(thread_type: type[threading.Thread], target: Callable[..., object], *args: Any) -> None:
    for _ in range(THREADS):
        thread = thread_type(target=target, args=args)
        thread.start()
        thread.join()


def test_python_target(benchmark: Any) -> None:
    paired(
        benchmark,
        f"start+join of {THREADS} threads with a Python target",
        lambda: start_and_join(conc.Thread, nothing),
        lambda: start_and_join(threading.Thread, nothing),
        against="threading.Thread",
        target=Target("at least", 2.0, "x"),
    )


def test_kernel_target(benchmark: Any) -> None:
    paired(
        benchmark,
        f"start+join of {THREADS} threads with a kernel",
        lambda: start_and_join(conc.Thread, kernels.sleep, 0),
        lambda: start_and_join(threading.Thread, nothing),
        against="threading.Thread with a Python target",
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


def test_kernel_target_against_the_c_library(benchmark: Any) -> None:
    """The thread objects are made before the clock runs: what is compared is the start and the join."""
    raw_threads.library()
    batch: list[conc.Thread] = []

    def prepare() -> None:
        batch[:] = [conc.Thread(target=kernels.sleep, args=(0,)) for _ in range(THREADS)]

    def start_and_join_batch() -> None:
        for thread in batch:
            thread.start()
            thread.join()

    paired(
        benchmark,
        f"start+join of {THREADS} threads with a kernel, without construction",
        start_and_join_batch,
        lambda: raw_threads.start_and_join(THREADS),
        against="pthread_create and pthread_join",
        target=Target("at least", round(1 / 1.15, 3), "x", "(at most 1.15 times the peer's time)"),
        prepare=prepare,
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
