"""What compare itself adds: for each run of a lane, and for each item."""

from __future__ import annotations

from typing import Any

from paired import QUICK, alone, paired, rounds_of
from results import Target

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

    benchmark.pedantic(compare, rounds=rounds_of(15), warmup_rounds=1, iterations=1)
    samples_us = [1e6 * sample for sample in seconds[1:]]
    alone(
        benchmark,
        "compare adds to a run of a lane",
        samples_us,
        "us",
        how=f"{len(samples_us)} comparisons of {RUNS} runs",
        target=Target("at most", 200, "us"),
    )


def test_added_to_an_item(benchmark: Any) -> None:
    """A plain loop over many small items, through compare (which checks every result) and without it, alternated."""
    items = list(range(ITEMS // 10 if QUICK else ITEMS))
    workload = Workload("abs", abs, items)
    repeats = 3
    taken = paired(
        benchmark,
        f"{ITEMS:,} calls of abs by compare",
        lambda: compare_lanes(workload, [Sequential(workload, 1)], workers=1, repeats=repeats, budget_s=1000),
        lambda: list(map(abs, items)),
        against="a plain loop",
        scale=repeats,
    )
    added_ns = [
        1e9 * (ours / repeats - plain) / len(items) for ours, plain in zip(taken.ours_s, taken.peer_s, strict=True)
    ]
    alone(
        benchmark,
        "compare adds to an item",
        added_ns,
        "ns",
        how=f"{len(added_ns)} rounds of {len(items):,} items",
        target=Target("at most", 50, "ns"),
    )
