"""What a task that waits in a pool takes of memory: many of them behind one that blocks, in a process of their own.

    python benchmarks/pending_memory.py KIND COUNT      prints one measurement in bytes

Counted is by how much the resident pages of the process grow while COUNT calls without arguments are submitted, over
their number: future, task, context variables, the queue's and the allocators' own. The list that the futures go to was
made and touched before. One task has come and gone before.
"""

from __future__ import annotations

import concurrent.futures
import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

from parked_memory import resident

STANDARD, CONC = "concurrent.futures", "conc"
KINDS = (STANDARD, CONC)


def measure(kind: str, count: int) -> float:
    """Bytes of a pending task, in a fresh process.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = [sys.executable, str(Path(__file__).resolve()), kind, str(count)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def nothing() -> None:
    pass


def make_pool(kind: str) -> concurrent.futures.Executor:
    """With one worker."""
    if kind == STANDARD:
        return concurrent.futures.ThreadPoolExecutor(1)
    import conc

    return conc.ThreadPoolExecutor(1)


def measure_here(kind: str, count: int) -> float:
    """Leaves the pool behind: for a process that ends at once."""
    pool = make_pool(kind)
    pool.submit(nothing).result()
    begun = threading.Event()
    pool.submit(lambda: begun.set() or threading.Event().wait())
    begun.wait()
    futures: list[object] = [None] * count
    gc.collect()
    gc.disable()
    resident()
    before = resident()
    for index in range(count):
        futures[index] = pool.submit(nothing)
    return (resident() - before) / count


if __name__ == "__main__":
    print(measure_here(sys.argv[1], int(sys.argv[2])), flush=True)
    os._exit(0)
