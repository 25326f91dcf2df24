"""The lane `processes`: the standard library's process pool."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import signal
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

import cloudpickle  # type: ignore[import-untyped]

from conc._threading_shim import daemon_threads_allowed
from conc.comparison.lanes import _fork_server, worker
from conc.comparison.lanes.base import CannotRun, ItemFailed, Lane, OutOfTime, needs_plain_function, wait_for
from conc.comparison.meter import Counters, proportional_bytes, thread_count

_CHUNKS_PER_WORKER = 4
_MOST_WORKERS = 256  # starting them is one step that nothing interrupts, a millisecond or more each


def default_start_method() -> str:
    """How multiprocessing starts a process here, without making it final as ``get_start_method()`` would."""
    return multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]


class Processes(Lane):
    """`concurrent.futures.ProcessPoolExecutor`, started by the interpreter's default method.

    The function travels once to each worker, by cloudpickle, so that functions of a notebook or a script arrive; the
    items travel in chunks, four for each worker and run.
    """

    name = "processes"

    def __init__(self, workload: Any, workers: int) -> None:
        super().__init__(workload, workers)
        self.start_method = default_start_method()
        self._pool: ProcessPoolExecutor | None = None
        self._children: list[BaseProcess] = []
        self._used: dict[int, Counters] = {}
        self._server_is_ours = self.start_method == "forkserver" and not _fork_server.runs()

    def unavailable(self) -> str | None:
        reason = self.workload.missing.get(self.name) or needs_plain_function(self.workload)
        if reason is not None:
            return reason
        if not daemon_threads_allowed():
            return "process pools need daemon threads, and this is an isolated subinterpreter, which has none"
        try:
            import multiprocessing.synchronize  # noqa: F401 - fails where the system lacks semaphores
        except ImportError as error:
            return f"this system lacks what process pools need: {error}"
        return None

    def start(self, timeout_s: float) -> None:
        if self.workers > _MOST_WORKERS:
            raise CannotRun(f"{self.workers} processes are more than the {_MOST_WORKERS} that this lane starts")
        try:
            payload = cloudpickle.dumps((self.workload.fn, self.workload.setup))
        except Exception as error:
            raise CannotRun(f"the function cannot be pickled: {_words(error)}") from None
        context = self._context()
        threads = thread_count()
        if self.start_method == "fork" and threads is not None and threads > 1:
            self.notes.append(f"forked while {threads} threads ran, which can deadlock")
        deadline = time.monotonic() + timeout_s
        try:
            barrier = context.Barrier(self.workers)
            with _sigint_blocked(), warnings.catch_warnings():
                # CPython warns of a fork while threads run; the report says so instead.
                warnings.simplefilter("ignore", DeprecationWarning)
                self._pool = ProcessPoolExecutor(
                    self.workers,
                    mp_context=context,
                    initializer=worker.initialize,
                    initargs=(payload, barrier, timeout_s),
                )
                greetings = [self._pool.submit(worker.meet) for _ in range(self.workers)]
        except BrokenProcessPool:
            raise CannotRun(self._death()) from None
        except (OSError, EOFError, MemoryError, RuntimeError, ValueError) as error:
            advice = ""
            if self.start_method == "forkserver" and isinstance(error, (ConnectionError, EOFError)):
                advice = f"; the fork server ended{_GUARD_ADVICE['forkserver']}"
            raise CannotRun(f"{self.workers} processes cannot be started: {_words(error)}{advice}") from None
        for greeting in greetings:
            try:
                self._check(self._wait(greeting, deadline), first=0, what="its function")
            except OutOfTime:
                raise CannotRun(f"its processes were not ready within {timeout_s:.3g} s") from None

    def run(self, items: list[Any], timeout_s: float) -> list[Any]:
        assert self._pool is not None
        deadline = time.monotonic() + timeout_s
        size = -(-len(items) // (self.workers * _CHUNKS_PER_WORKER)) or 1
        futures: list[Future[worker.Answer]] = []
        results: list[Any] = []
        submit = self._pool.submit
        try:
            futures.extend(submit(worker.run_chunk, chunk) for chunk in _packed(items, size))
            for number, future in enumerate(futures):
                try:
                    answer = self._wait(future, deadline)
                except OutOfTime:
                    raise OutOfTime(results) from None
                results.extend(self._check(answer, first=number * size, what="an item"))
        except BrokenProcessPool:
            raise CannotRun(self._death()) from None
        return results

    def stop(self, patience_s: float | None = None) -> int:
        if self._pool is not None:
            self._stop_pool(self._pool, kill=patience_s is not None)
            self._pool = None
        if self._server_is_ours:
            _fork_server.stop()
        return 0

    def _stop_pool(self, pool: ProcessPoolExecutor, *, kill: bool) -> None:
        started = [child for child in self._children if child.pid is not None]
        if kill:
            for child in started:
                child.kill()
        # Nothing is cancelled: up to 3.12 the pool's own thread dies of a cancelled future when a worker was killed.
        pool.shutdown(wait=True)
        for child in started:
            child.join()

    def counters(self) -> Counters:
        """Of this process, which packs and unpacks, and of the workers, as they last told."""
        total = super().counters()
        for used in self._used.values():
            total = total.plus(used)
        return total

    def actor_cpu_s(self) -> tuple[float, ...]:
        return tuple(self._used[pid].cpu_s for pid in sorted(self._used))

    def measure_memory(self) -> None:
        sizes = [size for pid in self._used if (size := proportional_bytes(pid)) is not None]
        if sizes:
            self.memory_per_actor_bytes = sum(sizes) // len(sizes)
            self.memory_note = "proportional set size of a worker process, mean"
        else:
            self.memory_note = "/proc/<pid>/smaps_rollup is not readable"

    def _context(self) -> Any:
        """A context of our own that remembers the pool's processes: how one died is asked after the pool forgot it."""
        context: Any = copy.copy(multiprocessing.get_context(self.start_method))
        make = context.Process

        def remembered(*args: Any, **kwargs: Any) -> BaseProcess:
            child: BaseProcess = make(*args, **kwargs)
            self._children.append(child)
            return child

        context.Process = remembered
        return context

    def _wait(self, future: Future[worker.Answer], deadline: float) -> worker.Answer:
        try:
            return wait_for(future, deadline)
        except TimeoutError:
            raise OutOfTime([]) from None
        except BrokenProcessPool:
            raise CannotRun(self._death()) from None

    def _check(self, answer: worker.Answer, *, first: int, what: str) -> list[Any]:
        """The results in an answer; its problem is raised."""
        self._used[answer.pid] = answer.counters
        problem = answer.problem
        if problem is None:
            try:
                return list(pickle.loads(answer.results)) if answer.results else []
            except Exception as error:
                raise CannotRun(f"a result cannot be unpickled: {_words(error)}") from None
        index = None if problem.index is None else first + problem.index
        if not problem.broken:
            raise ItemFailed(index, problem.kind, problem.message)
        if index is None:
            raise CannotRun(f"{what} cannot be unpickled in a worker process: {problem.kind}: {problem.message}")
        raise CannotRun(f"the result of item {index} cannot be pickled: {problem.kind}: {problem.message}")

    def _death(self) -> str:
        """How the pool broke, as far as the exit statuses tell; the pool itself ends the survivors by SIGTERM."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)
        codes = [code for child in self._children if (code := child.exitcode) not in (None, 0)]
        first = next((code for code in codes if code != -signal.SIGTERM), codes[0] if codes else None)
        if first is None:
            return "a worker process died"
        if first < 0:
            return f"a worker process was killed by {_signal_name(-first)}"
        advice = "" if self._used else _GUARD_ADVICE.get(self.start_method, "")
        return f"a worker process exited with status {first}{advice}"


_GUARD_ADVICE = {
    method: f" while starting: with start method {method!r} a script must guard its start with "
    'if __name__ == "__main__":'
    for method in ("spawn", "forkserver")
}


def _packed(items: list[Any], size: int) -> Iterator[bytes]:
    """The items, pickled `size` at a time."""
    for first in range(0, len(items), size):
        chunk = items[first : first + size]
        try:
            packed: bytes = cloudpickle.dumps(chunk)
        except Exception as error:
            index = worker.first_unpicklable(chunk)
            which = "an item" if index is None else f"item {first + index}"
            raise CannotRun(f"{which} cannot be pickled: {_words(error)}") from None
        yield packed


@contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Children inherit the mask, and so stay deaf to Ctrl-C until they have learned to ignore it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
