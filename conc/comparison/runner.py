"""Runs the lanes, round by round, and keeps what was measured."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter
from typing import Any, NamedTuple

from conc.comparison.environment import describe_environment
from conc.comparison.equality import first_difference
from conc.comparison.gil_waits import watch_lane
from conc.comparison.lanes.base import CannotRun, ItemFailed, Lane, OutOfTime
from conc.comparison.meter import usage_between
from conc.comparison.records import Comparison, ItemError, Run, Sample, one_line
from conc.comparison.workload import Workload

_SEED = 1
_GRACE_S = 0.1  # the caller has its KeyboardInterrupt within 200 ms
_PATIENCE_S = 2.0
_WARMUP_PART = 0.1  # of the budget, after which the remaining lanes begin cold
_MAX_PARTS = 4  # of the budget for the sequential lane's first run: the others together rarely take three times that

Show = Callable[[int, int, str], None]


def unseen(done: int, total: int, what: str) -> None:
    """Show nothing."""


class Outcome(NamedTuple):
    """What `compare_lanes` hands on.

    Attributes:
        comparison: the records.
        stragglers: threads that still run an item after Ctrl-C; no thread can be killed.
    """

    comparison: Comparison
    stragglers: int


def compare_lanes(
    workload: Workload,
    lanes: Sequence[Lane],
    *,
    workers: int,
    repeats: int,
    budget_s: float,
    show: Show = unseen,
) -> Outcome:
    """Run `workload` on each of `lanes`, interleaved, until `repeats` rounds or `budget_s` seconds are over.

    The lane of processes starts first, since it may fork; the rounds run in an order that changes from round to round,
    so that a machine that slows down or speeds up does so for every lane. Ctrl-C ends the work and keeps what was
    measured.
    """
    runner = _Runner(workload, lanes, repeats, budget_s, show)
    try:
        try:
            runner.start()
            runner.warm_up()
            runner.rounds()
        except Exception:
            runner.stop(_GRACE_S)
            raise
        runner.stop(None)
    except KeyboardInterrupt:
        runner.interrupted = True
        with _uninterrupted():
            runner.stop(_GRACE_S)
    start_methods = [method for lane in lanes if (method := getattr(lane, "start_method", None)) is not None]
    comparison = Comparison(
        workload=workload.name,
        items=len(workload.items),
        items_run=len(runner.items),
        workers=workers,
        rounds=runner.completed,
        repeats=repeats,
        budget_s=budget_s,
        elapsed_s=perf_counter() - runner.began,
        interrupted=runner.interrupted,
        environment=describe_environment(start_method=start_methods[0] if start_methods else None),
        runs={name: runner.finished_run(name) for name in runner.runs},
    )
    return Outcome(comparison, runner.stragglers)


class _Runner:
    """The state of one comparison."""

    def __init__(self, workload: Workload, lanes: Sequence[Lane], repeats: int, budget_s: float, show: Show) -> None:
        self.workload = workload
        self.lanes = {lane.name: lane for lane in lanes}
        self.repeats = repeats
        self.budget_s = budget_s
        self.show = show
        self.items = workload.items
        self.runs = {lane.name: Run(lane.name) for lane in lanes}
        self.samples: dict[str, list[Sample]] = {lane.name: [] for lane in lanes}
        self.live: list[str] = []
        self.expected: list[Any] | None = None
        self.reference = ""
        self.completed = 0
        self.interrupted = False
        self.stragglers = 0
        self.began = perf_counter()

    def finished_run(self, name: str) -> Run:
        """The record of one lane as it stands."""
        run, lane = self.runs[name], self.lanes[name]
        if not self.samples[name] and not (run.unavailable or run.error or run.wrong):
            run = replace(run, unavailable=self._why_never())
        return replace(
            run,
            samples=tuple(self.samples[name]),
            memory_per_actor_bytes=lane.memory_per_actor_bytes,
            memory_note=lane.memory_note,
            notes=tuple(lane.notes),
        )

    def start(self) -> None:
        """Start every lane that can run, the one that may fork first."""
        for name in sorted(self.lanes, key=lambda name: name != "processes"):
            lane = self.lanes[name]
            reason = lane.unavailable()
            if reason is not None:
                self.runs[name] = replace(self.runs[name], unavailable=reason)
                continue
            self.show(0, self.repeats * len(self.lanes), f"starting {name}")
            began = perf_counter()
            with self._guarded(name):
                lane.start(max(self._left(), 0.0))
                self.runs[name] = replace(self.runs[name], startup_s=perf_counter() - began)
                self.live.append(name)
        self.live.sort(key=list(self.lanes).index)

    def warm_up(self) -> None:
        """A first run of every lane over a few items, for what is paid once: imports, caches, connections."""
        began = perf_counter()
        for name in list(self.live):
            lane = self.lanes[name]
            first = perf_counter()
            if first - began > _WARMUP_PART * self.budget_s or self._left() <= 0:
                return
            self.show(0, self.repeats * len(self.live), f"warming up {name}")
            with self._guarded(name):
                try:
                    lane.run(self.items[: lane.warmup_items], self._left())
                except OutOfTime:
                    raise CannotRun(f"the budget of {self.budget_s:.3g} s ended within its first items") from None
                self.runs[name] = replace(self.runs[name], warmup_s=perf_counter() - first)

    def rounds(self) -> None:
        """Round 0 in the order of the lanes, the later ones shuffled, as long as time allows another whole one."""
        order = random.Random(_SEED)
        for number in range(self.repeats):
            names = list(self.live)
            if number > 0:
                order.shuffle(names)
                if sum(self.samples[name][-1].wall_s for name in names) > self._left():
                    break
            for position, name in enumerate(names):
                if self._left() <= 0:
                    return
                self.show(number * len(names) + position, self.repeats * len(names), name)
                with self._guarded(name):
                    self._run(name, number)
            if not self.live:
                return
            self.completed += 1
            if number == 0:
                self.watch()

    def watch(self) -> None:
        """See how the threads of each lane wait for the GIL, in runs that are not timed."""
        for name in list(self.live):
            self.show(len(self.live), self.repeats * len(self.live), f"watching {name}")
            wall_s = self.samples[name][0].wall_s
            with self._guarded(name):
                found = watch_lane(self.lanes[name], self.items, wall_s, self.budget_s, self._left())
                self.runs[name] = replace(self.runs[name], gil_wait=found)

    def _run(self, name: str, number: int) -> None:
        """One timed run; what is not the lane's own work stays out of the time."""
        lane = self.lanes[name]
        calibrating = number == 0 and name == "sequential"
        timeout_s = self._left() / min(len(self.live), _MAX_PARTS) if calibrating else self._left()
        actors = lane.actor_cpu_s()
        before = lane.counters()
        began = perf_counter()
        try:
            results = lane.run(self.items, timeout_s)
            wall_s = perf_counter() - began
        except OutOfTime as end:
            wall_s = perf_counter() - began
            if not calibrating or not end.results:
                raise CannotRun(
                    f"the budget of {self.budget_s:.3g} s ended within a run of {len(self.items)} items"
                ) from None
            results = end.results
            self.items = self.items[: len(results)]
        usage = usage_between(before, lane.counters(), wall_s)
        actor_cpu_s = tuple(after - was for was, after in zip(actors, lane.actor_cpu_s(), strict=True))
        self.samples[name].append(Sample(number, wall_s, usage, actor_cpu_s))
        self._check(name, results)
        if number == 0:
            lane.measure_memory()

    def _check(self, name: str, results: list[Any]) -> None:
        """The first lane that ends gives the results that all others must give, too."""
        if self.expected is None:
            self.expected, self.reference = results, name
            return
        reference = self.reference
        if name == reference:
            reference = "its own first run (random, items that change, or results without ==: pass equal=)"
        wrong = first_difference(self.expected, results, reference, self.workload.equal)
        if wrong is not None:
            self.runs[name] = replace(self.runs[name], wrong=wrong)
            self._retire(name)

    def _left(self) -> float:
        return self.budget_s - (perf_counter() - self.began)

    @contextmanager
    def _guarded(self, name: str) -> Iterator[None]:
        """What ends one lane is kept for the report, and the others go on."""
        try:
            yield
        except CannotRun as error:
            self.runs[name] = replace(self.runs[name], unavailable=str(error))
            self._retire(name)
        except ItemFailed as error:
            item = "" if error.index is None else one_line(self.items[error.index])
            failure = ItemError(error.index, error.kind, error.message, item)
            self.runs[name] = replace(self.runs[name], error=failure)
            self._retire(name)

    def _retire(self, name: str) -> None:
        """A lane that failed holds no actors while the others are measured."""
        if name in self.live:
            self.live.remove(name)
        self.stragglers += self.lanes[name].stop(_PATIENCE_S)

    def stop(self, patience_s: float | None) -> None:
        """End the actors of all lanes."""
        for lane in self.lanes.values():
            self.stragglers += lane.stop(patience_s)

    def _why_never(self) -> str:
        if self.interrupted:
            return "interrupted before its first run"
        return f"the budget of {self.budget_s:.3g} s ended before its first run"


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C for the short time in which actors are ended: half an end would leave a process behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
