"""What a waiting thread takes of memory: many of them, in a process of their own, and what that process has grown by.

    python benchmarks/parked_memory.py KIND COUNT       prints one measurement as JSON

Counted is by how much the resident pages of the process (Rss of /proc/self/smaps_rollup) grow from before the first
thread object is made until all threads wait, over the number of threads: objects, what was touched of the stacks,
thread-local storage, the allocator's own. The page tables that map the stacks (VmPTE of /proc/self/status) are the
kernel's and in no Rss; they are told separately. What else the kernel has for a thread, a stack of 16 KiB and its
descriptor, is in neither. One thread of the kind has come and gone before: what is made once is not counted.
"""

from __future__ import annotations

import gc
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

AGES_S = 1e6

PTHREAD, PYTHON, NATIVE, KERNEL = "pthread", "threading.Thread", "conc.Thread", "conc.Thread with a kernel"
KINDS = (PTHREAD, PYTHON, NATIVE, KERNEL)


@dataclass(frozen=True)
class Memory:
    """Of one thread, in bytes: `objects` is what of `resident` was there before any was started."""

    resident: float
    objects: float
    page_tables: float


def measure(kind: str, count: int) -> Memory:
    """One measurement in a fresh process.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = [sys.executable, str(Path(__file__).resolve()), kind, str(count)]
    return Memory(**json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))


def bytes_of(path: str, key: str) -> int:
    """The line "KEY:  123 kB" of a file."""
    found = re.search(rf"^{key}:\s+(\d+) kB$", Path(path).read_text(), re.M)
    assert found is not None, f"{path} has no {key}"
    return int(found[1]) * 1024


def resident() -> int:
    """Counted page by page; statm may be off by some pages for each CPU."""
    return bytes_of("/proc/self/smaps_rollup", "Rss")


def page_tables() -> int:
    return bytes_of("/proc/self/status", "VmPTE")


def all_wait(count: int) -> bool:
    """Whether there are `count` threads beside the caller and each of them sleeps."""
    own = str(threading.get_native_id())
    others = [name for name in os.listdir("/proc/self/task") if name != own]
    states = [Path(f"/proc/self/task/{name}/stat").read_text().rpartition(")")[2].split()[0] for name in others]
    return len(others) >= count and set(states) == {"S"}


def until_settled(count: int, arrived: Callable[[], bool]) -> None:
    """Until all threads wait where they shall wait, and two looks in a row find the same memory."""
    before = -1
    while not (arrived() and all_wait(count) and resident() == before):
        before = resident()
        time.sleep(0.01)  # without the GIL, which the threads may need to come there


class PosixThreads:
    """Threads of the C library, which have no objects of their own to make."""

    def __init__(self, count: int) -> None:
        import raw_threads

        self._library = raw_threads
        self._count = count

    def start(self) -> None:
        self._parked = self._library.park(self._count)

    def have_arrived(self) -> bool:
        return True

    def end(self) -> None:
        self._library.release(self._parked)


class PythonThreads:
    """Threads whose target waits for a lock."""

    def __init__(self, count: int, thread_type: type[threading.Thread]) -> None:
        self._gate = threading.Lock()
        self._gate.acquire()
        self._arrivals: list[None] = []
        self._threads = [thread_type(target=self._wait) for _ in range(count)]

    def _wait(self) -> None:
        self._arrivals.append(None)
        with self._gate:
            pass

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def have_arrived(self) -> bool:
        return len(self._arrivals) == len(self._threads)

    def end(self) -> None:
        self._gate.release()
        for thread in self._threads:
            thread.join()


class KernelThreads:
    """Threads whose target is a kernel that waits for a time."""

    def __init__(self, count: int, seconds: float) -> None:
        import conc

        self._threads = [conc.Thread(target=conc.kernels.sleep, args=(seconds,)) for _ in range(count)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def have_arrived(self) -> bool:
        return True

    def end(self) -> None:
        for thread in self._threads:
            thread.join()


Threads = PosixThreads | PythonThreads | KernelThreads


def make(kind: str, count: int, seconds: float) -> Threads:
    """The thread objects, none of them started. conc is imported for its own kinds alone."""
    if kind == PTHREAD:
        return PosixThreads(count)
    if kind == KERNEL:
        return KernelThreads(count, seconds)
    if kind == PYTHON:
        return PythonThreads(count, threading.Thread)
    import conc

    return PythonThreads(count, conc.Thread)


def measure_here(kind: str, count: int) -> Memory:
    """Leaves the threads behind: for a process that ends at once."""
    first = make(kind, 1, 0)
    first.start()
    first.end()
    resident(), page_tables(), all_wait(0)
    gc.collect()
    before, tables_before = resident(), page_tables()
    threads = make(kind, count, AGES_S)
    made = resident()
    threads.start()
    until_settled(count, threads.have_arrived)
    return Memory(
        resident=(resident() - before) / count,
        objects=(made - before) / count,
        page_tables=(page_tables() - tables_before) / count,
    )


if __name__ == "__main__":
    print(json.dumps(vars(measure_here(sys.argv[1], int(sys.argv[2])))), flush=True)
    os._exit(0)
