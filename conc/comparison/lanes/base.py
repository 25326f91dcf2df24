"""What every lane is: a way to run the same function over the same items."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from concurrent.futures import Future
from typing import Any, ClassVar, TypeVar

from conc.comparison.meter import Counters, own_counters
from conc.comparison.workload import Workload

_T = TypeVar("_T")
_SLICE_S = 0.05


class CannotRun(Exception):
    """The lane cannot run this workload here; the message is the reason, one line for the report."""


class ItemFailed(Exception):
    """The function raised; the lane cannot give a result for every item."""

    def __init__(self, index: int | None, kind: str, message: str) -> None:
        super().__init__(index, kind, message)
        self.index = index
        self.kind = kind
        self.message = message

    @classmethod
    def of(cls, index: int | None, error: BaseException) -> ItemFailed:
        """The failure of item `index` by `error`, of which only the words are kept: a traceback holds its frames."""
        if isinstance(error, RuntimeError) and isinstance(error.__cause__, StopIteration):
            error = error.__cause__
        return cls(index, type(error).__name__, " ".join(str(error).split()))


def wait_for(future: Future[_T], deadline: float) -> _T:
    """The future's result, until `deadline` on time.monotonic().

    In slices: CPython's own waits miss a Ctrl-C that comes between their last look for signals and their sleep, and
    would answer to it when the future does.

    Raises:
        TimeoutError: the time is over.
    """
    while True:
        remaining_s = max(deadline - time.monotonic(), 0)
        try:
            return future.result(min(remaining_s, _SLICE_S))
        except TimeoutError:
            if future.done():  # just now, or by an error of this kind
                return future.result()
            if remaining_s <= _SLICE_S:
                raise


class OutOfTime(Exception):
    """The time for a run is over; `results` are those of the first items."""

    def __init__(self, results: list[Any]) -> None:
        super().__init__(f"out of time after {len(results)} items")
        self.results = results


class Lane(ABC):
    """One way to run a workload. Its life: `unavailable`, `start`, `run` any number of times, `stop`.

    A new lane is one subclass in a file of its own, named in ``conc.comparison.lanes.LANES``. A lane adds nothing to an
    item that succeeds: `run` is a single ``extend(map(...))`` of its pool, and what went wrong is found out afterwards.
    """

    name: ClassVar[str]

    def __init__(self, workload: Workload, workers: int) -> None:
        self.workload = workload
        self.workers = workers
        self.notes: list[str] = []
        self.memory_per_actor_bytes: int | None = None
        self.memory_note = ""

    @abstractmethod
    def unavailable(self) -> str | None:
        """Why this workload cannot run on this lane here, or None."""

    @abstractmethod
    def start(self, timeout_s: float) -> None:
        """Pay everything that is paid once: make the actors, set each up, and have each run an empty task.

        Raises:
            CannotRun: the actors cannot be made, or are not ready within `timeout_s`.
            ItemFailed: with index None: the workload's setup raised.
        """

    @abstractmethod
    def run(self, items: list[Any], timeout_s: float) -> list[Any]:
        """The results of all items, in their order.

        Raises:
            ItemFailed: the function raised.
            CannotRun: the lane broke down (a process died, an item cannot be pickled).
            OutOfTime: it took longer than `timeout_s`.
        """

    @property
    def warmup_items(self) -> int:
        """How many items reach every actor once."""
        return self.workers

    @abstractmethod
    def stop(self, patience_s: float | None = None) -> int:
        """End the actors, also after a failed start or a stop that was interrupted; without effect when there are none.

        Args:
            patience_s: seconds to wait for items that still run; None: until they end. After that processes are killed,
                and threads, which cannot be, are left to themselves.

        Returns:
            How many threads were left to themselves.
        """

    def counters(self) -> Counters:
        """What the lane's actors have used since they exist, this process as a whole."""
        return own_counters((threading.get_native_id(), *self.thread_ids()))

    def thread_ids(self) -> tuple[int, ...]:
        """The native ids of the actors that are threads of this process."""
        return ()

    def item_threads(self) -> tuple[int, ...]:
        """The native ids of the threads of this process that run the items; none: other processes do."""
        return self.thread_ids()

    def actor_cpu_s(self) -> tuple[float, ...]:
        """CPU seconds of each actor so far, always in the same order; empty where they cannot be told apart."""
        return ()

    def measure_memory(self) -> None:
        """Set `memory_per_actor_bytes` or the reason why not, after a first run and outside of the timed parts."""
        return


def needs_plain_function(workload: Workload) -> str | None:
    """The reason why a lane that calls `fn` cannot: it is an ``async def``."""
    if workload.is_async:
        return "fn is a coroutine function (async def): only an event loop can run it"
    return None
