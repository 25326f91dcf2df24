"""All that conc does with threading's private parts, which differ between versions of CPython.

Up to 3.12 a threading.Thread learns of its end from a lock that its thread state releases (`_tstate_lock`,
`_is_stopped`); from 3.13 on from a handle (`_handle`, `_os_thread_handle` since 3.14) with ``join``, ``is_done``,
``_set_done`` and ``ident``, in whose place a conc handle can stand.
"""

from __future__ import annotations

import atexit
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from conc._core import ThreadHandle

HAS_HANDLES = sys.version_info >= (3, 13)
_HANDLE_NAME = "_os_thread_handle" if sys.version_info >= (3, 14) else "_handle"

_private = cast(Any, threading)


_TRIES = 200  # a number that needs no memory to count to


def _forget_current_thread(only: NativeThread | None) -> None:
    """Let threading forget the calling thread, or `only` if it is listed.

    It is the last that a thread does, and an entry that is left would be taken for a living thread: where there is no
    memory for it, it is tried again for a while.
    """
    tries = 0
    while True:
        try:
            _private._active_limbo_lock.acquire()
            try:
                ident = threading.get_ident() if only is None else only.ident
                if only is None or _private._active.get(ident) is only:
                    _private._active.pop(ident, None)
                if only is not None:
                    only._is_over = True
            finally:
                _private._active_limbo_lock.release()  # by itself: the end of a `with` takes memory
            return
        except MemoryError:
            tries += 1
            if tries == _TRIES:
                raise
            time.sleep(0.001)


class NativeThread(threading.Thread):
    """A threading.Thread on a conc handle: what has to be overridden for that, and nothing else."""

    _conc_handle: ThreadHandle

    _is_over: bool  # threading has forgotten it, or never lists it

    def _install_handle(self, handle: ThreadHandle) -> None:
        self._is_over = False
        self._conc_handle = handle
        if HAS_HANDLES:
            setattr(self, _HANDLE_NAME, handle)

    def _is_initialized(self) -> bool:
        return bool(getattr(self, "_initialized", False))

    def _register(self, ident: int | None, native_id: int | None) -> None:
        """Make the thread known to threading. The starter and the thread both call it; the first one does it.

        Neither waits for the other, which saves two switches of the GIL for each start.
        """
        private = cast(Any, self)
        _private._active_limbo_lock.acquire()
        try:
            if private._ident is None and not self._is_over:
                private._ident = ident
                private._native_id = native_id
                _private._active[ident] = self
        finally:
            _private._active_limbo_lock.release()  # by itself: the end of a `with` takes memory
        # Also by the second one: the first may not have come to it yet. Not again, since a set() that found no memory
        # leaves the event's lock held.
        if not private._started.is_set():
            private._started.set()

    def _unregister(self) -> None:
        _forget_current_thread(self)

    def _mark_started(self, ident: int | None, native_id: int | None) -> None:
        """Say that it has started without listing it: no Python code runs in it."""
        private = cast(Any, self)
        self._is_over = True
        private._ident = ident
        private._native_id = native_id
        private._started.set()

    def _report_exception(self) -> None:
        """Hand the current exception to threading.excepthook."""
        cast(Any, self)._invoke_excepthook(self)

    def is_alive(self) -> bool:
        """Whether the thread has been started and has not ended."""
        self._require_init("Thread.__init__() not called")
        if self._conc_handle.ident is None:
            return False
        if not self._conc_handle.is_done():
            return True
        if not HAS_HANDLES:
            cast(Any, self)._is_stopped = True  # repr() looks at it
        return False

    @property
    def ident(self) -> int | None:
        """The identifier of the thread; None before start()."""
        self._require_init("Thread.__init__() not called")
        return self._conc_handle.ident

    @property
    def native_id(self) -> int | None:
        """The system's identifier of the thread; None before start()."""
        self._require_init("Thread.__init__() not called")
        return self._conc_handle.native_id

    def _require_init(self, message: str) -> None:
        if not self._is_initialized():
            raise RuntimeError(message)

    def _after_fork(self, new_ident: int | None = None) -> None:
        """threading calls it in the child of a fork (3.13 and later)."""
        if new_ident is not None:
            self._conc_handle.survived_fork()
        cast(Any, super())._after_fork(new_ident)

    def _reset_internal_locks(self, is_alive: bool) -> None:
        """threading calls it in the child of a fork (up to 3.12)."""
        if is_alive:
            self._conc_handle.survived_fork()
            cast(Any, self)._started._at_fork_reinit()
            # It is the main thread now, and threading._shutdown() wants a held lock of that one.
            lock = cast(Any, self)._tstate_lock = _private._allocate_lock()
            lock.acquire()
        else:
            cast(Any, super())._reset_internal_locks(is_alive)


def configured_stack_size() -> int:
    """What threading.stack_size(bytes) asked for; 0 for the default. Asking resets it, so it is set again."""
    size = threading.stack_size()
    if size:
        threading.stack_size(size)
    return size


def install_hooks() -> None:
    """Trace and profile the calling thread if threading.settrace() and setprofile() asked for it."""
    if _private._trace_hook:
        sys.settrace(_private._trace_hook)
    if _private._profile_hook:
        sys.setprofile(_private._profile_hook)


def adopt_current_thread(name: str) -> threading.Thread:
    """Make the calling native thread known to threading under `name`: current_thread(), enumerate(), logging."""
    adopted = _private._DummyThread()
    adopted.name = name
    adopted._daemonic = False  # threads that tasks start inherit it
    install_hooks()
    return cast(threading.Thread, adopted)


def release_current_thread() -> None:
    """Undo adopt_current_thread() before the thread ends."""
    _forget_current_thread(None)


def daemon_threads_allowed() -> bool:
    """Whether this interpreter has daemon threads: isolated subinterpreters have none (3.12 and later)."""
    allowed: Callable[[], bool] | None = getattr(_private, "_daemon_threads_allowed", None)
    return allowed is None or allowed()


def interpreter_is_finishing() -> bool:
    """Whether the interpreter has begun to wait for its threads, so that no new work may be taken."""
    return bool(_private._SHUTTING_DOWN)


def before_threads_are_joined(function: Callable[[], object]) -> None:
    """Call `function` when the interpreter begins to exit: while threads still run, and again before it goes.

    The first call comes before threading joins its own threads (concurrent.futures does the same), the second as an
    atexit function, for what was started in between. `function` must be callable twice.
    """
    _private._register_atexit(function)
    atexit.register(function)


class _JoinAsLock:
    """Stands among the locks that threading, up to 3.12, acquires at exit: one for each thread that it waits for."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function

    def acquire(self) -> None:
        self._function()

    def release(self) -> None:
        pass

    def locked(self) -> bool:
        return True


def when_threads_are_joined(function: Callable[[], object], last: Callable[[], object]) -> None:
    """Call `function` when the interpreter, at its exit, waits for its threads, and `last` before it goes.

    The main thread counts as ended by then: code in the threads that are waited for may itself wait for that end.
    """

    def wait() -> None:
        if not HAS_HANDLES:
            with _private._shutdown_locks_lock:
                _private._shutdown_locks.add(_JoinAsLock(function))
            return
        if _private._is_main_interpreter():
            getattr(_private._main_thread, _HANDLE_NAME)._set_done()  # as threading does itself a moment later
        function()

    _private._register_atexit(wait)
    atexit.register(last)
