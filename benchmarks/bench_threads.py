"""conc.Thread against threading.Thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from paired import paired

import conc
from conc import kernels

THREADS = 200


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
    )
