"""Watches and stall guards with failing allocations."""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

from operations_threads import waiting_thread
from outcomes import DEADLINE_S, Steps, expect, no_more_threads, operation

import conc
from conc import _core
from conc.watching.names import _wrapped
from conc.watching.records import RawTimeline


@operation
def stall_guard_start() -> Steps:
    """All of it or nothing: a refused start leaves no thread, descriptor or handler, and the next one works."""
    free = _core.free_signal()
    with open(os.devnull, "w") as file:
        guard = conc.stall_guard(60.0, file=file)
        outcome = yield guard.start
        if not no_more_threads(outcome):
            assert not guard.armed
            assert _core.free_signal() == free
            guard.start()
        guard.stop()
    assert _core.free_signal() == free
    assert guard.stalls == ()


@operation
def watch() -> Steps:
    def look() -> conc.Watch:
        with conc.watch(interval=0.001) as watched:
            time.sleep(0.005)
        watched.raw  # noqa: B018  (asking is what makes it)
        return watched

    outcome = yield look
    # Without memory for the sampler's thread there is none to be had.
    if expect(outcome, BlockingIOError):
        assert outcome.value.raw.end_ns > outcome.value.raw.begin_ns
    assert len(look().raw.threads) >= 1


def _tasks() -> int:
    return len(os.listdir("/proc/self/task"))


def _watched(options: dict[str, Any], is_whole: Callable[[RawTimeline], object]) -> Steps:
    """All that was asked for, or a MemoryError; what was begun by then ends, and the next watch is whole."""

    def look() -> conc.Watch:
        with conc.watch(interval=0.001, **options) as watched:
            time.sleep(0.05)  # two looks for children
        watched.raw  # noqa: B018  (asking is what makes it)
        return watched

    tasks = _tasks()
    outcome = yield look
    if no_more_threads(outcome, OSError):
        raw = outcome.value.raw
        assert is_whole(raw) or any("failed" in note for note in raw.notes) or raw.unknown, raw
    outcome.value = outcome.error = None
    gc.collect()  # an error holds its frames, and they the watch
    end = time.monotonic() + DEADLINE_S
    while _tasks() > tasks:  # nobody waits for those that were abandoned
        assert time.monotonic() < end, [thread.name for thread in threading.enumerate()]
        time.sleep(0.001)
    assert is_whole(look().raw)
    assert all(names.over for names in _wrapped._wanted)
    assert not {"conc-children", "conc-places"} & {thread.name for thread in threading.enumerate()}


@contextlib.contextmanager
def _child() -> Generator[int, None, None]:
    """A process that waits until it is to end."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        yield process.pid


@operation
def watch_a_process() -> Steps:
    with _child() as pid:
        yield from _watched({"pid": pid}, lambda raw: [thread.tid for thread in raw.threads] == [pid])


@operation
def watch_children() -> Steps:
    with _child() as pid:
        yield from _watched({"children": True}, lambda raw: pid in {thread.tid for thread in raw.threads})


@operation
def watch_places() -> Steps:
    # The first look comes when the sampler has begun: what it saw may be nothing.
    yield from _watched({"where": True}, lambda raw: raw.threads)


@operation
def watch_places_of_a_look() -> Steps:
    def look() -> Any:
        return _core.thread_places(8)

    with waiting_thread() as (thread, _):
        outcome = yield look
        if expect(outcome):
            # CPython tells of a frame for which it has no memory as if there were none.
            assert outcome.injected or thread.native_id in {tid for tid, _ in outcome.value[2]}
        assert thread.native_id in {tid for tid, _ in look()[2]}
