"""A program that knows who has its GIL, to hold the reader against (c/gil_truth.c, compiled for this process)."""

from __future__ import annotations

import ctypes
import functools
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from conc import _core

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [
    "tests/c/gil_truth.c",
    "csrc/watch/gil.c",
    "csrc/base/alloc.c",
    "csrc/os/linux/loaded.c",
    "csrc/os/linux/process_memory.c",
    "csrc/os/posix/clock.c",
]
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-pthread", "-Icsrc"]


class Tally(ctypes.Structure):
    """What became of samples."""

    _fields_ = [(name, ctypes.c_int64) for name in ("right", "wrong", "unknown", "free", "uncounted")]


@dataclass(frozen=True)
class Truth:
    """The library twice: by calls that keep the GIL, and by calls that let go of it."""

    keeping: ctypes.PyDLL
    detached: ctypes.CDLL

    def hold(self, ns: int) -> None:
        """Have the GIL for so long, in C, and make it known."""
        self.keeping.truth_hold(ctypes.c_int64(ns))

    def work(self, steps: int) -> int:
        """Have the GIL for so much work, in C; the nanoseconds that took."""
        self.keeping.truth_work.restype = ctypes.c_int64
        taken: int = self.keeping.truth_work(ctypes.c_int64(steps))
        return taken

    def sample(self, count: int, interval_ns: int) -> Tally:
        """Ask the reader so often, without the GIL."""
        tally = Tally()
        self._check(
            self.detached.truth_sample(layout(), ctypes.c_int(count), ctypes.c_int64(interval_ns), ctypes.byref(tally))
        )
        return tally

    def cost_ns(self, count: int) -> float:
        """What one read takes, of so many."""
        self.detached.truth_cost.restype = ctypes.c_int64
        taken = self.detached.truth_cost(layout(), ctypes.c_int(count))
        self._check(min(taken, 0))
        return float(taken / count)

    @staticmethod
    def _check(error: int) -> None:
        if error < 0:
            raise OSError(-error, os.strerror(-error))


def layout() -> bytes:
    """Of this process."""
    found = _core.gil_layout()
    assert isinstance(found, bytes), found
    return found


@functools.cache
def truth() -> Truth:
    """The library; its file is gone once it is loaded."""
    with tempfile.TemporaryDirectory() as folder:
        built = str(Path(folder) / "gil_truth.so")
        subprocess.run([os.environ.get("CC", "gcc"), *FLAGS, *SOURCES, "-o", built], cwd=ROOT, check=True)
        return Truth(ctypes.PyDLL(built), ctypes.CDLL(built))


class Holders:
    """Threads that do nothing but what `work` does, over and over, while the block lasts."""

    def __init__(self, count: int, work: Callable[[], object]) -> None:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(work,)) for _ in range(count)]

    def _run(self, work: Callable[[], object]) -> None:
        while not self._stop.is_set():
            work()

    def __enter__(self) -> Holders:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def switching_every(seconds: float) -> Callable[[Callable[[], Tally]], Tally]:
    """Runs a function while threads change places that often."""

    def run(function: Callable[[], Tally]) -> Tally:
        before = sys.getswitchinterval()
        sys.setswitchinterval(seconds)
        try:
            return function()
        finally:
            sys.setswitchinterval(before)

    return run
