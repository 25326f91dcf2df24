"""What the lanes on a pool of threads share; each is one subclass in a file of its own."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from conc import _core
from conc.comparison.lanes.base import CannotRun, ItemFailed, Lane, OutOfTime
from conc.comparison.meter import anonymous_bytes


class _Setup:
    """The workload's setup as a pool's initializer: an exception is kept, where the pool would only log it."""

    def __init__(self, setup: Callable[[], object]) -> None:
        self.setup = setup
        self.error: Exception | None = None

    def __call__(self) -> None:
        try:
            self.setup()
        except Exception as error:
            self.error = error


class PoolLane(Lane):
    """A lane on an executor whose workers are threads of this process."""

    _pool: Executor | None = None
    _thread_ids: tuple[int, ...] = ()

    @abstractmethod
    def make_pool(self, initializer: Callable[[], None] | None) -> Executor:
        """The executor, with `initializer` run on each of its workers."""

    def target(self) -> Callable[[Any], Any]:
        """What the pool maps over the items."""
        return self.workload.fn

    def start(self, timeout_s: float) -> None:
        resident = anonymous_bytes()
        setup = None if self.workload.setup is None else _Setup(self.workload.setup)
        barrier = threading.Barrier(self.workers)

        def meet() -> int:
            """Returns once every worker is here, so that each of them has run one."""
            barrier.wait(timeout_s)
            return threading.get_native_id()

        try:
            self._pool = self.make_pool(setup)
            futures = [self._pool.submit(meet) for _ in range(self.workers)]
            self._thread_ids = tuple(future.result() for future in futures)
        except threading.BrokenBarrierError:
            raise CannotRun(f"its {self.workers} threads were not ready within {timeout_s:.3g} s") from None
        except (RuntimeError, OSError, MemoryError) as error:
            raise CannotRun(f"{self.workers} threads cannot be started: {error}") from None
        finally:
            barrier.abort()
        if setup is not None and setup.error is not None:
            raise ItemFailed.of(None, setup.error)
        self._note_memory(resident, anonymous_bytes())

    def thread_ids(self) -> tuple[int, ...]:
        return self._thread_ids

    def run(self, items: list[Any], timeout_s: float) -> list[Any]:
        assert self._pool is not None
        results: list[Any] = []
        deadline = time.monotonic() + timeout_s
        try:
            results.extend(self._pool.map(self.target(), items, timeout=timeout_s))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if isinstance(error, TimeoutError) and time.monotonic() >= deadline:
                raise OutOfTime(results) from None
            raise ItemFailed.of(len(results), error) from None
        return results

    def stop(self, patience_s: float | None = None) -> int:
        pool = self._pool
        if pool is None:
            return 0
        pool.shutdown(wait=patience_s is None, cancel_futures=True)
        alive = 0
        if patience_s is not None:
            deadline = time.monotonic() + patience_s
            while (alive := sum(map(_core.task_lives, self._thread_ids))) and time.monotonic() < deadline:
                time.sleep(0.005)
        self._pool = None
        return alive

    def _note_memory(self, before: int | None, after: int | None) -> None:
        if before is None or after is None:
            self.memory_note = "/proc/self/status does not tell"
        elif after <= before:
            self.memory_note = "the threads fitted into memory that the process had already"
        else:
            self.memory_per_actor_bytes = (after - before) // self.workers
            self.memory_note = "growth of resident memory by starting the threads, for each"
