"""Deadlocks, proved: threads of which each waits, without a limit, for what only the next one can give.

What counts as a wait: joining a thread; the result of a conc.Thread, or of a conc.Future whose task a thread runs; a
reentrant lock that another thread holds. What anybody could end does not: a plain lock (any thread may release it), an
event, a condition, a queue, a semaphore. So no server that is idle has one.

A cycle is reported when two looks, at least the guard's limit apart, found the same threads in the same waits, in the
kernel's eyes asleep in a futex, and none of them has used any CPU time in between.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

from conc import _core
from conc.watching.lock_waits import LockPlans, rlock_owner, rlock_waited_for

_JOIN = threading.Thread.join.__code__
_JOIN_INSIDE = getattr(getattr(threading.Thread, "_wait_for_tstate_lock", None), "__code__", None)  # up to 3.12


@dataclass(frozen=True, slots=True)
class Wait:
    """One thread's wait. Threads by threading's identifier; what is waited for by its id()."""

    waiter: int
    holder: int
    kind: str
    """"thread", "future" or "RLock"."""
    thing: int
    frame: int
    instruction: int
    listed: bool
    """The core says so, and it may sleep in slices; else the frame does, and it must sleep in one futex."""


Cycle = tuple[Wait, ...]


def _joined(frame: FrameType) -> threading.Thread | None:
    """Whom a frame of threading's joins without a limit."""
    if frame.f_code is _JOIN_INSIDE and frame.f_back is not None:
        frame = frame.f_back
    if frame.f_code is not _JOIN:
        return None
    variables = frame.f_locals
    thread = variables.get("self")
    return thread if variables.get("timeout", 0) is None and isinstance(thread, threading.Thread) else None


def _listed_wait(ident: int, thing: Any) -> Wait | None:
    kind, holder = ("future", thing._runner) if isinstance(thing, _core.FutureState) else ("thread", thing.ident)
    return None if holder is None else Wait(ident, holder, kind, id(thing), 0, 0, listed=True)


def _seen_wait(ident: int, frame: FrameType, plans: LockPlans) -> Wait | None:
    place = (id(frame), frame.f_lasti)
    thread = _joined(frame)
    if thread is not None:
        return None if thread.ident is None else Wait(ident, thread.ident, "thread", id(thread), *place, listed=False)
    lock = rlock_waited_for(frame, plans)
    holder = None if lock is None else rlock_owner(lock)
    return None if holder in (None, ident) else Wait(ident, holder, "RLock", id(lock), *place, listed=False)


def cycles_of(waits: Mapping[int, Wait]) -> list[Cycle]:
    """All cycles, each once, beginning with its smallest identifier. Each waiter has one wait."""
    found, done = [], set[int]()
    for start in sorted(waits):
        path: list[int] = []
        at = start
        while at in waits and at not in done:
            done.add(at)
            path.append(at)
            at = waits[at].holder
        if at in path:
            members = path[path.index(at) :]
            first = members.index(min(members))
            found.append(tuple(waits[ident] for ident in members[first:] + members[:first]))
    return found


class DeadlockSearch:
    """Looks for cycles again and again.

    Args:
        read_frames: whether frames of other threads may be read: not on a build without the GIL, where they run on.
    """

    def __init__(self, *, read_frames: bool) -> None:
        self._read_frames = read_frames
        self._plans = LockPlans()
        self._last: dict[Cycle, tuple[int, ...]] = {}
        self._waits: Mapping[int, Any] | None = _core.want_waits(1)

    def close(self) -> None:
        """Let waits no longer be listed."""
        if self._waits is not None:
            self._waits = None
            _core.want_waits(-1)

    def _waits_now(self) -> dict[int, Wait]:
        found = {}
        listed = dict(self._waits or {})
        for ident, thing in listed.items():
            found[ident] = _listed_wait(ident, thing)
        frames = _core.other_frames() if self._read_frames else {}
        for ident, frame in frames.items():
            if ident not in listed:
                found[ident] = _seen_wait(ident, frame, self._plans)
        return {ident: wait for ident, wait in found.items() if wait is not None}

    def look(self, native_ids: Callable[[], Mapping[int, int]]) -> tuple[set[Cycle], set[Cycle]]:
        """The cycles that are proved by now, and all that there are.

        Args:
            native_ids: what the kernel calls the threads, by threading's identifier.
        """
        cycles = cycles_of(self._waits_now())
        if not cycles:
            self._last = {}
            return set(), set()
        kernel = native_ids()
        now: dict[Cycle, tuple[int, ...]] = {}
        for cycle in cycles:
            used = self._cpu_of(cycle, kernel)
            if used is not None:
                now[cycle] = used
        proved = {cycle for cycle, used in now.items() if self._last.get(cycle) == used}
        self._last = now
        return proved, set(cycles)

    @staticmethod
    def _cpu_of(cycle: Cycle, native_ids: Mapping[int, int]) -> tuple[int, ...] | None:
        """CPU times of those that must not move; None: somebody is not asleep, or it is not told."""
        used = []
        for wait in cycle:
            tid = native_ids.get(wait.waiter)
            if tid is None:
                return None
            if wait.listed:
                continue  # while it is listed it is inside that one wait, however often it wakes up in there
            cpu_ns = _core.thread_cpu_ns(tid)
            if cpu_ns is None or not _core.thread_in_futex(tid):
                return None
            used.append(cpu_ns)
        return tuple(used)
