"""The lane `native-threads`: conc's pool, running the Python function."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor

from conc.comparison.lanes.base import needs_plain_function
from conc.comparison.lanes.pool import PoolLane
from conc.executors import ThreadPoolExecutor


class NativeThreads(PoolLane):
    """`conc.ThreadPoolExecutor.map` of the function: threads made by the C core, which attach to run Python."""

    name = "native-threads"

    def unavailable(self) -> str | None:
        return self.workload.missing.get(self.name) or needs_plain_function(self.workload)

    def make_pool(self, initializer: Callable[[], None] | None) -> Executor:
        return ThreadPoolExecutor(self.workers, initializer=initializer)
