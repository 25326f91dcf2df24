"""In which lines of Python the threads of another process stand, where the standard library tells.

CPython 3.14 and later can read the stacks of a process of its own version from its memory, without stopping it
(``_remote_debugging``, made for its own profiler).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from conc.watching.places import DEPTH, Stack, Taken

_FIRST = (3, 14)


def look_at(pid: int, version: str | None, depth: int = DEPTH) -> Callable[[], Taken]:
    """What looks at all threads of process `pid`, whose interpreter is of `version` (None: not known).

    Raises:
        ValueError: no lines of it can be seen from here, and why.
    """
    reason = _unavailable(version)
    if reason is not None:
        raise ValueError(f"where=True: no lines of Python of process {pid} can be seen: {reason}")
    import _remote_debugging  # type: ignore[import-not-found]

    try:
        unwinder = _remote_debugging.RemoteUnwinder(pid, all_threads=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"where=True: no lines of Python of process {pid} can be seen: {error}") from None

    def look() -> Taken:
        time_ns = time.monotonic_ns()
        return Taken(time_ns, 0, [(thread.thread_id, _stack(thread, depth)) for thread in _threads(unwinder)])

    return look


def _unavailable(version: str | None) -> str | None:
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if sys.version_info < _FIRST:
        return f"that takes CPython {_FIRST[0]}.{_FIRST[1]} or later on both sides, and this is {own}"
    if version is None:
        return "its interpreter is not known"
    if version.split(".")[:2] != own.split("."):
        return f"it runs CPython {version}, and this is {own}: both must be of one version"
    try:
        import _remote_debugging  # noqa: F401
    except ImportError as error:
        return str(error)
    return None


def _threads(unwinder: Any) -> Iterable[Any]:
    """3.14 lists threads, later versions interpreters with theirs."""
    for item in unwinder.get_stack_trace():
        if hasattr(item, "threads"):
            yield from item.threads
        else:
            yield item


def _stack(thread: Any, depth: int) -> Stack:
    return tuple((frame.filename, _line(frame), frame.funcname) for frame in thread.frame_info[:depth])


def _line(frame: Any) -> int:
    location = getattr(frame, "location", None)
    return int(frame.lineno if location is None else location.lineno)
