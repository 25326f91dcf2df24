"""Native threads: ``conc.Thread``, a ``threading.Thread`` whose operating-system thread is conc's own."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from conc import _core
from conc._threading_shim import NativeThread, configured_stack_size, install_hooks, when_threads_are_joined


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


_Outcome: TypeAlias = tuple[Any, BaseException | None]
"""What the target returned, and None; or None, and what it raised."""


def _kernel_outcome(handle: _core.ThreadHandle) -> _Outcome:
    """Of a kernel that has ended."""
    try:
        return handle.kernel_result(), None
    except BaseException as error:
        return None, error.with_traceback(None)  # it would keep the frames of who happened to ask first


class _NonDaemonThreads:
    """The handles that interpreter exit waits for.

    Without a lock, so that a signal handler may start and join threads at any moment; each step on the dict is atomic.
    """

    def __init__(self) -> None:
        self._handles: dict[_core.ThreadHandle, None] = {}  # in the order of their starts
        self._prune_at = 64
        self.closed = False  # nobody waits for threads any more: a new one could hang at any step, or be cut off

    def add(self, handle: _core.ThreadHandle) -> None:
        if len(self._handles) >= self._prune_at:
            for old in list(self._handles):
                if old.is_done():
                    self._handles.pop(old, None)
            self._prune_at = 2 * len(self._handles) + 64
        self._handles[handle] = None

    def discard(self, handle: _core.ThreadHandle) -> None:
        """Forget one that has ended, since it may hold a kernel's result of any size, or that did not start."""
        self._handles.pop(handle, None)

    def join(self) -> None:
        """Wait until none that has begun is left; a thread may start another one while it is waited for.

        One that is about to begin stays listed for the next call: the thread that starts it is waited for itself.
        """
        while handles := [handle for handle in list(self._handles) if handle.ident is not None]:
            for handle in handles:  # Ctrl-C in the joins below ends the waiting: no second call begins anew
                self._handles.pop(handle, None)
            for handle in handles:
                # A thread that forked is the child's main thread, and comes here itself.
                if handle.ident != threading.get_ident() or handle.is_done():
                    handle.join()

    def close(self) -> None:
        """Wait for what atexit functions have started, for the last time."""
        try:
            self.join()
        finally:
            self.closed = True


_non_daemon = _NonDaemonThreads()
when_threads_are_joined(_non_daemon.join, last=_non_daemon.close)


class Thread(NativeThread):
    """A thread of control, as ``threading.Thread``, on a native thread made by conc's core.

    A target that is a Python callable runs attached to the interpreter, as in any Python thread. A target that is a
    native kernel (``conc.kernels``) runs without it: the thread never attaches, needs no GIL, and so is not listed by
    ``threading.enumerate()``; what it raises is in ``exception()`` and does not reach ``threading.excepthook``.

    Before ``start()`` the thread exists in no state: no thread, stack or descriptor is held.

    Args:
        group: must be None, as in threading.
        target: the callable or kernel that ``run()`` calls; None for nothing.
        name: by default "Thread-N (target)".
        args: an iterable of positional arguments.
        kwargs: a mapping of keyword arguments.
        daemon: whether interpreter exit does not wait for it; None: as the creating thread.

    Raises:
        ValueError: `group` is not None.
        TypeError: `target` is not callable, `args` is not iterable or `kwargs` is no mapping.

    Example:
        >>> thread = Thread(target=pow, args=(2, 10))
        >>> thread.start()
        >>> thread.result()
        1024
    """

    _outcome: _Outcome | None = None  # of the instance, and constant, once it is known

    def __init__(
        self,
        group: None = None,
        target: Callable[..., object] | None = None,
        name: str | None = None,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        daemon: bool | None = None,
    ) -> None:
        if group is not None:
            raise ValueError(f"group must be None (there are no thread groups), not {group!r}")
        if target is not None and not callable(target):
            raise TypeError(f"target must be callable, not {target!r}")
        if not isinstance(args, Iterable):
            raise TypeError(f"args must be an iterable of arguments, not {args!r}; for one argument write args=(x,)")
        if kwargs is not None and not isinstance(kwargs, Mapping):
            raise TypeError(f"kwargs must be a mapping of keyword arguments, not {kwargs!r}")
        super().__init__(None, target, name, tuple(args), dict(kwargs or {}), daemon=daemon)
        self._install_handle(_core.ThreadHandle())
        self._start_claim = threading.Lock()
        self._runs_kernel = False

    # -- the work ----------------------------------------------------------------------------------------------------

    def run(self) -> Any:
        """Call the target; a subclass may override it. What it returns is the thread's result."""
        target: Callable[..., object] | None = getattr(self, "_target", None)
        try:
            if target is not None:
                return target(*self._args, **self._kwargs)  # type: ignore[attr-defined]
            return None
        finally:
            # A target or an argument that points to the thread would keep both alive.
            del self._target, self._args, self._kwargs  # type: ignore[attr-defined]
            # The thread keeps an exception, whose traceback keeps this frame: it must not lead back to the thread.
            del self, target

    def start(self) -> None:
        """Start the thread; `ident` and `native_id` are known when it returns.

        Raises:
            RuntimeError: it was started before, the system has no more threads to give, or the interpreter is being
                taken down, after its exit has waited for all threads.
            TypeError, ValueError: the arguments are wrong for a kernel.
        """
        self._require_init("thread.__init__() not called")
        if _non_daemon.closed:
            raise RuntimeError("can't start new thread at interpreter shutdown")
        if not self._start_claim.acquire(blocking=False):
            raise RuntimeError("threads can only be started once")
        try:
            self._start_claimed()
        finally:
            self._start_claim.release()

    def _start_claimed(self) -> None:
        """Start; no other thread does it meanwhile, so that the arguments stay until the kernel has them."""
        kernel = self._kernel_target()
        handle = self._conc_handle
        if not self.daemon:
            _non_daemon.add(handle)  # before it runs: from then on nothing may fail that somebody must hear of
        try:
            if kernel is None:
                handle.start(self._bootstrap_native, configured_stack_size())
            else:
                self._runs_kernel = True  # before the end can come: somebody may wait for it already
                handle.start_kernel(kernel, *self._args, **self._kwargs)  # type: ignore[attr-defined]
        except BaseException:
            if handle.ident is None:  # else it runs: a second start, or a signal handler raised when it had begun
                self._runs_kernel = False
                if not self.daemon:
                    _non_daemon.discard(handle)
            raise
        if kernel is not None:
            del self._target, self._args, self._kwargs  # type: ignore[attr-defined]
        # It runs. Without memory for the rest the handle still knows all that counts, and a thread that runs Python
        # registers itself, or ends with that error.
        try:
            if kernel is None:
                self._register(handle.ident, handle.native_id)
            else:
                self._mark_started(handle.ident, handle.native_id)
        except MemoryError:
            pass

    def _kernel_target(self) -> _core.Kernel[..., Any] | None:
        """The kernel to run without the interpreter; None when Python code has to run."""
        target = getattr(self, "_target", None)
        overridden = type(self).run is not Thread.run or "run" in self.__dict__
        return target if isinstance(target, _core.Kernel) and not overridden else None

    def _bootstrap_native(self) -> None:
        """What the new thread runs, attached."""
        try:
            try:
                self._register(threading.get_ident(), threading.get_native_id())
                install_hooks()
                self._outcome = self.run(), None
            except BaseException as error:
                self._outcome = None, error
                self._report_exception()
        finally:
            self._unregister()
            del self  # see run()

    # -- its end -----------------------------------------------------------------------------------------------------

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end of the thread, at most `timeout` seconds; ``is_alive()`` tells whether it came.

        Ctrl-C interrupts the wait in the main thread.

        Raises:
            RuntimeError: the thread was not started, or is the calling one.
        """
        self._wait(timeout, "join")

    def _wait(self, timeout: float | None, verb: str) -> bool:
        self._require_init("Thread.__init__() not called")
        if self._conc_handle.ident is None:
            raise RuntimeError(f"cannot {verb} thread before it is started")
        if self._conc_handle.ident == threading.get_ident() and not self._conc_handle.is_done():
            raise RuntimeError(f"cannot {verb} current thread")
        if not self._conc_handle.join(timeout):
            return False
        if not self.daemon:
            _non_daemon.discard(self._conc_handle)
        if not self._is_over and not self._runs_kernel:
            self._unregister()  # the thread had no memory for it
        return True

    def _wait_for_outcome(self, timeout: float | None) -> _Outcome:
        if not self._wait(timeout, "wait for the result of"):
            raise TimeoutError(f"{self.name} is still running after {timeout} s")
        if self._outcome is None and self._runs_kernel:
            # Those who ask at once each make an outcome of the kernel's state; the first one stored is everybody's.
            self.__dict__.setdefault("_outcome", _kernel_outcome(self._conc_handle))
        if self._outcome is None:
            raise RuntimeError(f"{self.name} has no result here: it ended with the process it was started in")
        return self._outcome

    def result(self, timeout: float | None = None) -> Any:
        """What ``run()`` (the target) returned, waited for at most `timeout` seconds.

        Raises:
            TimeoutError: it is still running.
            RuntimeError: it was not started, is the calling thread, or runs in the parent of a fork.
            BaseException: whatever the target raised.
        """
        value, exception = self._wait_for_outcome(timeout)
        try:
            if exception is not None:
                raise exception
            return value
        finally:
            del self, exception  # see run()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What the target raised, or None when it returned; waits and raises like ``result()``."""
        return self._wait_for_outcome(timeout)[1]

    # -- what it does ------------------------------------------------------------------------------------------------

    @property
    def state(self) -> ThreadState | None:
        """What the thread does at this moment, read from the kernel; None before ``start()``.

        Raises:
            OSError: the operating system does not tell.

        Source: ``/proc/self/task/<native_id>/stat``, and the thread's CPU clock to tell RUNNING from RUNNABLE.
        """
        word = self._conc_handle.state()
        return None if word is None else ThreadState(word)
