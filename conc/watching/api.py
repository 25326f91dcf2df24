"""``conc.watch()``: what every thread of this process does, for as long as a block lasts."""

from __future__ import annotations

import atexit
import math
import os
import platform
import sys
import threading
import time
import weakref
from types import TracebackType
from typing import Any, Self, cast

from conc import _core
from conc.watching import reading
from conc.watching.names import ThreadNames, want_names, want_names_no_more
from conc.watching.records import RawProcess, RawTimeline
from conc.watching.timeline import Timeline

LONGEST_INTERVAL_S = 3600.0

# A part of the descriptors that the process may have, so that the watch takes none that the program needs.
_DESCRIPTOR_SHARE = 4
_MOST_DESCRIPTORS = 1024

_on: weakref.WeakSet[Watch] = weakref.WeakSet()


def watch(interval: float = 0.001) -> Watch:
    """See what every thread of this process does, and which ones wait for what, without disturbing them.

    A native thread that never takes the GIL looks at all others, for as long as the ``with`` block lasts. Watches may
    be nested, and several may be on at once: each has a thread of its own and knows nothing of the others.

    Args:
        interval: seconds between two looks, above 0 and at most 3,600. Looking takes an eighth of a CPU at most: where
            there are too many threads for that, the interval is doubled, and the timeline says so.

    Returns:
        Watch: to be used in ``with``; a timeline when the block has ended.

    Raises:
        TypeError: `interval` is not a number.
        ValueError: `interval` is not above 0, or not finite, or longer than an hour.
        OSError: when the block begins and the system has no thread to give (EAGAIN).

    Source: the kernel, by each thread's CPU clock and its files in ``/proc/self/task``; the interpreter's own memory
    for who holds the GIL. docs/watch.md says how, and what cannot be seen.
    """
    return Watch(_checked_interval(interval))


class Watch(Timeline):
    """A watch of this process: made by `watch`, on while its ``with`` block lasts, and a `Timeline` from then on.

    Inside the block all that a timeline can do raises RuntimeError.
    """

    def __init__(self, interval_ns: int) -> None:
        self._interval_ns = interval_ns
        self._names = ThreadNames()
        self._watcher: _core.Watcher | None = None
        self._lock = threading.Lock()
        self._seen: RawTimeline | None = None
        self._blind: str | None = None  # why it is not seen who has the GIL

    def __enter__(self) -> Self:
        if self._watcher is not None:
            raise RuntimeError("this watch has begun before: each block needs a conc.watch() of its own")
        want_names(self._names)
        try:
            tids = self._names.note_living(time.monotonic_ns())
            layout, self._blind = _gil_layout()
            self._watcher = _core.Watcher(self._interval_ns, tids, _descriptors(), layout)
        except BaseException:
            want_names_no_more(self._names)
            raise
        _on.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        self._end()

    def _end(self) -> None:
        """Stop the sampler, and keep what it saw. Later calls, at the interpreter's exit for one, do nothing."""
        with self._lock:
            watcher = self._watcher
            if watcher is None or self._seen is not None:
                return
            _on.discard(self)
            want_names_no_more(self._names)
            self._names.note_living(time.monotonic_ns())
            watcher.stop()
            self._seen = reading.timeline_of(watcher.take(), self._names, _own_process(), self._blind)

    @property
    def raw(self) -> RawTimeline:
        """All that was seen, as columns of numbers.

        Raises:
            RuntimeError: the block has not ended.
        """
        raw = self._seen
        if raw is None:
            raise RuntimeError("a watch is a timeline when its block has ended: ask after the 'with' block, not inside")
        return raw

    def __repr__(self) -> str:
        if self._seen is not None:
            return super().__repr__()
        state = "not begun" if self._watcher is None else "on"
        return f"<conc.Watch every {self._interval_ns / 1e6:g} ms: {state}>"


def _checked_interval(interval: object) -> int:
    """Nanoseconds, at least 1."""
    if isinstance(interval, bool) or not (hasattr(interval, "__float__") or hasattr(interval, "__index__")):
        raise TypeError(f"interval must be a number of seconds, not {interval!r}")
    seconds = float(cast(Any, interval))
    if not (math.isfinite(seconds) and 0.0 < seconds <= LONGEST_INTERVAL_S):
        raise ValueError(f"interval must be above 0 and at most {LONGEST_INTERVAL_S:.0f} seconds, not {interval!r}")
    return max(1, round(seconds * 1e9))


def _descriptors() -> int:
    """How many descriptors a watch may keep open."""
    try:
        import resource
    except ImportError:
        return _MOST_DESCRIPTORS
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return _MOST_DESCRIPTORS
    return min(_MOST_DESCRIPTORS, limit // _DESCRIPTOR_SHARE)


def _gil_layout() -> tuple[bytes | None, str | None]:
    """Where the GIL is to be read, and why it cannot be, or why no more than where threads wait for it is known."""
    layout = _core.gil_layout()
    if isinstance(layout, bytes):
        return layout, None
    learned = _core.learned_gil_layout()
    if isinstance(learned, bytes):
        return learned, f"{layout}; who waits for the GIL is seen, and not who has it"
    return None, f"{layout}; and where threads wait for it could not be seen either: {learned}"


def _own_process() -> RawProcess:
    is_gil_enabled = getattr(sys, "_is_gil_enabled", None)
    program = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""
    return RawProcess(
        pid=os.getpid(),
        name=program if program not in ("", "-c", "-m") else "python",
        gil=is_gil_enabled is None or bool(is_gil_enabled()),
        python=platform.python_version(),
    )


@atexit.register
def _end_all() -> None:
    """No watch goes on when the interpreter is taken down."""
    for one in list(_on):
        one._end()
