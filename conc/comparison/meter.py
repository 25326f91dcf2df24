"""What actors have used of the machine, read before and after a run."""

from __future__ import annotations

import resource
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from conc import _core
from conc.usage import Usage


class Counters(NamedTuple):
    """Sums since the start of one process or of several."""

    user_s: float = 0.0
    system_s: float = 0.0
    voluntary: int = 0
    involuntary: int = 0
    minor_faults: int = 0
    major_faults: int = 0
    run_delay_s: float | None = 0.0

    def plus(self, other: Counters) -> Counters:
        """The sum, field by field; unknown with anything is unknown."""
        delays = (self.run_delay_s, other.run_delay_s)
        return Counters(
            self.user_s + other.user_s,
            self.system_s + other.system_s,
            self.voluntary + other.voluntary,
            self.involuntary + other.involuntary,
            self.minor_faults + other.minor_faults,
            self.major_faults + other.major_faults,
            None if delays[0] is None or delays[1] is None else delays[0] + delays[1],
        )

    @property
    def cpu_s(self) -> float:
        """User and system seconds together."""
        return self.user_s + self.system_s


def own_counters(threads: Iterable[int]) -> Counters:
    """The counters of this process, all its threads together; the time in queue is that of `threads` (native ids)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Counters(
        used.ru_utime,
        used.ru_stime,
        used.ru_nvcsw,
        used.ru_nivcsw,
        used.ru_minflt,
        used.ru_majflt,
        _run_delay_s(threads),
    )


def usage_between(before: Counters, after: Counters, wall_s: float) -> Usage:
    """The usage of the time between two readings of the same actors."""
    unknown = {
        "gil_wait_s": "not known of timed runs: a lane's gil_wait_share is from runs that were watched",
        "max_rss_bytes": "a peak of the whole process, not of one run",
    }
    run_delay_s = None
    if before.run_delay_s is not None and after.run_delay_s is not None and after.run_delay_s >= before.run_delay_s:
        run_delay_s = after.run_delay_s - before.run_delay_s
    else:
        unknown["run_delay_s"] = "schedstat is not readable, or a thread ended meanwhile"
    return Usage(
        wall_s=wall_s,
        user_s=max(after.user_s - before.user_s, 0.0),
        system_s=max(after.system_s - before.system_s, 0.0),
        run_delay_s=run_delay_s,
        voluntary=after.voluntary - before.voluntary,
        involuntary=after.involuntary - before.involuntary,
        minor_faults=after.minor_faults - before.minor_faults,
        major_faults=after.major_faults - before.major_faults,
        source="getrusage(2), schedstat",
        unknown=unknown,
    )


def anonymous_bytes() -> int | None:
    """Resident memory of this process that no file stands behind; None where /proc does not tell."""
    try:
        status = Path("/proc/self/status").read_bytes()
    except OSError:
        return None
    return _kib_field(status, b"RssAnon:")


def proportional_bytes(pid: int) -> int | None:
    """Resident memory of a process, shared pages counted by their share; None where /proc does not tell."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_bytes()
    except OSError:
        return None
    return _kib_field(rollup, b"Pss:")


def thread_count() -> int | None:
    """Threads of this process, those unknown to Python among them; None where the system does not tell."""
    return _core.task_count()


def _kib_field(text: bytes, name: bytes) -> int | None:
    for line in text.splitlines():
        if line.startswith(name):
            fields = line.split()
            return int(fields[1]) * 1024 if len(fields) > 1 and fields[1].isdigit() else None
    return None


def _run_delay_s(threads: Iterable[int]) -> float | None:
    """Seconds that threads of this process could have run but had no CPU; None where that is not known of one."""
    delays_ns = [_core.task_run_delay(thread) for thread in threads]
    known_ns = [delay_ns for delay_ns in delays_ns if delay_ns is not None]
    return sum(known_ns) / 1e9 if len(known_ns) == len(delays_ns) else None
