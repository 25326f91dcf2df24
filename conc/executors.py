"""The native pool: ``conc.ThreadPoolExecutor`` and its futures."""

from __future__ import annotations

import array
import concurrent.futures
import itertools
import logging
import os
import threading
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, ParamSpec, TypeVar

from conc import _core
from conc._threading_shim import (
    adopt_current_thread,
    before_threads_are_joined,
    configured_stack_size,
    interpreter_is_finishing,
    release_current_thread,
)
from conc.pool_stats import PoolStats

_P = ParamSpec("_P")
_T = TypeVar("_T")

_SPIN_NS = 5_000
"""How long a worker looks out for work before it parks. On two CPUs it would take one from those who make the work."""

_LOGGER = logging.getLogger("concurrent.futures")


class Future(_core.FutureState, concurrent.futures.Future[_T]):
    """A ``concurrent.futures.Future`` with its state in C.

    It behaves as its base; the condition and the list of waiters are made when somebody reaches for them.
    """

    def __init__(self) -> None:
        pass  # the state is made by __new__; the base's __init__ would make what is made lazily here

    def __await__(self) -> Generator[Any, None, _T]:
        """Wait in a coroutine; the loop goes on meanwhile.

        Completions reach the loop in batches. Cancelling the await leaves the work as it is. Several loops may await
        one future.
        """
        if not self.done():
            yield  # one turn of the loop: what is nearly done needs no wake-up, and among many most are
        if not self.done():
            from conc.awaiting import Waiter  # asyncio is imported where there is a loop

            waiter = Waiter()
            self.add_done_callback(waiter)
            yield from waiter
        result: _T = self.result()
        return result

    def _waiters_for_worker(self, waiters: list[Any]) -> _WaitersForWorker:
        return _WaitersForWorker(self, waiters)

    def _log_callback_error(self, callback: Callable[..., object], error: BaseException) -> None:
        _LOGGER.error("exception calling callback %r for %r", callback, self, exc_info=error)


class _WaitOfWorker(threading.Event):
    """What ``wait`` and ``as_completed`` of ``concurrent.futures`` sleep on in a task.

    As in ``result()`` one more worker makes up for the one that waits.
    """

    def __init__(self, future: Future[Any]) -> None:
        super().__init__()
        self._future = future

    def wait(self, timeout: float | None = None) -> bool:
        blocks = self._future._wait_begins()
        try:
            return super().wait(timeout)
        finally:
            if blocks:
                self._future._wait_ends()


class _WaitersForWorker:
    """The waiters of a future as a worker of the same pool sees them: one that it adds is going to wait in a task."""

    def __init__(self, future: Future[Any], waiters: list[Any]) -> None:
        self._future = future
        self._waiters = waiters

    def append(self, waiter: Any) -> None:
        """Its event is not used yet: ``concurrent.futures`` holds the conditions of all its futures meanwhile."""
        if not self._future.done() and type(getattr(waiter, "event", None)) is threading.Event:
            waiter.event = _WaitOfWorker(self._future)
        self._waiters.append(waiter)

    def remove(self, waiter: Any) -> None:
        self._waiters.remove(waiter)


class _Workers(_core.Pool):
    """The native pool with the Python side of its workers."""

    __slots__ = ("__weakref__", "_idents", "_initargs", "_initializer", "_prefix")

    _prefix: str
    _initializer: Callable[..., object] | None
    _initargs: tuple[Any, ...]
    _idents: set[int]

    def _enter_worker(self, index: int) -> None:
        adopt_current_thread(f"{self._prefix}_{index}")
        self._idents.add(threading.get_ident())
        if self._initializer is not None:
            self._initializer(*self._initargs)

    def _leave_worker(self) -> None:
        self._idents.discard(threading.get_ident())
        release_current_thread()

    def _log_initializer_error(self, error: BaseException) -> None:
        _LOGGER.critical("Exception in initializer:", exc_info=error)

    def is_own_worker(self) -> bool:
        """Whether the calling thread is one of the workers."""
        return threading.get_ident() in self._idents


class _LivePools:
    """The pools that interpreter exit drains. An object, so that those made before a reload of this module are kept."""

    def __init__(self) -> None:
        self._pools: weakref.WeakValueDictionary[int, _Workers] = weakref.WeakValueDictionary()

    def add(self, pool: _Workers) -> None:
        self._pools[id(pool)] = pool

    def _listed(self) -> list[_Workers]:
        """Those alive, taken in one step: another thread may make a pool at any moment."""
        return [pool for reference in self._pools.valuerefs() if (pool := reference()) is not None]

    def drain(self) -> None:
        """Interpreter exit: run what was submitted, and see every worker out."""
        pools = self._listed()
        for pool in pools:  # Ctrl-C in the joins below ends the waiting, as in threading: no second call begins anew
            self._pools.pop(id(pool), None)
        for pool in pools:
            pool.close()
        for pool in pools:
            pool.join()

    def after_fork_in_child(self) -> None:
        """The workers stayed in the parent, and new threads may get their identifiers."""
        for pool in self._listed():
            pool._idents.clear()


_live = _LivePools()
_counter = itertools.count()
before_threads_are_joined(_live.drain)
os.register_at_fork(after_in_child=_live.after_fork_in_child)


_QUICK = frozenset({list, tuple, range, str, bytes, bytearray, set, frozenset, dict, array.array})
"""Types whose iteration runs nobody's code, so that nothing needs to begin before it ends."""


def _default_workers() -> int:
    """As the standard pool has it, but counting the CPUs that this process may really use."""
    from conc.cpus import cpu_count

    return min(32, cpu_count() + 4)


def _spin_ns() -> int:
    """How long workers look out for work: not at all where this process may use no more than two CPUs."""
    if (os.cpu_count() or 1) <= 2:
        return 0
    from conc.cpus import cpu_count

    return _SPIN_NS if cpu_count() > 2 else 0


def _columns(iterables: tuple[Iterable[Any], ...]) -> tuple[tuple[Any, ...], ...]:
    """The iterables as tuples, cut to the shortest, which alone needs to be finite."""
    if len(iterables) == 1:
        return (tuple(iterables[0]),)
    rows = tuple(zip(*iterables, strict=False))
    return tuple(zip(*rows, strict=True)) if rows else ((),) * len(iterables)


class RankedView(concurrent.futures.Executor):
    """A pool whose tasks go by rank: what ``ThreadPoolExecutor.with_options`` returns. It shares the pool's workers.

    Its ``map`` makes a task with that rank for each item.
    """

    def __init__(self, pool: ThreadPoolExecutor, priority: int, deadline: float | None) -> None:
        self._pool = pool
        self._priority = priority
        self._deadline = deadline

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """As the pool's, by this view's rank; the deadline counts from now."""
        if interpreter_is_finishing():
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")
        workers = self._pool._workers
        future: Future[_T] = workers.submit_ranked(self._priority, self._deadline, fn, *args, **kwargs)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As the pool's: it has no other workers than this view."""
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


class ThreadPoolExecutor(concurrent.futures.ThreadPoolExecutor):
    """A ``concurrent.futures.ThreadPoolExecutor`` on native workers.

    It takes what the standard one takes and behaves as it does. A native kernel (``conc.kernels``) given to ``submit``
    or ``map`` runs without the interpreter; ``map`` of a kernel runs in batches, and no worker needs the GIL for it.

    Args:
        max_workers: threads at most; by default four more than the CPUs this process may use, at most 32.
        thread_name_prefix: of the workers' names; by default "ConcThreadPoolExecutor-N".
        initializer: called in each worker before its first task; when it raises, the pool is broken.
        initargs: its arguments.

    Raises:
        ValueError: `max_workers` < 1.
        TypeError: `max_workers` is no int, or `initializer` is not callable.

    Example:
        >>> with ThreadPoolExecutor(2) as pool:
        ...     list(pool.map(pow, (2, 3), (5, 2)))
        [32, 9]
    """

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
    ) -> None:
        if max_workers is None:
            max_workers = _default_workers()
        if not isinstance(max_workers, int):
            raise TypeError(f"max_workers must be an int, not {max_workers!r}")
        if max_workers < 1:
            raise ValueError(f"max_workers must be greater than 0, not {max_workers}")
        if initializer is not None and not callable(initializer):
            raise TypeError(f"initializer must be a callable, not {initializer!r}")
        self._max_workers = max_workers
        self._workers = _Workers(
            max_workers,
            Future,
            eager=initializer is not None,
            stack_size=configured_stack_size(),
            spin_ns=_spin_ns(),
        )
        self._workers._prefix = thread_name_prefix or f"ConcThreadPoolExecutor-{next(_counter)}"
        self._workers._initializer = initializer
        self._workers._initargs = tuple(initargs)
        self._workers._idents = set()
        _live.add(self._workers)
        # Dropped without shutdown(): the workers finish what is queued and go.
        weakref.finalize(self, self._workers.close).atexit = False

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Queue ``fn(*args, **kwargs)`` and return its future. It runs in a copy of the caller's context variables.

        Raises:
            RuntimeError: the pool or the interpreter is shutting down, or no worker could be started.
            concurrent.futures.thread.BrokenThreadPool: an initializer failed.
        """
        if interpreter_is_finishing():
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")
        future: Future[_T] = self._workers.submit(fn, *args, **kwargs)
        return future

    def map(
        self,
        fn: Callable[..., _T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,  # noqa: ARG002 (the standard signature)
        buffersize: int | None = None,
    ) -> Iterator[_T]:
        """An iterator over ``fn(*items)`` for the items of `iterables` in parallel, in order.

        The iterables are consumed and the calls begin at once, as in the standard pool, but no future is made for a
        call. A kernel runs natively in batches. `chunksize` has no effect, as in the standard pool of threads. Each
        worker runs its share in one copy of the caller's context variables.

        Args:
            timeout: seconds from this call to the last result; None: no limit.
            buffersize: calls that may be ahead of the results asked for; the iterables are consumed as these are. None:
                no limit. On every version of Python, as in 3.14.

        Raises:
            TimeoutError: from the iterator, when a result is not there in time.
            CancelledError: from the iterator, when ``shutdown(cancel_futures=True)`` dropped the call.
            TypeError: `buffersize` is no int.
            ValueError: `buffersize` < 1.
        """
        if buffersize is not None and not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        if interpreter_is_finishing():
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")
        if isinstance(fn, _core.Kernel) and buffersize is None:
            return self._workers.map_kernel(fn, _columns(iterables), timeout)
        single = len(iterables) == 1
        source: Iterator[Any] = iter(iterables[0]) if single else zip(*iterables, strict=False)
        at_once = all(type(iterable) in _QUICK for iterable in iterables)
        return self._workers.map_calls(fn, source, not single, at_once, buffersize, timeout)

    def parallel_for(
        self,
        function: _core.Kernel[..., None],
        begin: int,
        end: int,
        grain: int | None = None,
        data: Any = None,
    ) -> None:
        """Call a native ``function(begin, end, data)`` for parts of the range, in parallel, until all is done.

        As many threads work on it as there are workers, and the calling thread is one of them: it begins at once, and
        waits for no worker that is at something else. None needs the interpreter meanwhile, and none but workers has
        called the `initializer`. The parts come in any order; a thread that has done its own takes over half of what
        another one has left. When a signal handler raises (Ctrl-C), no further part begins, and the call returns once
        those that run have ended.

        Args:
            function: of ``conc.native`` or ``conc.compile_c``, with the signature
                ``void(int64 begin, int64 end, void* data)``.
            begin, end: ints of 64 bits, begin <= end.
            grain: integers per call, >= 1; the last call may have fewer. None: as many as take some 10 us.
            data: any contiguous buffer, whose address each call is given; it is held until all is done. None: NULL.

        Raises:
            TypeError: `function` has another signature, or `data` no buffer.
            ValueError: the range or `grain` is wrong.
            OverflowError: an int needs more than 64 bits.
            RuntimeError: the pool was shut down before; as BrokenThreadPool, its initializer has failed.

        Example:
            >>> import conc
            >>> body = conc.compile_c('''
            ... void fill(int64_t begin, int64_t end, void *data) {
            ...     for (int64_t i = begin; i < end; i++) ((double *)data)[i] = i / 2.0;
            ... }''')
            >>> values = array.array("d", bytes(8 * 5))
            >>> with ThreadPoolExecutor(2) as pool:
            ...     pool.parallel_for(body, 0, 5, data=values)
            >>> values
            array('d', [0.0, 0.5, 1.0, 1.5, 2.0])
        """
        self._workers.parallel_for(function, begin, end, grain, data)

    def map_into(self, out: Any, function: _core.Kernel[..., Any], *inputs: Any) -> None:
        """Put ``function(x)`` for each element of the input into `out`, in parallel, until all is done.

        The elements are read and written natively by the threads of ``parallel_for``, without the interpreter. The
        values are those of a loop.

        Args:
            out: a writable, contiguous buffer of doubles or of ints of 64 bits, such as a NumPy array, an
                ``array.array`` or a memoryview; it may be the input itself.
            function: of ``conc.native`` or ``conc.compile_c``: "double(double)" or "int64(int64)".
            inputs: as many as the function has arguments, one: a contiguous buffer of as many elements of that type.

        Raises:
            TypeError: another signature, another format, or not one input.
            ValueError: the lengths differ, or `out` and the input overlap in part or are not aligned.
            BufferError: no such buffer can be had, as of what is read-only.
            RuntimeError: as ``parallel_for``.

        Example:
            >>> import conc
            >>> half = conc.compile_c("double half(double x) { return x / 2; }")
            >>> out = array.array("d", bytes(8 * 3))
            >>> with ThreadPoolExecutor(2) as pool:
            ...     pool.map_into(out, half, array.array("d", [1, 2, 3]))
            >>> out
            array('d', [0.5, 1.0, 1.5])
        """
        if len(inputs) != 1:
            raise TypeError(f"the function has one argument, and there are {len(inputs)} inputs")
        self._workers.map_into(out, function, inputs[0])

    def with_options(self, *, priority: int = 0, deadline: float | None = None) -> RankedView:
        """A view of this pool whose tasks go by rank.

        The higher priority begins first; of equal ones the earlier deadline, then what was submitted first. A task
        without a view has priority 0 and no deadline. What runs already is not interrupted.

        Args:
            priority: any int of 64 bits.
            deadline: seconds from a task's submission by which it must have begun, >= 0; if it has not, it is not run
                and its future raises TimeoutError. None: no limit.

        Raises:
            TypeError: `priority` is no int, or `deadline` no number.
            OverflowError: `priority` needs more than 64 bits.
            ValueError: `deadline` is nan.

        Example:
            >>> with ThreadPoolExecutor(1) as pool:
            ...     pool.with_options(priority=1).submit(pow, 2, 3).result()
            8
        """
        if not isinstance(priority, int):
            raise TypeError(f"priority must be an int, not {priority!r}")
        if not -(2**63) <= priority < 2**63:
            raise OverflowError(f"priority must fit into 64 bits, not {priority}")
        _core.deadline(deadline)  # refuses what is no number of seconds
        return RankedView(self, priority, deadline)

    def stats(self) -> PoolStats:
        """What the workers are doing and have done; the figures are not taken at exactly the same moment."""
        workers, idle, queued = self._workers.counts()
        run, stolen, parked, split, attaches, attach_wait_ns = self._workers.totals()
        return PoolStats(workers, idle, queued, run, stolen, parked, split, attaches, attach_wait_ns / 1e9)

    @property
    def _broken(self) -> bool:  # type: ignore[override]
        """Some look at it, as in the standard pool."""
        return self._workers.is_broken()

    @property
    def _threads(self) -> set[threading.Thread]:  # type: ignore[override]
        """Likewise; of the workers that have run Python."""
        return {thread for thread in threading.enumerate() if thread.ident in self._workers._idents}

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more work; with `wait`, return when every worker is gone.

        Raises:
            RuntimeError: `wait` in one of the pool's own workers, which would wait for itself.
        """
        self._workers.close()
        if cancel_futures:
            self._workers.cancel_queued()
        if wait:
            if self._workers.is_own_worker():
                raise RuntimeError("cannot wait for a pool's shutdown in one of its own workers; use wait=False")
            self._workers.join()
