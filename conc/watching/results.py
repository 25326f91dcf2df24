"""What a watch adds up to: the records that `conc.watching.summary` fills in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from conc.records import Record

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares(Record):
    """Where time went, as shares of `seen_s` that add to 1; `gil_held_share` lies across them.

    A field is None where it is not known; `unknown` says why.

    Attributes:
        seen_s: seconds in which the thread (or all of them together) was seen in some state.
        running_share: on a CPU.
        runnable_share: could run, and waited for a CPU.
        starting_share: created, and not seen running so far.
        gil_wait_share: waited for an interpreter's lock; 0 where there is none.
        futex_wait_share: waited for a lock, a condition, a queue, an end, or for work as an idle worker.
        io_wait_share: waited for a disk, a socket, a pipe, a device, or any of several descriptors.
        sleep_share: slept.
        other_wait_share: waited for anything else: a page, a debugger, a system call of another kind.
        gil_held_share: held an interpreter's lock, whatever it did meanwhile.
        reasons: name of the reason -> its share, for all of NOT_RUNNING.
        unknown: field name -> why it is None.
    """

    seen_s: float
    running_share: float | None = None
    runnable_share: float | None = None
    starting_share: float | None = None
    gil_wait_share: float | None = None
    futex_wait_share: float | None = None
    io_wait_share: float | None = None
    sleep_share: float | None = None
    other_wait_share: float | None = None
    gil_held_share: float | None = None
    reasons: Mapping[str, float] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadSummary(Shares):
    """One thread, from its birth (or the watch's beginning) to its end (or the watch's).

    Attributes:
        name: of the thread.
        native_id: the kernel's id of it.
        pid: of its process.
        is_python: it had a thread state of the interpreter.
        born_before: it was there when the watch began.
        ended: it ended before the watch did.
        begin_s: when it was first seen, in seconds since the watch began.
        wall_s: how long it was there.
        cpu_s: CPU seconds that it used.
        run_delay_s: seconds for which it waited for a CPU, as the kernel counts them.
        voluntary: context switches because it waited.
        involuntary: context switches because its time slice ended.
    """

    name: str
    native_id: int
    pid: int
    is_python: bool | None
    born_before: bool
    ended: bool
    begin_s: float
    wall_s: float
    cpu_s: float | None
    run_delay_s: float | None
    voluntary: int | None
    involuntary: int | None

    @property
    def switches(self) -> int | None:
        """Context switches of both kinds; None where either is unknown."""
        if self.voluntary is None or self.involuntary is None:
            return None
        return self.voluntary + self.involuntary


@dataclass(frozen=True, slots=True)
class Hold(Record):
    """Who held a GIL, and for how long. `native_id` is None where the holder is not known.

    Attributes:
        name, native_id: of the holder.
        held_s: seconds for which it held the GIL.
        held_share: the same as a share of the time for which anybody held it.
        blocked_s: seconds of it in which the holder sat in a system call: nobody could run Python meanwhile.
        longest_s: the longest hold without anybody having it in between.
    """

    name: str
    native_id: int | None
    held_s: float
    held_share: float
    blocked_s: float
    longest_s: float


@dataclass(frozen=True, slots=True)
class Wait(Record):
    """Who waited for a GIL, and for how long altogether."""

    name: str
    native_id: int
    wait_s: float


@dataclass(frozen=True, slots=True)
class Starved(Record):
    """For how long one thread waited for a GIL that another held. The holder's `..._id` is None: it is not known."""

    waiter: str
    waiter_id: int
    holder: str
    holder_id: int | None
    wait_s: float


@dataclass(frozen=True, slots=True)
class Longest(Record):
    """The longest hold, or wait: whose, how long, and when (seconds since the watch began)."""

    name: str
    native_id: int | None
    seconds: float
    begin_s: float


@dataclass(frozen=True, slots=True)
class Blocked(Record):
    """A GIL held during a blocking call: by whom, in which system call (None: not known), for how long altogether."""

    name: str
    native_id: int | None
    syscall: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class GilSummary(Record):
    """One interpreter's lock. None where it is not known; `unknown` says why.

    Attributes:
        pid, interpreter: whose lock.
        held_share: share of the watch in which anybody held it.
        holders: by time, longest first.
        waiters: by time, longest first.
        waiting_threads: how many threads waited for it on average over the watch.
        contention: share of the watch in which at least one thread waited for it while another held it: 0 where nobody
            ever had to wait, 1 where somebody always did. gilknocker's metric of that name is the share of its own
            probing thread's life that the probe spent acquiring the GIL: an extra waiter that competes with the threads
            it measures. Here nobody acquires anything, and what is counted is the program's own waiting.
        longest_hold, longest_wait: at the resolution of the watch.
        blocked_s: seconds for which it was held by a thread that sat in a system call.
        blocked: the same by thread and system call, longest first.
        starved: who waited for whom, longest first.
        unknown: field name -> why it is None.
    """

    pid: int
    interpreter: int
    held_share: float | None
    holders: tuple[Hold, ...]
    waiters: tuple[Wait, ...]
    waiting_threads: float
    contention: float | None
    longest_hold: Longest | None
    longest_wait: Longest | None
    blocked_s: float | None
    blocked: tuple[Blocked, ...]
    starved: tuple[Starved, ...]
    unknown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProcessSummary(Record):
    """One process: how many threads were seen, and their CPU seconds together (None: not known of one of them).

    Attributes:
        gil: it has a GIL; None: not known.
        python: version of its interpreter.
    """

    pid: int
    name: str
    gil: bool | None
    python: str | None
    threads: int
    cpu_s: float | None


@dataclass(frozen=True, slots=True)
class Summary(Record):
    """What a watch adds up to; ``print(summary)`` shows it.

    Attributes:
        verdict: what stands out, in words: the most telling line first.
        wall_s: how long the watch lasted.
        cores_busy: how many CPUs were kept busy on average (CPU seconds of all threads a second).
        cpus: how many CPUs the process may use; None: not known.
        total: all threads together.
        threads: one for each, in the order of their beginning.
        gils: one for each interpreter's lock that was seen; `gil` is the first.
        processes: one for each.
        interval_s: between two looks, as asked for.
        slowest_interval_s: the longest that the sampler went for, where it lowered its rate.
        resolution_s: of what is told by time (longest, contention); shares and sums are exact sums of the samples.
        ticks, late_ticks: looks, and how many of them came more than half an interval late.
        overhead_share: CPU time of the sampler as a share of one core.
        notes: what a reader must know.
        unknown: what could not be seen -> why.
    """

    verdict: tuple[str, ...]
    wall_s: float
    cores_busy: float | None
    cpus: int | None
    total: Shares
    threads: tuple[ThreadSummary, ...]
    gils: tuple[GilSummary, ...]
    processes: tuple[ProcessSummary, ...]
    interval_s: float
    slowest_interval_s: float
    resolution_s: float
    ticks: int
    late_ticks: int
    overhead_share: float | None
    notes: tuple[str, ...]
    unknown: Mapping[str, str] = field(default_factory=dict)

    @property
    def gil(self) -> GilSummary | None:
        """The first interpreter's lock; None where there is none, or none was seen (`unknown["gil"]` says which)."""
        return self.gils[0] if self.gils else None

    def __str__(self) -> str:
        from conc.watching.text import render_text

        return render_text(self)

    def to_dataframe(self) -> pandas.DataFrame:
        """One row for each thread; the columns are the plain fields of `ThreadSummary`, counts of switches are Int64.

        Raises:
            ImportError: pandas is not installed.
        """
        from conc.watching.frames import thread_frame

        return thread_frame(self)
