"""The meter of the leak tests finds a leak of each kind, and takes what is only kept for later for none."""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from leak_meter import Growth, read, settle

import conc


class Leaks:
    """A function that leaks for each kind; what it leaked is given back by `undo`."""

    def __init__(self, undo: ExitStack) -> None:
        self.kept: list[object] = []
        self.witness = object()
        self._undo = undo
        self._libc = ctypes.CDLL(None)
        self._libc.malloc.restype = ctypes.c_void_p
        self._libc.free.argtypes = [ctypes.c_void_p]

    def objects(self) -> None:
        self.kept.append([])

    def blocks(self) -> None:
        self.kept.append([float(number) for number in range(10)])  # one or two are freed elsewhere meanwhile

    def references_to_witnesses(self) -> None:
        self.kept.append(self.witness)

    def native_bytes(self) -> None:
        self._undo.callback(self._libc.free, self._libc.malloc(4096))  # too large for malloc's cache of each thread

    def mapped_regions(self) -> None:
        read_only = bool(len(self.kept) % 2)  # neighbours of one kind would become one region
        self.kept.append(mmap.mmap(-1, mmap.PAGESIZE, access=mmap.ACCESS_READ if read_only else mmap.ACCESS_WRITE))

    def descriptors(self) -> None:
        self._undo.callback(os.close, os.open(os.devnull, os.O_RDONLY))

    def threads(self) -> None:
        go = threading.Event()
        thread = conc.Thread(target=go.wait)
        thread.start()
        self._undo.callback(thread.join)
        self._undo.callback(go.set)

    def children(self) -> None:
        child = conc.spawn(["sleep", "60"])
        self._undo.callback(child.wait)
        self._undo.callback(child.kill)

    def files(self) -> None:
        descriptor, _ = tempfile.mkstemp()
        os.close(descriptor)


@pytest.fixture
def leaks() -> Iterator[Leaks]:
    with ExitStack() as undo:
        yield Leaks(undo)


KINDS = sorted(read().keys() - {"all_references"})


@pytest.mark.parametrize("kind", KINDS)
def test_a_leak_is_found(leaks: Leaks, kind: str) -> None:
    growth = Growth(getattr(leaks, kind), (leaks.witness,), most_rounds=8, most_windows=3, patience_s=0.1)
    assert kind in growth.leaks()


def test_a_zombie_counts_as_a_child(leaks: Leaks) -> None:
    kept: list[subprocess.Popen[bytes]] = []

    def leave_zombie() -> None:
        kept.append(subprocess.Popen(["true"]))
        os.waitid(os.P_PID, kept[-1].pid, os.WEXITED | os.WNOWAIT)

    try:
        assert "children" in Growth(leave_zombie, most_rounds=4, most_windows=2, patience_s=0.1).leaks()
    finally:
        for process in kept:
            process.wait()


def test_a_cycle_of_our_own_is_found() -> None:
    class Cyclic(conc.Future[object]):
        pass

    Cyclic.__module__ = "conc.made_up"

    def make_cycle() -> None:
        future = Cyclic()
        future.add_done_callback(lambda _: future)

    growth = Growth(make_cycle, most_rounds=8)
    assert growth.leaks() == {}
    assert growth.cycles == {"conc.made_up." + Cyclic.__qualname__: growth.rounds}


def growing_cache(limit: int) -> Callable[[], None]:
    cache: list[object] = []

    def fill() -> None:
        if len(cache) < limit:
            cache.append([])

    return fill


def test_a_cache_that_fills_up_is_no_leak() -> None:
    assert Growth(growing_cache(20), most_rounds=8).leaks() == {}
    assert "objects" in Growth(growing_cache(10_000), most_rounds=8, most_windows=4).leaks()


def test_it_waits_for_threads_that_end() -> None:
    before = read()
    go = threading.Event()
    thread = conc.Thread(target=go.wait)
    thread.start()
    go.set()
    thread.join()
    settle(before)
    gc.collect()
    assert read()["threads"] <= before["threads"]
