"""`conc.compare`: the one call that sends a workload through lanes, runner, verdict and report."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from conc.comparison.lanes import LANES, lane_class
from conc.comparison.progress import Shown
from conc.comparison.report import Report, make_report
from conc.comparison.runner import compare_lanes
from conc.comparison.workload import Workload, callable_name
from conc.cpus import cpu_count


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a comparison. Its text is the report on what was measured by then.

    Attributes:
        report: that report; its ``interrupted`` is True.
        stragglers: threads that still run the item they had: no thread can be killed.
    """

    def __init__(self, report: Report, stragglers: int) -> None:
        super().__init__(report, stragglers)
        self.report = report
        self.stragglers = stragglers

    def __str__(self) -> str:
        return f"comparison interrupted; what was measured:\n{self.report}"


def compare(
    fn: Callable[[Any], Any],
    items: Iterable[Any],
    *,
    native: Callable[[Any], Any] | None = None,
    coroutine: Callable[[Any], Any] | None = None,
    setup: Callable[[], object] | None = None,
    equal: Callable[[Any, Any], bool] | None = None,
    workers: int | None = None,
    lanes: Iterable[str] | None = None,
    repeats: int = 5,
    budget_s: float = 30,
) -> Report:
    """Run the same work on every lane, check that the results agree, and say which lane wins and why.

    The lanes: ``sequential`` (a plain loop), ``threads`` (concurrent.futures), ``native-threads`` (conc's pool, the
    Python function), ``native`` (conc's pool, the native twin, without the GIL), ``processes`` (concurrent.futures;
    the interpreter's default start method) and ``asyncio`` (the coroutine twin). A lane that cannot run is in the
    report with the reason. Each lane is started once; then the lanes take turns, round by round, in a changing order.

    Args:
        fn: called with one item. An ``async def`` is its own coroutine twin, and the other lanes cannot run it. The
            process lane needs it to be picklable by cloudpickle, which functions of a notebook are.
        items: at least one; listed once. Where the sequential lane alone would use up more than its part of the
            budget, all lanes run the first of them only, and the report says how many.
        native: a native kernel that gives the same result for an item, such as ``conc.kernels.prime_factors``.
        coroutine: a function that gives an awaitable of the same result.
        setup: called without arguments once on every worker before its first item: in the calling thread, in each
            thread of the pools, in each process, in the event loop's thread. Not called for the native lane.
        equal: whether two results are the same; the default is ``==``, with NaN equal to NaN, also within lists,
            tuples, dicts and NumPy arrays.
        workers: actors of each concurrent lane, at least 1; default: the CPUs allowed, at least 2.
        lanes: names of the lanes to run; default: all.
        repeats: rounds, at least 1; three or more give intervals.
        budget_s: seconds after which no further run starts; a run that is under way then ends with its item. A thread
            cannot be killed: an item that never ends holds its lane, and Ctrl-C ends the comparison.

    Returns:
        Report: ``lanes``, ``verdict`` and ``environment``, with all raw samples.

    Raises:
        TypeError: an argument of the wrong kind.
        ValueError: no items, an unknown lane, workers or repeats below 1, or a budget that is not above 0.
        Interrupted: a KeyboardInterrupt with the partial report, which is also its text.

    Source: wall time from the monotonic clock; CPU time and context switches from getrusage(2), of worker processes
    as they report them with their results; memory from /proc. See the attributes of the report.

    Example:
        >>> import conc
        >>> report = conc.compare(abs, range(-100, 0), lanes=["sequential", "threads"], workers=2, repeats=1)
        >>> report.lanes["threads"].unavailable is None
        True
    """
    workload = Workload(
        callable_name(fn), fn, _listed(items), native=native, coroutine=coroutine, setup=setup, equal=equal
    )
    return compare_workload(workload, workers=workers, lanes=lanes, repeats=repeats, budget_s=budget_s)


def compare_workload(
    workload: Workload,
    *,
    workers: int | None = None,
    lanes: Iterable[str] | None = None,
    repeats: int = 5,
    budget_s: float = 30,
) -> Report:
    """`compare` for a workload that is made already; the arguments and exceptions are the same."""
    _refuse_unguarded_child()
    if not workload.items:
        raise ValueError("items is empty: there is nothing to compare")
    workers = max(cpu_count(), 2) if workers is None else _at_least_one("workers", workers)
    _at_least_one("repeats", repeats)
    if not isinstance(budget_s, (int, float)) or isinstance(budget_s, bool):
        raise TypeError(f"budget_s must be a number of seconds, not {budget_s!r}")
    if not budget_s > 0 or math.isinf(budget_s):
        raise ValueError(f"budget_s must be a finite number of seconds above 0, not {budget_s!r}")
    made = [lane_class(name)(workload, workers) for name in check_lanes(lanes)]
    with Shown() as progress:
        outcome = compare_lanes(workload, made, workers=workers, repeats=repeats, budget_s=budget_s, show=progress.show)
    report = make_report(outcome.comparison)
    if report.interrupted:
        raise Interrupted(report, outcome.stragglers)
    return report


def _listed(items: Iterable[Any]) -> list[Any]:
    try:
        iterator = iter(items)
    except TypeError:
        raise TypeError(f"items must be iterable, not {type(items).__name__}") from None
    return list(iterator)


def _at_least_one(what: str, value: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{what} must be an int, not {value!r}")
    if value < 1:
        raise ValueError(f"{what} must be at least 1, not {value}")
    return value


def check_lanes(lanes: Iterable[str] | None) -> Sequence[str]:
    """The lanes asked for, each once, in the order of reports; all of them for None.

    Raises:
        TypeError: not an iterable of names.
        ValueError: none is named, or one that there is not.
    """
    if lanes is None:
        return list(LANES)
    if isinstance(lanes, str):
        raise TypeError(f"lanes must be an iterable of names, not the string {lanes!r}")
    wanted = list(lanes)
    for name in wanted:
        lane_class(name)
    if not wanted:
        raise ValueError(f"lanes is empty; the lanes are {', '.join(LANES)}")
    return [name for name in LANES if name in wanted]


def _refuse_unguarded_child() -> None:
    """A script without a main guard runs again in each process that is spawned; it must not compare there again."""
    process = sys.modules.get("multiprocessing.process")
    if process is not None and getattr(process.current_process(), "_inheriting", False):
        raise RuntimeError(
            "conc.compare was called while a worker process imports the main module: "
            'guard the call with if __name__ == "__main__":'
        )
