"""One lane for a test: what the pytest fixture `lane` gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from conc.comparison.lanes import lane_class
from conc.comparison.lanes.base import CannotRun, ItemFailed, Lane, OutOfTime
from conc.comparison.workload import Workload, callable_name
from conc.cpus import cpu_count

TIMEOUT_S, PATIENCE_S = 3600.0, 2.0


class LaneRunner:
    """Runs work on one lane.

    Attributes:
        name: of the lane.
        unavailable: why the lane could not run the last work that it was given; None where it could.
    """

    def __init__(self, name: str, skip: Callable[[str], Any]) -> None:
        self.name = name
        self.unavailable: str | None = None
        self._skip = skip
        self._lane: Lane | None = None
        self._key: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        return f"<lane {self.name}>"

    def run(
        self,
        fn: Callable[[Any], Any],
        items: Iterable[Any],
        *,
        native: Callable[[Any], Any] | None = None,
        coroutine: Callable[[Any], Any] | None = None,
        setup: Callable[[], object] | None = None,
        workers: int | None = None,
    ) -> list[Any]:
        """The results of `fn` for all items, in their order; the arguments are those of `conc.compare`.

        The actors are made at the first call with a function and kept for the next calls with the same one.

        Raises:
            RuntimeError: the function raised; the message names the item and the exception.
        """
        items = items if isinstance(items, list) else list(items)
        workload = Workload(callable_name(fn), fn, items, native=native, coroutine=coroutine, setup=setup)
        return self.run_workload(workload, workers=workers)

    def run_workload(self, workload: Workload, *, workers: int | None = None) -> list[Any]:
        """`run` for a workload that is made already, on all its items."""
        lane, items = self._ready(workload, workers), workload.items
        try:
            return lane.run(items, TIMEOUT_S)
        except CannotRun as error:
            self._give_up(str(error))
        except ItemFailed as error:
            self.close(PATIENCE_S)  # other items may run still
            raise RuntimeError(f"{self.name}: item {error.index}: {error.kind}: {error.message}") from None
        except OutOfTime:
            raise TimeoutError(f"{self.name}: not done after {TIMEOUT_S:g} s") from None

    def close(self, patience_s: float | None = None) -> None:
        """End the lane's actors; after `patience_s` seconds without waiting for their items."""
        lane, self._lane = self._lane, None
        if lane is not None:
            lane.stop(patience_s)

    def _ready(self, workload: Workload, workers: int | None) -> Lane:
        """The started lane for this work; skips the test where it cannot run."""
        key = (workload.fn, workload.native, workload.coroutine, workload.setup, workload.session, workers)
        if self._lane is not None and key == self._key:
            return self._lane
        self.close()
        lane = lane_class(self.name)(workload, max(cpu_count(), 2) if workers is None else workers)
        reason = lane.unavailable()
        if reason is not None:
            self._give_up(reason)
        self._lane, self._key = lane, key
        try:
            lane.start(TIMEOUT_S)
        except CannotRun as error:
            self._give_up(str(error))
        except ItemFailed as error:
            raise RuntimeError(f"{self.name}: setup: {error.kind}: {error.message}") from None
        return lane

    def _give_up(self, reason: str) -> NoReturn:
        self.unavailable = reason
        self._skip(f"{self.name} cannot run: {reason}")
        raise AssertionError("skip() returns")
