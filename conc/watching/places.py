"""In which line of Python each thread stands: a look at all stacks now and then, which the interpreter pays for.

A thread of Python's takes them, since only who holds the GIL may read frames, and without one only who has stopped the
others. Each look at our own threads stops the interpreter for some microseconds a thread. So it is rare, its cost is
counted, and it becomes rarer where it would cost more than a hundredth of the time.
"""

from __future__ import annotations

import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

from conc import _core
from conc.gil import gil_status
from conc.watching.periodic import SHARE, PeriodicLooker
from conc.watching.records import Place, RawThread

THREAD_NAME = "conc-places"
PERIOD_S = 0.05
DEPTH = 32
LIMIT = 100_000

Stack = tuple[tuple[str, int, str], ...]
"""(file, line, function), innermost first."""


class Look(NamedTuple):
    """One thread at one look."""

    time_ns: int
    native_id: int
    stack: Stack


class Taken(NamedTuple):
    """All threads at one look."""

    time_ns: int
    stopped_ns: int
    """For how long the watched interpreter stood still."""
    places: Sequence[tuple[int, Stack]]
    """(native id, stack)"""


class Looks(NamedTuple):
    """What a sampler of places has seen."""

    looks: tuple[Look, ...]
    cost_ns: int
    """For how long, all in all, looking kept the GIL of the watched process from others."""
    notes: tuple[str, ...]


def places_unavailable() -> str | None:
    """Why places cannot be taken in this process; None: they can."""
    if sys.version_info[:2] == (3, 12) and _core.interpreter_id() != 0 and gil_status().own_gil:
        # A loop over sys._current_frames() that keeps the names of functions does it (3.12.1).
        return "CPython 3.12 crashes at the end of an interpreter with a GIL of its own that has looked at its frames"
    return None


def look_here(depth: int = DEPTH) -> Callable[[], Taken]:
    """What looks at all threads of this process but the caller, at the innermost `depth` lines of each.

    Raises:
        ValueError: places cannot be taken here, and why.
    """
    reason = places_unavailable()
    if reason is not None:
        raise ValueError(f"where=True: no lines of Python can be seen: {reason}")

    def look() -> Taken:
        return Taken(*_core.thread_places(depth))

    return look


class PlaceSampler(PeriodicLooker):
    """Takes the stacks of all threads each `period_s` seconds, from start() to stop()."""

    def __init__(self, look: Callable[[], Taken], period_s: float = PERIOD_S, *, limit: int = LIMIT) -> None:
        """Keep at most `limit` looks at single threads. `look` may raise OSError or RuntimeError."""
        super().__init__(THREAD_NAME, period_s)
        self._look_once = look
        self._limit = limit
        self._rounds: list[list[Look]] = []
        self._count = 0
        self._stacks: dict[Stack, Stack] = {}  # equal stacks are kept once
        self._cost_ns = 0
        self._thinned = False

    def stop(self) -> Looks:
        """End, and give what was seen. It may be called again."""
        self._join()
        looks = tuple(look for looks in self._rounds for look in looks)
        return Looks(looks, self._cost_ns, tuple(self._notes()))

    def _look(self) -> None:
        try:
            self._take()
        except (MemoryError, OSError, RuntimeError):
            self._failed += 1  # one look less; what was seen stays

    def _take(self) -> None:
        began_ns = time.thread_time_ns()
        taken = self._look_once()
        looked_ns = time.thread_time_ns()
        self._keep(taken.time_ns, taken.places)
        kept_ns = time.thread_time_ns()
        if taken.stopped_ns > 0:
            self._cost_ns += taken.stopped_ns + kept_ns - looked_ns
        took_ns = max(taken.stopped_ns, looked_ns - began_ns) + kept_ns - looked_ns
        self._period_s = max(self._period_s, took_ns / 1e9 / SHARE)

    def _keep(self, time_ns: int, places: Sequence[tuple[int, Stack]]) -> None:
        known = self._stacks.setdefault
        self._rounds.append([Look(time_ns, tid, known(stack, stack)) for tid, stack in places])
        self._count += len(places)
        if self._count > self._limit:
            self._thin()

    def _thin(self) -> None:
        """Forget each second round, and look half as often from now on."""
        del self._rounds[::2]
        self._count = sum(map(len, self._rounds))
        self._stacks = {look.stack: look.stack for looks in self._rounds for look in looks}
        self._period_s *= 2
        self._thinned = True

    def _notes(self) -> list[str]:
        notes = []
        if self._period_s > self._asked_s:
            why = "to keep the memory bounded" if self._thinned else "since each look takes long"
            taken = f"each {self._period_s:.3g} s instead of {self._asked_s:.3g} s"
            notes.append(f"lines of Python were taken {taken}, {why}")
        if self._failed:
            notes.append(f"{self._failed} looks at lines of Python failed")
        return notes


def as_places(looks: Sequence[Look], threads: Sequence[RawThread], process: int = 0) -> tuple[Place, ...]:
    """`looks` at threads of one process, with the index in `threads` in place of the kernel's id, in order of time.

    An id is given anew: it means the thread that had it at that moment, or the next one that was seen with it. Looks at
    threads that are not in there are left out.
    """
    lives: dict[int, list[tuple[int, int]]] = {}
    for index, thread in enumerate(threads):
        if thread.process == process:
            lives.setdefault(thread.tid, []).append((thread.begin_ns, index))
    for begins in lives.values():
        begins.sort()
    places = []
    for look in looks:
        living = _living(lives.get(look.native_id, ()), threads, look.time_ns)
        if living is not None:
            places.append(Place(look.time_ns, living, look.stack))
    return tuple(sorted(places, key=lambda place: place.time_ns))


def _living(lives: Sequence[tuple[int, int]], threads: Sequence[RawThread], time_ns: int) -> int | None:
    after = bisect_right(lives, (time_ns, len(threads)))
    if after > 0:
        index = lives[after - 1][1]
        end_ns = threads[index].end_ns
        if end_ns is None or time_ns <= end_ns:
            return index
    return lives[after][1] if after < len(lives) else None
