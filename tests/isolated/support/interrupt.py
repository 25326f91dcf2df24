"""For the scripts about signals: one that comes when the main thread is inside of a blocking call, and only then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

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

        The other threads of the script must be blocked without the GIL: nothing but its call then puts the main thread
        to sleep. With a `native_id` the signal goes to that thread.
        """
        with open(self.orders, "w") as pipe:
            pipe.write(f"{native_id}\n")

    def sent_ns(self) -> int:
        """When the last signal was sent, on the clock of time.monotonic_ns()."""
        assert self._helper.stdout is not None
        return int(self._helper.stdout.readline())


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
