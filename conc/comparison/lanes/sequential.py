"""The lane `sequential`: a plain loop in the calling thread, what the others are measured against."""

from __future__ import annotations

import threading
from itertools import islice
from time import perf_counter
from typing import Any

from conc.comparison.lanes.base import ItemFailed, Lane, OutOfTime, needs_plain_function

_SHORT_S, _LONG_S, _MAX_BATCH = 0.001, 0.01, 65536


class Sequential(Lane):
    """One item after the other, in the calling thread."""

    name = "sequential"

    def unavailable(self) -> str | None:
        return self.workload.missing.get(self.name) or needs_plain_function(self.workload)

    def start(self, timeout_s: float) -> None:  # noqa: ARG002 - nothing to wait for
        self.memory_note = "no actor but the calling thread"
        if self.workload.setup is None:
            return
        try:
            self.workload.setup()
        except Exception as error:
            raise ItemFailed.of(None, error) from None

    @property
    def warmup_items(self) -> int:
        return 1

    def run(self, items: list[Any], timeout_s: float) -> list[Any]:
        """As the base class says; the clock is looked at between batches that last a few milliseconds."""
        fn, total, results = self.workload.fn, len(items), list[Any]()
        pending = iter(items)
        batch = 1
        began = perf_counter()
        deadline = began + timeout_s
        while len(results) < total:
            goal = min(len(results) + batch, total)
            try:
                results.extend(map(fn, islice(pending, batch)))
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                raise ItemFailed.of(len(results), error) from None
            if len(results) < goal:
                raise ItemFailed(len(results), "StopIteration", "raised by the function")
            now = perf_counter()
            if now >= deadline and goal < total:
                raise OutOfTime(results)
            if now - began < _SHORT_S:
                batch = min(batch * 2, _MAX_BATCH)
            elif now - began > _LONG_S:
                batch = max(batch // 2, 1)
            began = now
        return results

    def item_threads(self) -> tuple[int, ...]:
        return (threading.get_native_id(),)

    def stop(self, patience_s: float | None = None) -> int:  # noqa: ARG002 - nothing to end
        return 0
