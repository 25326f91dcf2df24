"""Native threads: ``conc.Thread``, a ``threading.Thread`` whose operating-system thread is conc's own."""

from __future__ import annotations

import enum
import os
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from conc import _core
from conc._core import ThreadStopped, stop_requested
from conc._threading_shim import NativeThread, bind_core, when_threads_are_joined
from conc.records import Record
from conc.usage import Usage

__all__ = [
    "StopReport",
    "Thread",
    "ThreadEnd",
    "ThreadState",
    "ThreadStopped",
    "Timer",
    "shield",
    "stop_requested",
]


class ThreadState(enum.Enum):
    """What a thread does at one moment, as the operating system sees it (a sample, not a flag that conc keeps).

    STARTING and ENDED are conc's own knowledge; the others are read from the kernel. A thread that waits for the GIL
    is NOT_RUNNING.
    """

    STARTING = "starting"
    """Created, not yet seen running."""
    RUNNABLE = "runnable"
    """Could run, and waits for a CPU."""
    RUNNING = "running"
    """On a CPU."""
    NOT_RUNNING = "not_running"
    """Waits: for a lock, the GIL, I/O, a time, or is stopped."""
    ENDED = "ended"
    """Over."""


class ThreadEnd(enum.Enum):
    """How a thread ended."""

    RETURNED = "returned"
    """Its target returned, also when it was asked to stop and returned by itself."""
    RAISED = "raised"
    """Its target raised."""
    STOPPED = "stopped"
    """``stop()`` ended it: by conc.ThreadStopped in a Python target, by its token in a kernel."""
    ABANDONED = "abandoned"
    """The interpreter went, and did not wait for this daemon thread."""


_ENDS = {1: ThreadEnd.RETURNED, 2: ThreadEnd.RAISED, 3: ThreadEnd.STOPPED}  # as csrc/python/thread_type.h counts them


@dataclass(frozen=True, slots=True)
class StopReport(Record):
    """What came of ``Thread.stop()``.

    Attributes:
        ended: whether the thread has ended.
        blocked_in: the system call in which it sat when `stop` gave up waiting ("futex" is a lock, a condition, a
            queue or the GIL), as manual pages call it; None when it has ended, runs, or that is not known.
        reason: why `blocked_in` is None though the thread has not ended.
        source: who says so.
    """

    ended: bool
    blocked_in: str | None
    reason: str | None
    source: str = "/proc/self/task/<native_id>/syscall"


class shield:
    """Hold back conc.ThreadStopped in the calling conc.Thread while the block runs, and the stop of kernels it calls.

    A stop that was asked for meanwhile comes when the outermost shield ends; ``stop_requested()`` tells of it before.
    In any other thread it does nothing.

    Example:
        >>> with shield():
        ...     pass  # close, flush, write: to the end
    """

    __slots__ = ()
    __enter__ = staticmethod(_core.shield_enter)
    __exit__ = staticmethod(_core.shield_exit)


_exit_is_over = False


def _close() -> None:
    """Wait for what atexit functions have started, for the last time."""
    global _exit_is_over
    try:
        _core.join_threads()
    finally:
        _exit_is_over = True
        _core.close_threads()


def _resolve_place(affinity: Iterable[int] | None, node: int | None) -> Any:
    from conc.thread_places import resolve_place  # needs the machine's topology, which few threads ask for

    return resolve_place(affinity, node)


bind_core(_resolve_place)
when_threads_are_joined(_core.join_threads, last=_close)

_USAGE_FIELDS = (
    *("wall_s", "gil_wait_s", "user_s", "system_s", "run_delay_s"),
    *("voluntary", "involuntary", "minor_faults", "major_faults"),
)
_USAGE_SOURCE = (
    "getrusage(RUSAGE_THREAD) at its end; while it lives /proc/self/task/<native_id>/stat, status, schedstat and its "
    "CPU clock; gil_wait_s: conc's own attach calls, timed"
)


class Thread(NativeThread):
    """A thread of control, as ``threading.Thread``, on a native thread made by conc's core.

    A target that is a Python callable runs attached to the interpreter, as in any Python thread. A target that is a
    native kernel (``conc.kernels``) runs without it: the thread never attaches, needs no GIL, and so is not listed by
    ``threading.enumerate()``; what it raises is in ``exception()`` and does not reach ``threading.excepthook``.

    Before ``start()`` the thread exists in no state: no thread, stack or descriptor is held. ``await thread`` is its
    result, on any event loop and any number of times; cancelling the await leaves the thread as it is.

    Args:
        group: must be None, as in threading.
        target: the callable or kernel that ``run()`` calls; None for nothing.
        name: by default "Thread-N (target)". The operating system shows its first 15 bytes.
        args: an iterable of positional arguments.
        kwargs: a mapping of keyword arguments.
        daemon: whether interpreter exit does not wait for it; None: as the creating thread.
        context: the contextvars.Context that the target runs in. None: as CPython does, an empty one, or since 3.14,
            with ``-X thread_inherit_context=1``, a copy of the starter's.
        affinity: numbers of the CPUs that it may run on; None: the starter's.
        node: the NUMA node whose CPUs it runs on and whose memory it gets; None: as the starter.
        stack_size: bytes, at least 32 KiB; None: what ``threading.stack_size()`` says.

    Raises:
        ValueError: `group` is not None, `stack_size` is too small, or `affinity` or `node` names what is not there.
        TypeError: `target` is not callable, `args` is not iterable, `kwargs` is no mapping or `context` no Context.

    Example:
        >>> thread = Thread(target=pow, args=(2, 10))
        >>> thread.start()
        >>> thread.result()
        1024
    """

    # -- its end -----------------------------------------------------------------------------------------------------

    def _outcome_in(self, timeout: float | None) -> tuple[Any, BaseException | None]:
        if not self._wait_for_outcome(timeout, "wait for the result of"):
            raise TimeoutError(f"{self.name} is still running after {timeout} s")
        outcome = self._outcome()
        if outcome is None:
            raise RuntimeError(f"{self.name} has no result here: it ended with the process it was started in")
        return outcome

    def result(self, timeout: float | None = None) -> Any:
        """What ``run()`` (the target) returned, waited for at most `timeout` seconds.

        Raises:
            TimeoutError: it is still running.
            RuntimeError: it was not started, is the calling thread, or runs in the parent of a fork.
            BaseException: whatever the target raised; conc.ThreadStopped when it was stopped.
        """
        value, exception = self._outcome_in(timeout)
        try:
            if exception is not None:
                raise exception
            return value
        finally:
            del self, exception  # the traceback of what is raised keeps this frame: it must not lead back to the thread

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What the target raised, or None when it returned; waits and raises like ``result()``.

        SystemExit and conc.ThreadStopped, which end a thread without a report, are kept without their tracebacks.
        """
        return self._outcome_in(timeout)[1]

    @property
    def ended_by(self) -> ThreadEnd | None:
        """How the thread ended; None before."""
        end = self._end()
        if end == 0:
            return ThreadEnd.ABANDONED if _exit_is_over and self.daemon and self.is_alive() else None
        return _ENDS[end]

    def __await__(self) -> Generator[Any, None, Any]:
        if self.ident is None:
            raise RuntimeError("cannot await thread before it is started")
        if self.ident == threading.get_ident() and self.is_alive() and self._outcome() is None:
            raise RuntimeError("cannot await current thread")
        return _awaited(self).__await__()

    def stop(self, timeout: float = 0.1, *, grace: float | None = 0.0) -> StopReport:
        """Ask the thread to end, wait for that at most `timeout` seconds, and say what came of it.

        A kernel looks at the request at least every 10 ms, also one that a Python target calls. A Python target may
        look at ``conc.stop_requested()``, and return by itself within `grace` seconds. Then conc.ThreadStopped comes
        between two of its instructions, never outside of the target and not in a ``conc.shield()`` block. It ends what
        waits in conc itself: for a thread, future, pool, map or child process. Up to CPython 3.14 another call that
        blocks is not interrupted: the exception comes when the call returns, and the report says what it blocks in. A
        thread is asked, never killed. Asking again raises the exception again; the request itself stays, so that
        kernels called by code that cleans up end at once, unless under a shield.

        Args:
            timeout: seconds >= 0, after `grace`; a thread that stops itself does not wait.
            grace: seconds >= 0 that a Python target gets to end by itself; None: it is never interrupted.

        Returns:
            StopReport: whether it has ended, and if not, where it sits.

        Raises:
            RuntimeError: the thread was not started.
        """
        if self.ident is None:
            raise RuntimeError("cannot stop thread before it is started")
        own = self.ident == threading.get_ident() and self.is_alive()
        self._request_stop()
        if grace and not own:
            self.join(grace)
        if grace is not None:
            self._interrupt()
        if own:
            return StopReport(False, None, "the thread stops itself")
        self.join(timeout)
        if not self.is_alive():
            return StopReport(True, None, None)
        try:
            blocked_in = self._syscall()
        except OSError as error:
            return StopReport(False, None, f"the system does not tell: {error.strerror}")
        if blocked_in is not None:
            return StopReport(False, blocked_in, None)
        return StopReport(not self.is_alive(), None, "it runs" if self.is_alive() else None)

    # -- what it does ------------------------------------------------------------------------------------------------

    @property
    def state(self) -> ThreadState | None:
        """What the thread does at this moment, read from the kernel; None before ``start()``.

        Raises:
            OSError: the operating system does not tell.

        Source: ``/proc/self/task/<native_id>/stat``, and the thread's CPU clock to tell RUNNING from RUNNABLE.
        """
        word = self._state()
        return None if word is None else ThreadState(word)

    @property
    def usage(self) -> Usage:
        """What the thread has used so far, or in its whole life once it has ended; fields that are not known are None.

        `gil_wait_s` is the time in conc's own attach calls: at the thread's begin, and after each call of conc's that
        waits or computes without the GIL; it is exact, and does not hold what the interpreter itself waits between two
        instructions, or in other libraries. It is 0 for a kernel, which never attaches.

        Source: getrusage(2) with RUSAGE_THREAD; proc(5): stat, status, schedstat; CPU clock of the thread.
        """
        found = self._usage()
        if found is None:
            why = "the thread was not started" if self.ident is None else "the thread has not run here yet"
            return Usage(unknown=dict.fromkeys((*_USAGE_FIELDS, "max_rss_bytes"), why))
        *numbers, ended, too_short = found
        values: dict[str, Any] = {
            name: number / 1e9 if name.endswith("_s") and number is not None else number
            for name, number in zip(_USAGE_FIELDS, numbers, strict=True)
        }
        unknown = {name: "the system does not tell" for name, value in values.items() if value is None}
        if ended and too_short:
            unknown["run_delay_s"] = "not read at the end of a thread that lived less than 1 ms, for its cost"
        unknown["max_rss_bytes"] = "memory belongs to the process"
        return Usage(**values, source=_USAGE_SOURCE, unknown=unknown)

    # -- where it runs -----------------------------------------------------------------------------------------------

    @property
    def affinity(self) -> frozenset[int] | None:
        """Numbers of the CPUs that it may run on: while it lives what the kernel says, else what was asked for (None:
        nothing). May be set before the start and while it lives.

        Raises:
            ValueError: on setting: a CPU that is not online, or none.
            RuntimeError: on setting: the thread has ended.
            OSError: the kernel refuses.

        Source: sched_getaffinity(2) of the thread.
        """
        if self.native_id is not None and self.is_alive():
            try:
                return frozenset(os.sched_getaffinity(self.native_id))
            except ProcessLookupError:  # it ends at this moment
                pass
        place = self._place
        return None if place is None or place.cpus is None else frozenset(place.cpus)

    @affinity.setter
    def affinity(self, cpus: Iterable[int]) -> None:
        self._move(_resolve_place(cpus, None if self._place is None else self._place.node))

    @property
    def node(self) -> int | None:
        """The NUMA node that was asked for; None: none. May be set before the start and while the thread lives.

        Memory follows the CPUs of a node: pages come from where the thread runs when it touches them first; those that
        are there stay. Memory can be bound to a node without CPUs only before the start, and by the thread itself.

        Raises:
            ValueError: on setting: no such node.
            RuntimeError: on setting: the thread has ended, or only the thread itself could do it.
            OSError: the kernel refuses.
        """
        place = self._place
        node: int | None = None if place is None else place.node
        return node

    @node.setter
    def node(self, node: int) -> None:
        self._move(_resolve_place(None, node))

    def _move(self, place: Any) -> None:
        if place is None:
            raise TypeError("a thread's place can be changed, not taken back: name CPUs or a node")
        if self.ident is not None:
            if not self.is_alive():
                raise RuntimeError(f"{self.name} has ended: it runs nowhere")
            if self.ident == threading.get_ident():
                _core.place_calling_thread(place)
            elif place.binding != (None if self._place is None else self._place.binding):
                raise RuntimeError(f"only {self.name} itself can bind its memory to a node, or undo that, once it runs")
            elif place.cpus is not None:
                assert self.native_id is not None
                try:
                    os.sched_setaffinity(self.native_id, place.cpus)
                except ProcessLookupError:
                    raise RuntimeError(f"{self.name} has ended: it runs nowhere") from None
        self._place = place


async def _awaited(thread: Thread) -> Any:
    """The outcome of a thread that was started, for the running event loop."""
    import asyncio  # whoever awaits has it already

    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def deliver() -> None:
        if not ended.done():
            ended.set_result(None)

    def wake(_thread: Thread) -> None:
        try:
            loop.call_soon_threadsafe(deliver)
        except RuntimeError:
            if not loop.is_closed():  # else nobody waits any more
                raise

    thread._add_waker(wake)
    try:
        await ended
    finally:
        thread._discard_waker(wake)
    value, exception = thread._outcome() or (None, RuntimeError(f"{thread.name} has no result here"))
    try:
        if exception is not None:
            raise exception
        return value
    finally:
        del thread, exception  # see result()


class Timer(Thread, threading.Timer):
    """Call a function after some seconds, as ``threading.Timer``, unless it is cancelled before.

    Args:
        interval: seconds from ``start()``.
        function: what to call.
        args: its positional arguments.
        kwargs: its keyword arguments.

    Example:
        >>> timer = Timer(60.0, print, ["late"])
        >>> timer.start()
        >>> timer.cancel()
        >>> timer.join()
    """

    def __init__(
        self,
        interval: float,
        function: Callable[..., object],
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.interval = interval
        self.function = function
        self.args = args if args is not None else []
        self.kwargs = kwargs if kwargs is not None else {}
        self.finished = threading.Event()

    def cancel(self) -> None:
        """Do not call the function, if it has not been called yet."""
        self.finished.set()

    def stop(self, timeout: float = 0.1, *, grace: float | None = 0.0) -> StopReport:
        """Cancel it, and ask its function to end as :meth:`Thread.stop` does."""
        if self.ident is not None:
            self.cancel()
        return super().stop(timeout, grace=grace)

    def run(self) -> Any:
        """Wait, then call the function; what it returns is the thread's result."""
        with shield():  # an exception in the middle of the event's own code would leave its lock held
            self.finished.wait(self.interval)
        result = None
        if not self.finished.is_set():
            result = self.function(*self.args, **self.kwargs)
        with shield():
            self.finished.set()
        return result
