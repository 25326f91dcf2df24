"""``conc.watch()``: what every thread of a process does, for as long as a block lasts.

It begins in the middle of what is to be watched. Beside threads that want the GIL whoever gives it up, to read a file
for one, waits for it a switch interval for each of them, and an import reads several. So a watch begins with few
modules, all of them small; what becomes of its records is imported when somebody asks for that.
"""

from __future__ import annotations

import atexit
import os
import threading
from _operator import index  # which is operator's, and built in
from _weakrefset import WeakSet  # which is weakref's, and is there: threading has imported it

from conc import _core
from conc.watching.locked import call_locked
from conc.watching.own import OwnProcess
from conc.watching.timeline import Timeline

TYPE_CHECKING = False  # typing's own is a module more
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Self

    from conc.watching.family import Family
    from conc.watching.other import OtherProcess
    from conc.watching.places import Looks, PlaceSampler, Taken
    from conc.watching.records import RawTimeline

LONGEST_INTERVAL_S = 3600.0

# A part of the descriptors that the process may have, so that the watch takes none that the program needs.
_DESCRIPTOR_SHARE = 4
_MOST_DESCRIPTORS = 1024
_CHILD_DESCRIPTOR_SHARE = 8

# Of so many children each is looked at as often as the watched process itself.
_CHILDREN_AT_FULL_RATE = 4

_on: WeakSet[Watch] = WeakSet()


def watch(pid: int | None = None, *, interval: float = 0.001, children: bool = False, where: bool = False) -> Watch:
    """See what every thread of this process, or of another one, does, and which ones wait for what, undisturbed.

    A native thread that never takes the GIL looks at all others, for as long as the ``with`` block lasts. Watches may
    be nested, and several may be on at once: each has a thread of its own and knows nothing of the others.

    Args:
        pid: another process to watch; None: this one. It takes the right to trace it (ptrace). It need not be a Python.
        interval: seconds between two looks, above 0 and at most 3,600. Looking takes an eighth of a CPU at most for
            each process: where there are too many threads for that, the interval is doubled, and the timeline says so.
        children: watch the processes, too, that the watched one starts or has started, and those that they start.
        where: also see in which lines of Python threads stand, some 20 times a second. Each look stops the interpreter
            for a moment (``Timeline.raw.places_cost_ns``). With `pid` it takes CPython 3.14 or later on both sides.

    Returns:
        Watch: to be used in ``with``; a timeline when the block has ended.

    Raises:
        TypeError: `interval` is not a number, or `pid` no whole number.
        ValueError: `interval` is not above 0, or not finite, or longer than an hour; a `pid` below 1. When the block
            begins: no lines of Python can be seen here, although `where` asks for them.
        ProcessLookupError: when the block begins and there is no process `pid`, or it is hidden.
        PermissionError: when the block begins and process `pid` may not be traced: the message says why, and the cure.
        OSError: when the block begins and the system has no thread to give (EAGAIN), or no descriptor (EMFILE).

    Source: the kernel, by each thread's CPU clock (of another process: ``schedstat``) and its files in
    ``/proc/<pid>/task``; the interpreter's own memory for who holds the GIL. docs/watch.md says how, and what cannot be
    seen.
    """
    return Watch(_checked_pid(pid), _checked_interval(interval), bool(children), bool(where))


class Watch(Timeline):
    """A watch: made by `watch`, on while its ``with`` block lasts, and a `Timeline` from then on.

    Inside the block all that a timeline can do raises RuntimeError.
    """

    # Of one that was not made, too, for which __del__ asks.
    _seen: _Seen | None = None  # from its begin on; None once more: it is lost
    _ended = False

    def __init__(self, pid: int | None, interval_ns: int, children: bool, where: bool) -> None:
        self._summary = None
        self._pid = pid
        self._interval_ns = interval_ns
        self._children = children
        self._where = where
        self._begun = False
        self._ending = False
        self._lock = threading.RLock()
        self._done: RawTimeline | None = None

    def __enter__(self) -> Self:
        if self._begun:
            raise RuntimeError("this watch has begun before: each block needs a conc.watch() of its own")
        _on.add(self)  # first: what comes next would be left on where there is no memory for this
        self._seen = _Seen(self._pid, self._interval_ns, self._children, self._where)
        self._begun = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        self._end()

    def __del__(self) -> None:
        if self._seen is not None and not self._ended:
            self._seen.abandon()

    def _end(self) -> None:
        """Stop looking, and keep what was seen. Later calls, at the interpreter's exit for one, do nothing."""
        call_locked(self._lock, self._end_once)

    def _end_once(self) -> None:
        seen = self._seen
        if seen is None or self._ending:
            return
        self._ending = True
        try:
            seen.end()
        except BaseException:
            self._seen = None
            seen.abandon()
            raise
        self._ended = True
        _on.discard(self)

    @property
    def raw(self) -> RawTimeline:
        """All that was seen, as columns of numbers.

        Raises:
            RuntimeError: the block has not ended, or what was seen was lost with an exception at its end.
        """
        seen = self._seen
        if seen is None and self._begun:
            raise RuntimeError("what this watch saw is lost: an exception came while it ended (no memory, or Ctrl-C)")
        if seen is None or not self._ended:
            raise RuntimeError("a watch is a timeline when its block has ended: ask after the 'with' block, not inside")
        if self._done is None:
            call_locked(self._lock, self._keep, seen.timeline())
        assert self._done is not None
        return self._done

    def _keep(self, raw: RawTimeline) -> None:
        self._done = self._done or raw  # the first one, of several threads that ask

    def __repr__(self) -> str:
        if self._ended:
            return super().__repr__()
        state = "not begun" if not self._begun else "lost" if self._seen is None else "on"
        return f"<conc.Watch every {self._interval_ns / 1e6:g} ms: {state}>"


class _Seen:
    """The parts of one watch, which look from the moment at which this is made: processes, and places."""

    def __init__(self, pid: int | None, interval_ns: int, children: bool, where: bool) -> None:
        self._interval_ns = interval_ns
        self._places: PlaceSampler | None = None
        self._family: Family | None = None
        self._looks: Looks | None = None
        self._others: tuple[list[RawTimeline], dict[str, str], list[str]] = ([], {}, [])
        self._root = self._begin_root(pid)
        try:
            if where:
                self._begin_places()
            if children:
                self._begin_family()
        except BaseException:
            self.abandon()
            raise

    def end(self) -> None:
        """End all of them."""
        if self._places is not None:
            self._looks = self._places.stop()
        if self._family is not None:
            self._others = self._family.stop()
        self._root.stop()

    def timeline(self) -> RawTimeline:
        """What they saw, as one, when all have ended."""
        from dataclasses import replace

        from conc.watching.merging import merge, without

        others, unknown, notes = self._others
        raw = self._with_places(without(self._root.timeline(), self._own_threads()))
        raw = replace(raw, unknown={**raw.unknown, **unknown}, notes=(*raw.notes, *notes))
        return merge(raw, others)

    def _with_places(self, raw: RawTimeline) -> RawTimeline:
        looks = self._looks
        if looks is None:
            return raw
        from dataclasses import replace

        from conc.watching.places import as_places
        from conc.watching.wait_rules import refine

        raw = replace(
            raw,
            places=as_places(looks.looks, raw.threads),
            places_cost_ns=looks.cost_ns,
            notes=(*raw.notes, *looks.notes),
        )
        return refine(raw)

    def abandon(self) -> None:
        """End all of them without a word, and without waiting: for a watch that was dropped."""
        # One by one, which takes no memory.
        if self._places is not None:
            self._places.abandon()
        if self._family is not None:
            self._family.abandon()
        self._root.abandon()

    def _own_threads(self) -> set[int]:
        """Those of our own process that are there to watch: they are no part of what was watched."""
        if not isinstance(self._root, OwnProcess):
            return set()
        parts = [self._places, self._family]
        own = {part.native_id for part in parts if part is not None and part.native_id is not None}
        return own | (set() if self._family is None else self._family.watchers)

    def _begin_root(self, pid: int | None) -> OwnProcess | OtherProcess:
        if pid is None or pid == os.getpid():
            return OwnProcess(self._interval_ns, _descriptors())
        from conc.watching.other import OtherProcess, check_may_be_watched

        check_may_be_watched(pid)
        return OtherProcess(pid, self._interval_ns, _descriptors())

    def _begin_places(self) -> None:
        from conc.watching.places import PlaceSampler

        self._places = PlaceSampler(self._look_at_places())
        self._places.start()

    def _look_at_places(self) -> Callable[[], Taken]:
        if isinstance(self._root, OwnProcess):
            from conc.watching.places import look_here

            return look_here()
        from conc.watching.remote_places import look_at

        return look_at(self._root.pid, self._root.version)

    def _begin_family(self) -> None:
        from functools import partial

        # All that a child's watch needs, before the first one comes: beside threads that want the GIL its imports take
        # longer than many a child lives.
        import conc.watching.other  # noqa: F401
        from conc.watching.family import Family

        self._family = Family(self._root.pid, partial(_begin_child, self._interval_ns))
        self._family.start()


def _begin_child(interval_ns: int, pid: int, count: int) -> OtherProcess | None:
    """Of many, each is looked at less often: all of them together should not take the machine.

    None: it has ended.

    Raises:
        OSError: the system has no thread or descriptor to give.
    """
    from conc.watching.other import OtherProcess

    often = 1 + count // _CHILDREN_AT_FULL_RATE
    try:
        return OtherProcess(pid, interval_ns * often, _descriptors() // _CHILD_DESCRIPTOR_SHARE)
    except (ProcessLookupError, PermissionError):
        return None


def _checked_pid(pid: object) -> int | None:
    if pid is None:
        return None
    if isinstance(pid, bool) or not hasattr(pid, "__index__"):
        raise TypeError(
            f"pid must be a process's number, not {pid!r} (the interval is given by name: interval={pid!r})"
        )
    convertible: Any = pid
    number = index(convertible)
    if not 1 <= number < 1 << 31:
        raise ValueError(f"pid must be at least 1 and below 2**31, not {pid!r}")
    return number


def _checked_interval(interval: object) -> int:
    """Nanoseconds, at least 1."""
    if isinstance(interval, bool) or not (hasattr(interval, "__float__") or hasattr(interval, "__index__")):
        raise TypeError(f"interval must be a number of seconds, not {interval!r}")
    convertible: Any = interval
    seconds = float(convertible)
    if not 0.0 < seconds <= LONGEST_INTERVAL_S:  # nan is not
        raise ValueError(f"interval must be above 0 and at most {LONGEST_INTERVAL_S:.0f} seconds, not {interval!r}")
    return max(1, round(seconds * 1e9))


def _descriptors() -> int:
    """How many descriptors a watch may keep open."""
    limit = os.sysconf("SC_OPEN_MAX")  # the process's own, as it is now; -1: none
    return _MOST_DESCRIPTORS if limit < 0 else min(_MOST_DESCRIPTORS, limit // _DESCRIPTOR_SHARE)


def _end_all() -> None:
    """No watch goes on when the interpreter is taken down."""
    for one in list(_on):
        one._end()


atexit.register(_end_all)
if _core.interpreter_id() != 0:
    from conc._threading_shim import before_threads_are_joined, daemon_threads_allowed

    if not daemon_threads_allowed():
        # The interpreter waits for the threads that look, which are conc's: what is registered last is called first.
        import conc.threads  # noqa: F401

        before_threads_are_joined(_end_all)
