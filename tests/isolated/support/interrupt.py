"""For the scripts about signals: one that comes when the main thread is inside of a blocking call, and only then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Told that the call begins, it looks until the main thread sleeps or has computed for 20 ms; it says when it signalled.
HELPER = """
import ctypes, os, sys, time
pid, number = int(sys.argv[1]), int(sys.argv[2])
tgkill = ctypes.CDLL(None).tgkill

def look():
    with open(f"/proc/{pid}/task/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return fields[0], (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

with open(sys.argv[3], "r+b", buffering=0) as orders:
    print("here", flush=True)
    while (order := orders.readline()) != b"end\\n":
        target = int(order)
        began = look()[1]
        while True:
            state, cpu_s = look()
            if state == "S" or cpu_s >= began + 0.02:
                break
        now = time.monotonic_ns()
        if target == 0:
            os.kill(pid, number)
        else:
            tgkill(pid, target, number)
        print(now, flush=True)
"""


class Interrupter:
    """Sends a signal to this process once for each order; from a process of its own, so that it needs no GIL."""

    def __init__(self, number: int, helper: subprocess.Popen[str], orders: str) -> None:
        self._helper = helper
        self.orders = orders  # path of a pipe: whoever writes "0\n" there, in any process, gives the order

    def order(self, native_id: int = 0) -> None:
        """To be called right before the main thread's call, or in what it waits for.

        The other threads must be blocked, or about to be, which is waited for: with nobody else at the GIL
        nothing but its call puts the main thread to sleep. With a `native_id` the signal goes to that thread.
        """
        _until_the_others_sleep()
        with open(self.orders, "w") as pipe:
            pipe.write(f"{native_id}\n")

    def sent_ns(self) -> int:
        """When the last signal was sent, on the clock of time.monotonic_ns()."""
        assert self._helper.stdout is not None
        return int(self._helper.stdout.readline())


def _until_the_others_sleep() -> None:
    """Return once all other threads of the process sleep and none waits for the GIL: two looks see the same sleeps."""
    before, now = None, _sleeps()
    while now is None or now != before:
        time.sleep(0.002)  # who waits for the GIL has it now, and who is runnable runs
        before, now = now, _sleeps()


def _sleeps() -> dict[str, str] | None:
    """How often each other thread has gone to sleep, by its id; None while one does not sleep."""
    times = {}
    for name in set(os.listdir("/proc/self/task")) - {str(threading.get_native_id())}:
        try:
            status = Path(f"/proc/self/task/{name}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None  # it ended meanwhile
        if "State:\tS" not in status:
            return None
        times[name] = status.partition("\nvoluntary_ctxt_switches:")[2].split()[0]
    return times


@contextmanager
def interrupter(number: int = signal.SIGINT) -> Iterator[Interrupter]:
    """A helper for this process. It is gone in the end."""
    path = os.path.abspath(f"orders-{os.getpid()}")
    os.mkfifo(path)
    command = [sys.executable, "-c", HELPER, str(os.getpid()), str(int(number)), path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as helper:
        assert helper.stdout is not None
        assert helper.stdout.readline() == "here\n"
        try:
            yield Interrupter(number, helper, path)
        finally:
            with open(path, "w") as pipe:
                pipe.write("end\n")
    assert helper.returncode == 0
    os.unlink(path)
