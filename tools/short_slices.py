"""Runs a command whose threads get a CPU for 0.1 ms at a time, where the kernel has slices of a length of one's own.

    python tools/short_slices.py COMMAND [ARGUMENT ...]

A free-threaded CPython 3.13 calls sched_yield() where it waits for a lock, 40 times, and often also where it has the
lock itself. Beside other programs each call costs a slice, of 3 ms as a rule: then `python -c pass` takes half a
minute, and what a test waits for, however long it waits, does not come. Linux 6.12 and later have such slices; earlier
ones ignore the wish.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys

SLICE_NS = 100_000
SYS_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}


class SchedAttr(ctypes.Structure):
    """struct sched_attr of sched_setattr(2), its first version."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("sched_policy", ctypes.c_uint32),
        ("sched_flags", ctypes.c_uint64),
        ("sched_nice", ctypes.c_int32),
        ("sched_priority", ctypes.c_uint32),
        ("sched_runtime", ctypes.c_uint64),
        ("sched_deadline", ctypes.c_uint64),
        ("sched_period", ctypes.c_uint64),
    )


def shorten() -> str | None:
    """For this thread, and all that it starts; or why not."""
    number = SYS_SCHED_SETATTR.get(platform.machine())
    if number is None or sys.platform != "linux":
        return "not known on this system"
    attr = SchedAttr(
        size=ctypes.sizeof(SchedAttr),
        sched_policy=os.SCHED_OTHER,
        sched_nice=os.getpriority(os.PRIO_PROCESS, 0),
        sched_runtime=SLICE_NS,
    )
    libc = ctypes.CDLL(None, use_errno=True)
    return None if libc.syscall(number, 0, ctypes.byref(attr), 0) == 0 else os.strerror(ctypes.get_errno())


def main(command: list[str]) -> None:
    why_not = shorten()
    if why_not is not None:
        print(f"short_slices: slices stay as they are: {why_not}", file=sys.stderr)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
