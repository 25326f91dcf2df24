"""The lane `native`: conc's pool, running the native twin without the GIL."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from conc.comparison.lanes.pool import PoolLane
from conc.executors import ThreadPoolExecutor


class Native(PoolLane):
    """`conc.ThreadPoolExecutor.map` of a kernel; its workers never attach to the interpreter while they compute."""

    name = "native"

    def unavailable(self) -> str | None:
        if self.workload.native is not None:
            return None
        return self.workload.missing.get(self.name) or "fn has no native twin (native=...)"

    def make_pool(self, initializer: Callable[[], None] | None) -> Executor:  # noqa: ARG002 - a kernel needs no setup
        return ThreadPoolExecutor(self.workers)

    def target(self) -> Callable[[Any], Any]:
        assert self.workload.native is not None
        return self.workload.native
