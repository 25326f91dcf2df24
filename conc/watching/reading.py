"""From what the sampler hands over (`conc._core.Watcher.take`) to the records that the rest works with."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import Any, TypeVar

from conc.watching.names import ThreadNames
from conc.watching.records import (
    Held,
    Holds,
    RawProcess,
    RawThread,
    RawTimeline,
    Segments,
    Totals,
    Waits,
    column_format,
)

_T = TypeVar("_T")

# What is not seen where a file of /proc is refused, and what that means for the timeline.
_LOST = {
    "threads": "the threads cannot be listed: only those that threading knew when the watch began are watched",
    "clock": "threads' CPU clocks are not told: their CPU times are left to schedstat, some ms behind while they run",
    "gil": "the GIL cannot be read",
    "syscall": "system calls are not told: why a thread waits is not known, and so neither who waits for the GIL",
    "schedstat": "run delays are not told: RUNNABLE is what was seen at the looks alone",
    "stat": "the CPU and the state letter are not told: stops and page faults are not seen",
    "status": "context switches are not told",
    "comm": "the system's names of threads are not told",
    "descriptors": "there were too few descriptors now and then: some looks have failed",
}

# Above this share of looks that came late the timeline says so.
_LATE_SHARE = 0.1


def timeline_of(
    taken: Mapping[str, Any], names: ThreadNames, process: RawProcess, blind: Mapping[str, str], cpus: int | None
) -> RawTimeline:
    """The record of one watch of a process that may run on `cpus`; `blind`: what of the GIL is not known, and why."""
    end_ns: int = taken["end_ns"]
    threads = _threads(taken["threads"], names, end_ns)
    return RawTimeline(
        begin_ns=taken["begin_ns"],
        end_ns=end_ns,
        begin_unix_ns=taken["begin_unix_ns"],
        interval_ns=taken["interval_ns"],
        rates=tuple(taken["rates"]),
        ticks=taken["ticks"],
        late_ticks=taken["late_ticks"],
        cost_cpu_ns=taken["cost_cpu_ns"],
        resolution_ns=taken["resolution_ns"],
        processes=(process,),
        cpus=cpus,
        threads=threads,
        segments=_columns(Segments, taken["segments"]),
        holds=_columns(Holds, taken["holds"]),
        held=_columns(Held, taken["held"]),
        waits=_columns(Waits, taken["waits"]),
        totals=_columns(Totals, taken["totals"]),
        syscalls=taken["syscalls"],
        unknown={**_unknown(taken, threads), **blind},
        notes=tuple(_notes(taken)),
    )


def _columns(kind: type[_T], columns: Mapping[str, bytes]) -> _T:
    return kind(**{name: memoryview(column).cast(column_format(name)) for name, column in columns.items()})


def _threads(taken: list[Mapping[str, Any]], names: ThreadNames, end_ns: int) -> tuple[RawThread, ...]:
    """All threads, in the order of their beginning, in which those that had the same id are to be named."""
    return tuple(_thread(thread, names, end_ns) for thread in taken)


def _known(number: int) -> int | None:
    return None if number < 0 else number


def _thread(thread: Mapping[str, Any], names: ThreadNames, end_ns: int) -> RawThread:
    ended_ns = _known(thread["end_ns"])
    name = names.take_name(thread["tid"], thread["begin_ns"], end_ns if ended_ns is None else ended_ns)
    return RawThread(
        process=0,
        tid=thread["tid"],
        name=name or thread["os_name"],
        begin_ns=thread["begin_ns"],
        end_ns=ended_ns,
        born_before=thread["born_before"],
        cpu_ns=_known(thread["cpu_ns"]),
        run_delay_ns=_known(thread["run_delay_ns"]),
        voluntary=_known(thread["voluntary"]),
        involuntary=_known(thread["involuntary"]),
        is_python=True if name is not None else None,
    )


def _unknown(taken: Mapping[str, Any], threads: tuple[RawThread, ...]) -> dict[str, str]:
    unknown = {what: f"{_LOST[what]} ({_error(number)})" for what, number in taken["failures"].items() if number != 0}
    if any(thread.cpu_ns is None for thread in threads):
        unknown["cpu_ns"] = _why_no_cpu_time(taken["failures"])
    if any(thread.voluntary is None for thread in threads):
        unknown.setdefault("status", "some threads ended before their context switches were read")
    if any(thread.run_delay_ns is None for thread in threads):
        unknown.setdefault("schedstat", "some threads ended before their run delay was read, or it is not counted here")
    return unknown


def _why_no_cpu_time(failures: Mapping[str, int]) -> str:
    if failures["schedstat"] == 0:
        return "some threads ended before their CPU time was read, or it is not counted here"
    sources = {"clock": "the threads' clocks", "schedstat": "schedstat"}
    refused = [f"{source} ({_error(failures[what])})" for what, source in sources.items() if failures[what] != 0]
    return (
        f"CPU time is not told: refused are {' and '.join(refused)}; what threads did is what was seen at the looks, "
        "and RUNNING may be a wait for a CPU"
    )


def _error(number: int) -> str:
    return f"{errno.errorcode.get(number, number)}: {os.strerror(number)}"


def _notes(taken: Mapping[str, Any]) -> list[str]:
    notes = []
    slowest_ns = max(interval_ns for _, interval_ns in taken["rates"])
    if slowest_ns > taken["interval_ns"]:
        notes.append(
            f"looking took more than an eighth of a CPU: the interval went from {_ms(taken['interval_ns'])} "
            f"up to {_ms(slowest_ns)}"
        )
    if taken["resolution_ns"] > taken["interval_ns"]:
        notes.append(
            f"the picture is thinned: what lasted less than {_ms(taken['resolution_ns'])} is part of what came before "
            "or after it; totals are exact all the same"
        )
    if taken["late_ticks"] > _LATE_SHARE * max(1, taken["ticks"]):
        notes.append(
            f"{taken['late_ticks']} of {taken['ticks']} looks came more than half an interval late: "
            "the machine was busy"
        )
    if taken["threads_left_out"]:
        notes.append("there were more threads than a watch has room for: some are missing")
    if taken["waits_merged"]:
        notes.append("too many pairs of threads waited for each other: for some waits, whom they were for is not kept")
    return notes


def _ms(ns: int) -> str:
    return f"{ns / 1e6:g} ms"
