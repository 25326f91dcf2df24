"""What the tests of conc.Thread share: waiting for what another thread does, and threads that are held somewhere."""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import conc
from conc import ThreadEnd, ThreadStopped, kernels

HAS_GIL: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
LONG_S = 1000.0  # nobody waits that long: what takes it is stopped or let go
PATIENT_S = 30.0  # how long something is waited for that comes at once


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something that another thread or the kernel does; fails after half a minute."""
    deadline = time.monotonic() + PATIENT_S
    while not condition():
        assert time.monotonic() < deadline, f"did not come: {what}"
        os.sched_yield()


def hold_gil(seconds: float) -> None:
    """Hold the GIL in C, so that no other thread of Python code goes on: unlike CDLL, PyDLL does not let go of it."""
    ctypes.PyDLL(None).usleep(round(seconds * 1e6))


def system_name(native_id: int | None) -> bytes:
    """What the operating system's tools call a thread of this process."""
    return Path(f"/proc/self/task/{native_id}/comm").read_bytes().removesuffix(b"\n")


def started(target: Callable[..., Any], *args: Any, **options: Any) -> conc.Thread:
    """A thread that runs `target`."""
    thread = conc.Thread(target=target, args=args, **options)
    thread.start()
    return thread


def loop_for_ever(inside: threading.Event) -> None:
    """Python code that computes and looks at nothing."""
    for turn in itertools.count():
        if turn == 100:
            inside.set()


def check_stopped(thread: conc.Thread) -> None:
    assert not thread.is_alive()
    assert thread.ended_by is ThreadEnd.STOPPED
    assert isinstance(thread.exception(), ThreadStopped)
    with pytest.raises(ThreadStopped):
        thread.result()


class Gate:
    """A target that says when it is inside and stays until it is let go."""

    def __init__(self) -> None:
        self.inside, self.go_on = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.inside.set()
        self.go_on.wait()
        return "through the gate"

    __name__ = "gate"


@contextmanager
def held(kernel: bool = False, **options: Any) -> Iterator[conc.Thread]:
    """A thread that lives while the block runs: in a gate, or in a kernel."""
    gate = Gate()
    thread = started(*((kernels.sleep, LONG_S) if kernel else (gate,)), **options)
    if not kernel:
        gate.inside.wait()
    try:
        yield thread
    finally:
        gate.go_on.set()
        if kernel:
            thread._interrupt()
        thread.join()
