"""What a watch has seen, as the sampler hands it over: columns of numbers, and nothing worked out yet.

Times are nanoseconds of the monotonic clock. A thread is named by its index in `RawTimeline.threads`, since the kernel
gives ids anew. Rows stand in the order of their beginning.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal


class State(enum.IntEnum):
    """The five states, as csrc/watch counts them."""

    STARTING = 0
    RUNNABLE = 1
    RUNNING = 2
    NOT_RUNNING = 3
    ENDED = 4


class Reason(enum.IntEnum):
    """Why a thread is NOT_RUNNING, as csrc/watch counts them. NONE for every other state."""

    NONE = 0
    GIL = 1
    """Waits for an interpreter's lock."""
    FUTEX = 2
    """Waits for a lock, a condition, a queue or a join: the kernel does not tell which."""
    LOCK = 3
    CONDITION = 4
    JOIN = 5
    """Waits for a thread, a process or a result."""
    IDLE = 6
    """A worker that has nothing to do."""
    DISK = 7
    SOCKET = 8
    PIPE = 9
    POLL = 10
    """Waits for any of several descriptors: select, poll, epoll_wait."""
    IO = 11
    """Any other descriptor: a terminal, an event, a device."""
    SLEEP = 12
    PAGE_FAULT = 13
    STOPPED = 14
    """By a signal or a debugger."""
    SYSTEM_CALL = 15
    """Waits in a system call that is none of the above."""
    UNKNOWN = 16
    """Waits, and the system does not tell for what."""


_LONG = {"begin_ns", "end_ns", "wait_ns", "held_ns", "blocked_ns", "longest_ns", "ns"}
_SHORT = {"state", "reason", "blocked"}


def column_format(name: str) -> Literal["q", "B", "i"]:
    """How the numbers of a column are kept, as memoryview and array name it."""
    return "q" if name in _LONG else "B" if name in _SHORT else "i"


@dataclass(frozen=True, slots=True)
class RawThread:
    """One thread (or, with `children`, one process's thread)."""

    process: int
    """Index in `RawTimeline.processes`."""
    tid: int
    name: str
    begin_ns: int
    """When it was first seen; `born_before`: it was there when the watch began."""
    end_ns: int | None
    """When it was first missed; None: it was there when the watch ended."""
    born_before: bool
    cpu_ns: int | None
    run_delay_ns: int | None
    voluntary: int | None
    involuntary: int | None
    """During the watch, as far as it was seen. None: `RawTimeline.unknown` says why."""
    is_python: bool | None = None
    """It had a thread state of the interpreter; None: not known."""


@dataclass(frozen=True, slots=True)
class RawProcess:
    """One process."""

    pid: int
    name: str
    gil: bool | None
    """It has one; None: not known. False on a free-threaded build whose GIL is off."""
    python: str | None = None
    """Version of its interpreter."""


@dataclass(frozen=True, slots=True)
class Segments:
    """What threads did, run-length coded: one row for as long as nothing changed. Columns of equal length."""

    begin_ns: Sequence[int]
    end_ns: Sequence[int]
    thread: Sequence[int]
    state: Sequence[int]
    reason: Sequence[int]
    cpu: Sequence[int]
    """-1: not known."""
    syscall: Sequence[int]
    """System call's number, -1: in none."""
    descriptor: Sequence[int]
    """What an I/O call waits on, -1: none."""


@dataclass(frozen=True, slots=True)
class Holds:
    """Who held a GIL, as sampled: one row for as long as the holder was the same and nobody had it in between."""

    begin_ns: Sequence[int]
    end_ns: Sequence[int]
    interpreter: Sequence[int]
    thread: Sequence[int]
    """-1: not known."""
    blocked: Sequence[int]
    """1: the holder sat in a system call all the while."""
    process: Sequence[int] = ()
    """Index in `RawTimeline.processes`, since an interpreter's id is its process's own. Empty: all of the first."""


@dataclass(frozen=True, slots=True)
class Waits:
    """For how long who waited for a GIL that whom held. Exact sums of the samples, never thinned."""

    waiter: Sequence[int]
    holder: Sequence[int]
    """-1: nobody, or not known."""
    interpreter: Sequence[int]
    wait_ns: Sequence[int]


@dataclass(frozen=True, slots=True)
class Held:
    """For how long each thread held each GIL. Exact sums of the samples, never thinned."""

    thread: Sequence[int] = ()
    """-1: not known."""
    interpreter: Sequence[int] = ()
    held_ns: Sequence[int] = ()
    blocked_ns: Sequence[int] = ()
    """Of `held_ns`: it sat in a system call meanwhile."""
    longest_ns: Sequence[int] = ()
    """The longest time without another holder in between."""
    process: Sequence[int] = ()
    """As in `Holds`."""


@dataclass(frozen=True, slots=True)
class Totals:
    """How long each thread was in each state, for each reason. Exact sums of the samples, never thinned."""

    thread: Sequence[int]
    state: Sequence[int]
    reason: Sequence[int]
    ns: Sequence[int]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thread's Python stood at a moment."""

    time_ns: int
    thread: int
    stack: tuple[tuple[str, int, str], ...]
    """(file, line, function), innermost first."""


@dataclass(frozen=True, slots=True)
class RawTimeline:
    """All of one watch."""

    begin_ns: int
    end_ns: int
    begin_unix_ns: int
    """The same moment as `begin_ns` by the wall clock."""
    interval_ns: int
    """Asked for."""
    rates: tuple[tuple[int, int], ...]
    """(from when, interval_ns) as the sampler really went, in order of time."""
    ticks: int
    late_ticks: int
    """Came more than half an interval late."""
    cost_cpu_ns: int
    """CPU time of the sampler."""
    resolution_ns: int
    """Of `segments` and `holds`: longer than an interval where a long watch was thinned."""
    processes: tuple[RawProcess, ...]
    threads: tuple[RawThread, ...]
    segments: Segments
    holds: Holds
    waits: Waits
    totals: Totals
    held: Held = Held()
    places: tuple[Place, ...] = ()
    places_cost_ns: int = 0
    """Time for which taking `places` held the GIL."""
    cpus: int | None = None
    """How many the watched process may use; None: not known."""
    syscalls: Mapping[int, str] = field(default_factory=dict)
    """Names of the system calls that occur in `segments`."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """What could not be seen -> why: a field of `RawThread`; "gil" (neither who waits for it nor who has it),
    "gil_holder" (who has it), "syscall" (what threads wait for), "schedstat" (run delays), "status" (switches), ..."""
    notes: tuple[str, ...] = ()
    """What a reader must know: a lowered rate, a thinned picture, threads too short to be seen."""
