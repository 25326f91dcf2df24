"""Stalls: who holds the GIL for too long, event loops that do not turn, and deadlocks. ``conc.stall_guard()``."""

from __future__ import annotations

import asyncio
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from conc import _core
from conc._threading_shim import before_threads_are_joined, interpreter_is_finishing, known_threads
from conc.gil import gil_enabled
from conc.threads import Thread
from conc.watching.deadlocks import Cycle, DeadlockSearch
from conc.watching.heart import Heart
from conc.watching.stack_signal import StackSignal
from conc.watching.stall_records import RawThread, StalledThread, StallReport, stacks_text, threads_from

__all__ = ["StallGuard", "StallReport", "StalledThread", "stall_guard"]

_KEPT = 1000  # reports
_MAX_BEAT_S = 0.25
_MIN_SECONDS = 0.01  # twice the time for which Python code may hold the GIL anyway


class HasFileno(Protocol):
    """An open file that the operating system knows."""

    def fileno(self) -> int:
        """Its descriptor."""


def _open_output(file: str | os.PathLike[str] | HasFileno | None) -> int:
    """A descriptor of our own, so that nobody closes it under us."""
    if file is None:
        try:
            return os.dup(sys.stderr.fileno())
        except (AttributeError, OSError, ValueError):  # a notebook's, a test runner's, or none at all
            return os.dup(2)
    if isinstance(file, (str, os.PathLike)):
        return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    flush = getattr(file, "flush", None)
    if flush is not None:
        flush()
    return os.dup(file.fileno())


def _monotonic_to_unix(time_ns: int) -> float:
    return time.time() - (time.monotonic_ns() - time_ns) / 1e9


class _Watch:
    """All that one armed guard holds: opened whole or not at all, closed once."""

    def __init__(self, guard: StallGuard) -> None:
        self.deadlocks: DeadlockSearch | None = None
        self.heart: Heart | None = None
        self.signal: StackSignal | None = None
        self.output = _open_output(guard._file)
        try:
            has_gil = gil_enabled()
            beat_s = min(guard._seconds / 4, _MAX_BEAT_S)
            loop = guard._loop if guard._loop is not None else asyncio._get_running_loop()
            self.signal = StackSignal(all_threads=has_gil)
            if guard._deadlocks:
                self.deadlocks = DeadlockSearch(read_frames=has_gil)
            self.core = _core.StallWatch(
                guard._seconds,
                beat_s if loop is not None else 0.0,
                guard._seconds if guard._deadlocks else 0.0,
                has_gil,
                self.output,
                self.signal.number if has_gil else 0,
                self.signal.read_end,
            )
            try:
                self.voice = Thread(target=guard._speak, args=(self,), name="conc-stall-guard", daemon=False)
                if loop is not None:
                    self.heart = Heart(loop, beat_s, self.core.beat)
                    self.heart.start()
                self.voice.start()
            except BaseException:
                self.core.stop()
                raise
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Give back what the core does not own; after the core's end."""
        if self.heart is not None:
            self.heart.stop()
        self.drop()

    def drop(self) -> None:
        """The same without a word to the loop."""
        if self.deadlocks is not None:
            self.deadlocks.close()
        if self.signal is not None:
            self.signal.close()
        if self.output >= 0:
            os.close(self.output)
            self.output = -1


class StallGuard:
    """Watches this process for stalls while it is armed; made by :func:`stall_guard`.

    It is a context manager; or call ``start()`` and ``stop()``, also again. Guards may be nested and used side by side,
    each for a loop of its own.
    """

    def __init__(
        self,
        seconds: float,
        loop: asyncio.AbstractEventLoop | None,
        file: str | os.PathLike[str] | HasFileno | None,
        callback: Callable[[StallReport], object] | None,
        deadlocks: bool,
    ) -> None:
        self._seconds = seconds
        self._loop = loop
        self._file = file
        self._callback = callback
        self._deadlocks = deadlocks
        self._lock = threading.Lock()  # of _watch
        self._watch: _Watch | None = None
        self._voice: Thread | None = None  # of the last _watch
        self._reports: tuple[StallReport, ...] = ()  # changed by the voice, by a new one
        self._lasting: dict[Any, StallReport] = {}  # the voice's: "loop" or a cycle -> its report

    def __repr__(self) -> str:
        state = "armed" if self.armed else "not armed"
        return f"<StallGuard of {self._seconds} s, {state}, {len(self._reports)} stalls>"

    @property
    def armed(self) -> bool:
        """Whether it watches."""
        return self._watch is not None

    @property
    def stalls(self) -> tuple[StallReport, ...]:
        """What it has reported so far, in the order of the reports; the last 1,000."""
        return self._reports

    # -- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to watch.

        Raises:
            RuntimeError: it watches already, the loop is closed, the interpreter is about to exit, or there is no
                thread to be had.
            OSError: the file cannot be opened, or no descriptor is to be had.
        """
        self._lock.acquire()
        try:
            if self._watch is not None:
                raise RuntimeError("this stall guard watches already; stop() it first, or make another one")
            if interpreter_is_finishing():
                raise RuntimeError("cannot start a stall guard while the interpreter exits")
            self._lasting.clear()
            _armed.add(self)  # first of all, since it takes memory
            try:
                self._watch = _Watch(self)
            except BaseException:
                _armed.discard(self)
                raise
            self._voice = self._watch.voice
        finally:
            self._lock.release()  # by itself: the end of a `with` takes memory

    def stop(self) -> None:
        """End the watch, and leave nothing behind; nothing happens when it is not armed.

        What ended just now is still reported, and a callback that runs is waited for, unless it is the caller. A stall
        that lasts keeps a duration of None.
        """
        self._lock.acquire()
        try:
            watch, self._watch = self._watch, None
            _armed.discard(self)
            voice = self._voice
        finally:
            self._lock.release()
        if watch is not None:
            if watch.heart is not None:
                watch.heart.stop()  # in the loop's own thread at once
            watch.core.stop()
        if voice is not None and voice.ident != threading.get_ident():  # a callback may stop its own guard
            voice.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _after_fork(self) -> None:
        """In the child: there is no guard, and nothing of it is left over."""
        self._lock = threading.Lock()
        watch, self._watch = self._watch, None
        self._voice = None
        if watch is not None:
            if watch.heart is not None:
                watch.heart.forget()
            watch.drop()

    # -- the voice ---------------------------------------------------------------------------------------------------

    def _speak(self, watch: _Watch) -> None:
        try:
            while (event := watch.core.next()) is not None:
                try:
                    self._hear(watch, event)
                except BaseException:  # the callback's, above all; the guard goes on
                    _tell_error()
                del event
        finally:
            watch.release()

    def _hear(self, watch: _Watch, event: tuple[Any, ...]) -> None:
        kind, *details = event
        if kind == "gil":
            self._gil_stalled(watch, *details)
        elif kind == "loop":
            self._loop_is_late(watch)
        elif kind == "loop ended":
            begin_ns, end_ns = watch.core.loop_times()
            duration_s = ((end_ns or time.monotonic_ns()) - begin_ns) / 1e9  # None: it is late once more already
            self._end(watch, "loop", duration_s, "the event loop turned again")
        else:
            self._examine(watch)

    def _report(self, key: object, report: StallReport) -> None:
        if key is not None:
            self._lasting[key] = report
        self._reports = (*self._reports, report)[-_KEPT:]
        if self._callback is not None:
            self._callback(report)

    def _end(self, watch: _Watch, key: object, duration_s: float, what: str) -> None:
        report = self._lasting.pop(key, None)
        if report is None:
            return
        ended = replace(report, duration_s=duration_s)
        self._reports = tuple(ended if each is report else each for each in self._reports)
        watch.core.write(f"conc.stall_guard: {what} after {duration_s:.3f} s\n".encode())

    def _gil_stalled(
        self,
        watch: _Watch,
        begin_ns: int,
        end_ns: int,
        holder: int | None,
        stacks: str,
        threads: tuple[int | None, list[RawThread]],
        errno: int,
    ) -> None:
        names = _names()
        rows = threads_from(threads[1], names)
        unknown = _unknown_output(errno)
        if holder is None:
            unknown["native_id"] = watch.core.gil_unknown or "who held the GIL could not be read"
        if not stacks:
            unknown["stacks"] = (watch.signal and watch.signal.reason) or "faulthandler's signal was taken by others"
        name = next((row.name for row in rows if row.native_id == holder), names.get(holder or 0))
        begin_s, lasted_s = _monotonic_to_unix(begin_ns), (end_ns - begin_ns) / 1e9
        self._report(None, StallReport("gil", begin_s, lasted_s, name, holder, stacks, rows, unknown=unknown))

    def _loop_is_late(self, watch: _Watch) -> None:
        heart = watch.heart
        if heart is None or heart.ident is None or not watch.core.loop_is_late():
            return
        runs = heart.loop.is_running()
        watch.core.judge_loop(runs)
        if not runs:
            return
        begin_ns, _ = watch.core.loop_times()
        stacks, unknown = _stacks(watch, heart.ident)
        native_id, name = _thread_of(heart.ident)
        head = f"the event loop has not turned for {(time.monotonic_ns() - begin_ns) / 1e9:.3f} s; it runs in thread"
        rows, errors = _write_report(watch, f"{head} {native_id} {name!r}", stacks, unknown)
        begin_s = _monotonic_to_unix(begin_ns)
        report = StallReport("loop", begin_s, None, name, native_id, stacks, rows, unknown={**unknown, **errors})
        self._report("loop", report)

    def _examine(self, watch: _Watch) -> None:
        if watch.deadlocks is None:
            return
        proved, there = watch.deadlocks.look(_native_ids)
        for key in [key for key in self._lasting if key != "loop" and key not in there]:
            duration_s = time.time() - self._lasting[key].begin_unix_s
            self._end(watch, key, duration_s, "the deadlock was broken")
        for cycle in proved:
            if cycle not in self._lasting:
                self._deadlocked(watch, cycle)

    def _deadlocked(self, watch: _Watch, cycle: Cycle) -> None:
        waits = tuple(_wait_line(wait.waiter, wait.kind, wait.thing, wait.holder) for wait in cycle)
        stacks, unknown = _stacks(watch, cycle[0].waiter)
        native_id, name = _thread_of(cycle[0].waiter)
        head = "deadlock: each of these threads waits for the next\n  " + "\n  ".join(waits)
        rows, errors = _write_report(watch, head, stacks, unknown)
        begin_s = time.time() - self._seconds
        report = StallReport(
            "deadlock", begin_s, None, name, native_id, stacks, rows, waits, unknown={**unknown, **errors}
        )
        self._report(cycle, report)


# -- what a report is made of ------------------------------------------------------------------------------------------


def _unknown_output(errno: int) -> dict[str, str]:
    return {"output": os.strerror(errno)} if errno else {}


def _names() -> dict[int, str]:
    """What Python calls its threads, by native id."""
    return {thread.native_id: thread.name for thread in known_threads() if thread.native_id is not None}


def _native_ids() -> dict[int, int]:
    return {
        thread.ident: thread.native_id
        for thread in known_threads()
        if thread.ident is not None and thread.native_id is not None
    }


def _thread_of(ident: int) -> tuple[int | None, str | None]:
    for thread in known_threads():
        if thread.ident == ident:
            return thread.native_id, thread.name
    return None, None


def _stacks(watch: _Watch, ident: int) -> tuple[str, dict[str, str]]:
    """Of all threads; on a build without the GIL of the thread `ident`, told by itself."""
    if gil_enabled():
        labels = {each.ident: f"{each.native_id} {each.name!r}" for each in known_threads() if each.ident is not None}
        return stacks_text(_core.other_frames(), labels), {}
    text = watch.signal.stack_of(ident) if watch.signal is not None else ""
    reason = (watch.signal and watch.signal.reason) or "without the GIL only one thread's stack can be read"
    return text, {"stacks": reason}


def _write_report(
    watch: _Watch, head: str, stacks: str, unknown: dict[str, str]
) -> tuple[tuple[StalledThread, ...], dict[str, str]]:
    (_, rows), text = watch.core.threads()
    names = _names()
    note = f" ({unknown['stacks']})" if "stacks" in unknown else ""
    whole = f"conc.stall_guard: {head}\nThreads:\n{text}Python stacks{note}:\n{stacks}"
    errno = watch.core.write(whole.encode(errors="backslashreplace"))
    return threads_from(rows, names), _unknown_output(errno)


def _wait_line(waiter: int, kind: str, thing: int, holder: int) -> str:
    (first_id, first), (second_id, second) = _thread_of(waiter), _thread_of(holder)
    goal = {
        "thread": "waits for the end of",
        "future": f"waits for the future at 0x{thing:x}, whose task runs in",
        "RLock": f"waits for the RLock at 0x{thing:x}, held by",
    }[kind]
    return f"thread {first_id} {first!r} {goal} thread {second_id} {second!r}"


def _tell_error() -> None:
    """As threading tells what a thread raises."""
    kind, value, traceback = sys.exc_info()
    threading.excepthook(threading.ExceptHookArgs((kind, value, traceback, threading.current_thread())))


# -- public ------------------------------------------------------------------------------------------------------------


def stall_guard(
    seconds: float,
    loop: asyncio.AbstractEventLoop | None = None,
    *,
    file: str | Path | HasFileno | None = None,
    callback: Callable[[StallReport], object] | None = None,
    deadlocks: bool = True,
) -> StallGuard:
    """Tell what every thread does when the GIL is held, or an event loop does not turn, so long; and of deadlocks.

    The report is written at once, also while the GIL is never let go of: who holds it, a line for each thread (state,
    CPU time, system call), and all Python stacks. It is told to `callback`, and found in ``StallGuard.stalls``, once
    the GIL can be had. One report a stall, and a line at its end.

    Args:
        seconds: at least 0.01; what lasts that long is a stall. It is told of before half as much again has passed.
        loop: the event loop to watch (asyncio's, uvloop's); None: the one that runs in the thread that starts the
            guard, if any. One that does not run is not stalled.
        file: where reports go: a path, to which is appended, an open file with a descriptor, or None for stderr.
        callback: called with each StallReport, in a thread of the guard's. What it raises goes to threading.excepthook.
            While it runs no other stall is noticed.
        deadlocks: whether to look for cycles of threads that wait for each other, each `seconds`.

    Returns:
        a guard that is not armed yet: use it in a ``with`` statement, or call its ``start()``.

    Raises:
        ValueError: `seconds` is less than 0.01, infinite or no number at all.
        TypeError: `loop` is no event loop, `callback` cannot be called, or `file` is neither path nor file.

    Example:
        >>> with stall_guard(5.0) as guard:
        ...     total = sum(range(1000))
        >>> guard.stalls
        ()
    """
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"seconds must be a number, not {seconds!r}")
    if not (seconds >= _MIN_SECONDS and math.isfinite(seconds)):
        raise ValueError(f"seconds must be finite and at least {_MIN_SECONDS}, not {seconds!r}")
    for name in ("call_later", "call_soon_threadsafe", "is_running"):
        if loop is not None and not callable(getattr(loop, name, None)):
            raise TypeError(f"loop must be an event loop, with {name}(), not {loop!r}")
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable with the report, not {callback!r}")
    if file is not None and not isinstance(file, (str, os.PathLike)) and not callable(getattr(file, "fileno", None)):
        raise TypeError(f"file must be a path, an open file with fileno(), or None, not {file!r}")
    return StallGuard(float(seconds), loop, file, callback, deadlocks)


_armed: set[StallGuard] = set()


def _stop_all() -> None:
    for guard in list(_armed):
        guard.stop()


def _after_fork_in_child() -> None:
    for guard in list(_armed):
        guard._after_fork()
    _armed.clear()


before_threads_are_joined(_stop_all)
os.register_at_fork(after_in_child=_after_fork_in_child)
