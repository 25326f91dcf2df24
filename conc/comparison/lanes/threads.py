"""The lane `threads`: the standard library's thread pool."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor

from conc.comparison.lanes.base import needs_plain_function
from conc.comparison.lanes.pool import PoolLane


class Threads(PoolLane):
    """`concurrent.futures.ThreadPoolExecutor.map` of the function."""

    name = "threads"

    def unavailable(self) -> str | None:
        return self.workload.missing.get(self.name) or needs_plain_function(self.workload)

    def make_pool(self, initializer: Callable[[], None] | None) -> Executor:
        return ThreadPoolExecutor(self.workers, initializer=initializer)
