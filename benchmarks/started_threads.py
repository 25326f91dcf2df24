"""What starting and joining threads takes, in a process of its own: no other thread, mapping or tracer of the caller's.

    python benchmarks/started_threads.py SERIES ROUNDS       prints the samples as JSON

A round runs the peer, then ours, each THREADS threads one after the other. The garbage collector is off meanwhile, for
both. The first round is not counted.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import raw_threads

import conc
from conc import kernels

THREADS = 200


@dataclass(frozen=True)
class Samples:
    """Seconds of each round."""

    ours_s: list[float]
    peer_s: list[float]


def measure(series: str, rounds: int) -> Samples:
    """One series in a fresh process.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = [sys.executable, str(Path(__file__).resolve()), series, str(rounds)]
    return Samples(**json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))


def nothing() -> None:
    pass


def native_threads() -> list[threading.Thread]:
    return [conc.Thread(target=nothing) for _ in range(THREADS)]


def python_threads() -> list[threading.Thread]:
    return [threading.Thread(target=nothing) for _ in range(THREADS)]


def kernel_threads() -> list[threading.Thread]:
    return [conc.Thread(target=kernels.sleep, args=(0,)) for _ in range(THREADS)]


def start_and_join(threads: Iterable[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
        thread.join()


def seconds_of(make: Callable[[], list[threading.Thread]]) -> float:
    """Of the start and the join alone: the objects are made before, and freed after."""
    threads = make()
    begin = time.perf_counter()
    start_and_join(threads)
    return time.perf_counter() - begin


def whole_seconds_of(thread_type: type[threading.Thread]) -> float:
    """Of construction, start, join and the end of the object, as one writes it."""
    begin = time.perf_counter()
    for _ in range(THREADS):
        thread = thread_type(target=nothing)
        thread.start()
        thread.join()
    return time.perf_counter() - begin


def raw_seconds() -> float:
    begin = time.perf_counter()
    raw_threads.start_and_join(THREADS)
    return time.perf_counter() - begin


Measured = Callable[[], float]
SERIES: dict[str, tuple[Measured, Measured]] = {
    "python": (lambda: seconds_of(native_threads), lambda: seconds_of(python_threads)),
    "python with construction": (lambda: whole_seconds_of(conc.Thread), lambda: whole_seconds_of(threading.Thread)),
    "kernel": (lambda: seconds_of(kernel_threads), raw_seconds),
    "raw": (raw_seconds, lambda: seconds_of(python_threads)),
}
"""Ours and the peer. "raw" stands for what the C library's own threads take, with a join that sleeps at once."""


def main(series: str, rounds: int) -> None:
    ours, peer = SERIES[series]
    raw_threads.library()
    samples = Samples([], [])
    gc.disable()
    for number in range(rounds + 1):
        for measured, kept in ((peer, samples.peer_s), (ours, samples.ours_s)):
            gc.collect()
            seconds = measured()
            if number > 0:
                kept.append(seconds)
    print(json.dumps({"ours_s": samples.ours_s, "peer_s": samples.peer_s}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
