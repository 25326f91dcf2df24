"""What compare itself adds: for each run of a lane, and for each item."""

from __future__ import annotations

from typing import Any

from paired import FIGURES, QUICK, quartiles, timed

from conc.comparison.lanes.base import Lane
from conc.comparison.lanes.sequential import Sequential
from conc.comparison.runner import compare_lanes
from conc.comparison.workload import Workload

RUNS = 200
ITEMS = 1_000_000


class NoOp(Lane):
    """A lane that does nothing."""

    name = "no-op"

    def unavailable(self) -> str | None:
        return None

    def start(self, timeout_s: float) -> None:
        pass

    def run(self, items: list[Any], timeout_s: float) -> list[Any]:  # noqa: ARG002
        return []

    def stop(self, patience_s: float | None = None) -> int:  # noqa: ARG002
        return 0


def test_added_to_a_run(benchmark: Any) -> None:
    """A lane that does nothing, over no items: what is left is compare's own, its start divided over the runs."""
    workload = Workload("empty", abs, [])
    seconds: list[float] = []

    def compare() -> None:
        comparison = compare_lanes(workload, [NoOp(workload, 1)], workers=1, repeats=RUNS, budget_s=1000).comparison
        seconds.append(comparison.elapsed_s / comparison.rounds)

    rounds = 2 if QUICK else 15
    benchmark.pedantic(compare, rounds=rounds, warmup_rounds=1, iterations=1)
    low, median, high = quartiles(seconds[1:])
    FIGURES.append(
        f"compare adds to a run of a lane: {median * 1e6:.0f} us [{low * 1e6:.0f}..{high * 1e6:.0f}] over {rounds} "
        f"comparisons of {RUNS} runs; asked: at most 200 us"
    )


def test_added_to_an_item(benchmark: Any) -> None:
    """A plain loop over many small items, through compare (which checks every result) and without it, alternated."""
    items = list(range(ITEMS // 10 if QUICK else ITEMS))
    workload = Workload("abs", abs, items)
    plain: list[float] = []
    added: list[float] = []

    def compare() -> None:
        lane = Sequential(workload, 1)
        repeats = 3
        compared = timed(lambda: compare_lanes(workload, [lane], workers=1, repeats=repeats, budget_s=1000))
        added.append((compared / repeats - plain[-1]) / len(items))

    def loop() -> None:
        plain.append(timed(lambda: list(map(abs, items))))

    rounds = 2 if QUICK else 15
    benchmark.pedantic(compare, setup=loop, rounds=rounds, warmup_rounds=1, iterations=1)
    low, median, high = quartiles(added[1:])
    FIGURES.append(
        f"compare adds to an item: {median * 1e9:.0f} ns [{low * 1e9:.0f}..{high * 1e9:.0f}] over {rounds} rounds of "
        f"{len(items):,} items; asked: at most 50 ns"
    )
