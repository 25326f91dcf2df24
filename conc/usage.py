"""What an actor (thread, process, lane run) has used of the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from conc.records import Record


@dataclass(frozen=True, slots=True)
class Usage(Record):
    """Time and events of one actor. A field is None where the operating system does not tell; `unknown` says why.

    Attributes:
        wall_s: elapsed seconds, monotonic clock.
        user_s: CPU seconds in user mode.
        system_s: CPU seconds in the kernel.
        run_delay_s: seconds spent runnable, waiting for a CPU (schedstat).
        gil_wait_s: seconds spent waiting to attach to the interpreter.
        voluntary: context switches because the actor waited.
        involuntary: context switches because its time slice ended.
        minor_faults: page faults served without I/O.
        major_faults: page faults that needed I/O.
        max_rss_bytes: peak resident memory of the process.
        source: where the figures come from.
        unknown: field name -> why it is None.
    """

    wall_s: float | None = None
    user_s: float | None = None
    system_s: float | None = None
    run_delay_s: float | None = None
    gil_wait_s: float | None = None
    voluntary: int | None = None
    involuntary: int | None = None
    minor_faults: int | None = None
    major_faults: int | None = None
    max_rss_bytes: int | None = None
    source: str = ""
    unknown: Mapping[str, str] = field(default_factory=dict)

    @property
    def cpu_s(self) -> float | None:
        """User and system seconds together; None where either is unknown."""
        if self.user_s is None or self.system_s is None:
            return None
        return self.user_s + self.system_s
