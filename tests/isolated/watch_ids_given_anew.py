"""An id that the kernel gives anew while a watch is on, to a thread, to the watched process, to a child of it.

Whoever had it before has ended, and the next one is somebody else: with its own name and times, or not watched.
"""

# cases: thread process child
# needs: namespaces
# stdout[thread]: first ended, second lives
# stdout[process]: ended, and nothing of the other one
# stdout[child]: first ended, second lives

import os
import sys
import threading
import time
import warnings
from collections.abc import Callable

from looks import samplers
from namespaces import give_next, go_on_as_first_process, leave

import conc
from conc.watching.records import RawTimeline

PATIENCE_S = 10
warnings.simplefilter("ignore", DeprecationWarning)  # Python's own word on forking with threads


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.005)


def start(name: str, number: int | None = None) -> tuple[int, int]:
    """A process that has a name and waits for the end of a pipe: its id, and the pipe's end."""
    reading, writing = os.pipe()
    begun, begins = os.pipe()
    if number is not None:
        give_next(number)
    pid = os.fork()
    if pid == 0:
        os.close(writing)
        with open("/proc/self/comm", "w", encoding="ascii") as file:
            file.write(name)
        os.write(begins, b"x")
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    os.read(begun, 1)
    return pid, writing


def end(pid: int, writing: int) -> None:
    os.close(writing)
    os.waitpid(pid, 0)


def rows(raw: RawTimeline, tid: int) -> str:
    found = [
        (thread.name, "lives" if thread.end_ns is None else "ended") for thread in raw.threads if thread.tid == tid
    ]
    return ", ".join(f"{name} {state}" for name, state in found)


def start_thread(name: str, over: threading.Event, number: int | None = None) -> threading.Thread:
    """A thread that waits. Its id may be in use for some time after /proc has none of it."""
    while True:
        thread = threading.Thread(target=over.wait, name=name, daemon=True)
        if number is not None:
            give_next(number)
        thread.start()
        if number in (None, thread.native_id):
            return thread


def watch_threads() -> str:
    over, all_over = threading.Event(), threading.Event()
    with conc.watch() as watched:
        first = start_thread("first", over)
        tid = first.native_id
        assert tid is not None
        time.sleep(0.05)  # some looks
        over.set()
        first.join()
        until(lambda: not os.path.exists(f"/proc/self/task/{tid}"))
        time.sleep(0.05)  # some looks: what comes between two of them is noticed later
        start_thread("second", all_over, tid)
        time.sleep(0.2)
    all_over.set()
    return rows(watched.raw, tid)


def watch_process() -> str:
    first, ends = start("first")
    with conc.watch(first) as watched:
        time.sleep(0.05)
        end(first, ends)
        second, ends = start("second", first)
        assert second == first
        time.sleep(0.2)
    end(second, ends)
    return (
        "ended, and nothing of the other one" if rows(watched.raw, first) == "first ended" else rows(watched.raw, first)
    )


def watch_children() -> str:
    with conc.watch(children=True) as watched:
        before = samplers()
        first, ends = start("first")
        until(lambda: bool(samplers() - before))
        before = samplers()
        end(first, ends)
        second, ends = start("second", first)
        assert second == first
        until(lambda: bool(samplers() - before))
    end(second, ends)
    return rows(watched.raw, first)


with conc.watch():
    pass  # all that it needs is imported
go_on_as_first_process()
print({"thread": watch_threads, "process": watch_process, "child": watch_children}[sys.argv[1]]())
leave()
