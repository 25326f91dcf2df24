"""What the tests of watches share: shares of time by thread, and threads whose states are known."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from conc.watching.records import RawThread, RawTimeline, Reason, State


def thread_named(raw: RawTimeline, name: str) -> int:
    """The index of the one thread of this name."""
    found = [index for index, thread in enumerate(raw.threads) if thread.name == name]
    assert len(found) == 1, (name, [thread.name for thread in raw.threads])
    return found[0]


def times(raw: RawTimeline, thread: int) -> dict[tuple[State, Reason], int]:
    """Nanoseconds in each state for each reason."""
    rows = zip(raw.totals.thread, raw.totals.state, raw.totals.reason, raw.totals.ns, strict=True)
    return {(State(state), Reason(reason)): ns for index, state, reason, ns in rows if index == thread}


def share(raw: RawTimeline, name: str, *wanted: State | Reason) -> float:
    """The part of a thread's time that it spent in any of these states or reasons."""
    spent = times(raw, thread_named(raw, name))
    hit = sum(
        ns
        for (state, reason), ns in spent.items()
        if state in wanted_of(State, wanted) or reason in wanted_of(Reason, wanted)
    )
    return hit / sum(spent.values())


def waited_share(raw: RawTimeline, name: str, *wanted: Reason) -> float:
    """The part of a thread's waiting that was for any of these: what it did not wait, the machine made of it."""
    waits = {
        reason: ns for (state, reason), ns in times(raw, thread_named(raw, name)).items() if state == State.NOT_RUNNING
    }
    return sum(waits.get(reason, 0) for reason in wanted) / sum(waits.values())


def wanted_of(kind: type, wanted: tuple[State | Reason, ...]) -> set[Any]:
    """Those of `wanted` that are of this kind: the numbers of both overlap."""
    return {one for one in wanted if isinstance(one, kind)}


def lifetime_ns(raw: RawTimeline, thread: RawThread) -> int:
    """From when it was first seen until it was gone, or the watch ended."""
    return (raw.end_ns if thread.end_ns is None else thread.end_ns) - thread.begin_ns


def waits_in_system(thread: threading.Thread) -> bool:
    """Whether the kernel sees it wait."""
    try:
        with open(f"/proc/self/task/{thread.native_id}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] in "SD"
    except FileNotFoundError:
        return False


@contextmanager
def waiting(
    name: str, target: Callable[..., object], *args: object, end: Callable[[], object]
) -> Iterator[threading.Thread]:
    """A thread that waits in `target` until `end` lets it go."""
    thread = threading.Thread(target=target, args=args, name=name)
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not waits_in_system(thread):
            assert time.monotonic() < deadline, f"{name} did not come to wait"
            os.sched_yield()
        yield thread
    finally:
        end()
        thread.join()
