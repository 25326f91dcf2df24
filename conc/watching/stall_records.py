"""What a stall guard tells: records, and how the parts of a report are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from conc.records import Record
from conc.threads import ThreadState

if TYPE_CHECKING:
    from types import FrameType

_MAX_FRAMES = 100  # of a stack, as faulthandler has it


@dataclass(frozen=True, slots=True)
class StalledThread(Record):
    """One thread at the moment of a report, as the kernel sees it.

    Attributes:
        native_id: the kernel's id.
        name: what Python calls it, or else the operating system; None where neither tells.
        state: one of the five; None where the system does not tell.
        system_call: that it waits in, as manual pages call it; None: in none, or it is not told.
        cpu_s: CPU seconds since it began; None: not told.
        holds_gil: whether it has the GIL; None: not known, or there is none.
        waits_for_gil: whether it waits for the GIL; None as above.
    """

    native_id: int
    name: str | None
    state: ThreadState | None
    system_call: str | None
    cpu_s: float | None
    holds_gil: bool | None
    waits_for_gil: bool | None


@dataclass(frozen=True, slots=True)
class StallReport(Record):
    """One stall.

    Attributes:
        kind: "gil" (one thread held it), "loop" (the event loop did not turn) or "deadlock".
        begin_unix_s: when it was first seen, by the wall clock (time.time()).
        duration_s: seconds until its end was seen; None while it lasts, and when the guard was stopped before.
        thread_name: of the thread that is to blame: the holder of the GIL, the loop's, or the first of the cycle.
        native_id: that thread's; None: not known, see `unknown`.
        stacks: the Python stacks of all threads at the time of the report, most recent call first.
        threads: what each thread did then.
        waits: of a deadlock, a line for each wait of the cycle.
        unknown: field -> why it is not known. "output": why the output has the report not whole.
        source: who says so.
    """

    kind: str
    begin_unix_s: float
    duration_s: float | None
    thread_name: str | None
    native_id: int | None
    stacks: str
    threads: tuple[StalledThread, ...]
    waits: tuple[str, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)
    source: str = "/proc/self/task, CPython's memory, faulthandler, Python's frames"


RawThread = tuple[int, str, str | None, str | None, int | None, bool | None, bool | None]


def threads_from(rows: Iterable[RawThread], names: Mapping[int, str]) -> tuple[StalledThread, ...]:
    """The core's rows as records; `names` are Python's, by native id."""
    return tuple(
        StalledThread(
            tid,
            names.get(tid, name) or None,
            None if state is None else ThreadState(state),
            call,
            None if cpu_ns is None else cpu_ns / 1e9,
            holds,
            waits,
        )
        for tid, name, state, call, cpu_ns, holds, waits in rows
    )


def stack_text(frame: FrameType | None) -> str:
    """A stack in faulthandler's words; of lines that are running, nothing is read from files."""
    lines: list[str] = []
    while frame is not None and len(lines) < _MAX_FRAMES:
        lines.append(f'  File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}\n')
        frame = frame.f_back
    return "".join(lines) + ("" if frame is None else "  ...\n")


def stacks_text(frames: Mapping[int, FrameType], labels: Mapping[int, str]) -> str:
    """All stacks, with what else is known of their threads; both arguments by threading's identifier."""
    return "\n".join(
        f"Thread 0x{ident:016x} {labels.get(ident, '?')} (most recent call first):\n{stack_text(frame)}"
        for ident, frame in frames.items()
    )
