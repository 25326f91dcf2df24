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
from types import BuiltinFunctionType
from typing import Any, cast

from conc import _core

HAS_HANDLES = sys.version_info >= (3, 13)
_HANDLE_NAME = "_os_thread_handle" if sys.version_info >= (3, 14) else "_handle"

_STARTER_NAME = "_start_joinable_thread" if HAS_HANDLES else "_start_new_thread"

_private = cast(Any, threading)

_TRIES = 200  # a number that needs no memory to count to


def _forget_current_thread() -> None:
    """Let threading forget the calling thread.

    It is the last that a thread does, and an entry that is left would be taken for a living thread: where there is no
    memory for it, it is tried again for a while.
    """
    tries = 0
    while True:
        try:
            _private._active_limbo_lock.acquire()
            try:
                _private._active.pop(threading.get_ident(), None)
            finally:
                _private._active_limbo_lock.release()  # by itself: the end of a `with` takes memory
            return
        except MemoryError:
            tries += 1
            if tries == _TRIES:
                raise
            time.sleep(0.001)


class _Started:
    """What threading takes for the event that a thread sets when it begins."""

    def __init__(self, thread: NativeThread) -> None:
        self._thread = thread

    def is_set(self) -> bool:
        return self._thread.ident is not None

    def set(self) -> None:
        """It is set by the start itself."""

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002  (nobody has to wait)
        return self.is_set()

    def _at_fork_reinit(self) -> None:
        """There is no lock in here."""


class NativeThread(_core.Thread, threading.Thread):
    """A threading.Thread on a thread of conc's core: what threading reads and writes of its own, and nothing else.

    The core has the constructor, ``start``, ``run``, ``join``, ``is_alive``, ``ident`` and ``native_id``, and the
    fields ``_target``, ``_args``, ``_kwargs``, ``_name``, ``_daemonic``, ``_context`` and ``_initialized``. What is
    here stands for the rest, so that also a subclass that calls ``threading.Thread.__init__`` works.
    """

    _tstate_lock: Any = None  # up to 3.12 the lock that a thread state releases; there is none

    # threading reports what a thread raises by a function that each thread has; ours is the same for all
    _invoke_excepthook = staticmethod(_private._make_invoke_excepthook())

    @property
    def _started(self) -> _Started:
        return _Started(self)

    @_started.setter
    def _started(self, event: object) -> None:
        """The core knows."""

    @property
    def _is_stopped(self) -> bool:
        return self._is_done()

    @_is_stopped.setter
    def _is_stopped(self, stopped: bool) -> None:
        """The core knows."""

    def _threading_handle(self) -> _core.ThreadHandle:
        return _core.ThreadHandle(self)

    def _set_threading_handle(self, handle: object) -> None:
        """The core has its own."""

    if HAS_HANDLES:
        locals()[_HANDLE_NAME] = property(_threading_handle, _set_threading_handle)

    def _after_fork(self, new_ident: int | None = None) -> None:
        """threading calls it in the child of a fork (3.13 and later)."""
        if new_ident is not None:
            self._survived_fork()

    def _reset_internal_locks(self, is_alive: bool) -> None:
        """threading calls it in the child of a fork (up to 3.12)."""
        if is_alive:
            self._survived_fork()
            # It is the main thread now, and threading._shutdown() wants a held lock of that one.
            self._tstate_lock = _private._allocate_lock()
            self._tstate_lock.acquire()


def _do_nothing() -> None:
    """What the core calls to let the interpreter look at what is pending for a thread."""


def bind_core(resolve_place: Callable[[Any, Any], object]) -> None:
    """Give the threads of the core, in this interpreter, what they need of threading."""
    inherit = bool(getattr(sys.flags, "thread_inherit_context", 0))
    report = NativeThread._invoke_excepthook
    _core.bind_threading(
        *(threading, _STARTER_NAME, report, _do_nothing, resolve_place),
        *(threads_allowed(), daemon_threads_allowed(), inherit),
    )


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
    _forget_current_thread()


def known_threads() -> list[threading.Thread]:
    """threading.enumerate() without its lock, which a thread that is stuck may hold."""
    return list(_private._active.values())


def threads_are_native() -> bool:
    """Whether a thread of threading's is one: gevent and eventlet replace what it is."""
    return isinstance(getattr(_private, _STARTER_NAME), BuiltinFunctionType)


def threads_allowed() -> bool:
    """Whether this interpreter may have threads at all: it says no to some subinterpreters (3.12 and later)."""
    if not HAS_HANDLES or _private._is_main_interpreter():
        return _core.threads_allowed()
    import _interpreters  # type: ignore[import-not-found]  # which of them, the C API does not tell since 3.13

    return bool(_interpreters.get_config(_interpreters.get_current()[0]).allow_threads)


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
