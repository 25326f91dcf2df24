"""How a lane's threads wait for the GIL: from runs that are watched, and so not timed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from time import perf_counter
from typing import Any

from conc.comparison.lanes.base import Lane, OutOfTime
from conc.comparison.records import GilWait
from conc.gil import gil_enabled
from conc.watching.api import watch
from conc.watching.results import Starved, Summary
from conc.watching.summary import NO_GIL

_WATCH_S = 0.2  # enough for some hundred looks
_WATCH_PART = 0.02  # of the budget, for one lane
_MOST_PART = 0.1  # where an item for each worker takes longer than that, the lane is not watched

WORKERS = "workers"
"""In `GilWait.held_by`: the lane's own threads."""


def watch_lane(lane: Lane, items: list[Any], wall_s: float, budget_s: float, left_s: float) -> GilWait:
    """Run `lane` on the first items, so many that it takes some 0.2 s, and as often, and see who waits for the GIL.

    Args:
        lane: has run all items before.
        items: all of them.
        wall_s: what that took.
        budget_s: seconds for the whole comparison.
        left_s: what is left of them.

    Raises:
        ItemFailed, CannotRun: as `Lane.run`.
    """
    threads = lane.item_threads()
    if not threads:
        return GilWait(unknown="the items run in other processes, each of which has a GIL of its own")
    if not gil_enabled():
        return GilWait(unknown=NO_GIL)
    goal_s = min(_WATCH_S, _WATCH_PART * budget_s)
    count = min(len(items), max(1, lane.warmup_items, int(len(items) * goal_s / max(wall_s, goal_s))))
    if count * wall_s / len(items) > min(_MOST_PART * budget_s, left_s):
        return GilWait(unknown=f"the budget of {budget_s:.3g} s has no time for a run that is watched")
    try:
        with watch() as watched:
            end = perf_counter() + goal_s
            lane.run(items[:count], left_s)
            while (now := perf_counter()) < end:
                lane.run(items[:count], left_s - goal_s + end - now)
    except OSError as error:
        return GilWait(unknown=f"it could not be watched: {error}")
    except OutOfTime:
        return GilWait(unknown=f"the budget of {budget_s:.3g} s ended while it was watched")
    return gil_wait(watched.summary(), threads)


def gil_wait(summary: Summary, threads: Collection[int]) -> GilWait:
    """What a watch says of the threads (native ids) that run a lane's items."""
    rows = [row for row in summary.threads if row.native_id in threads and row.seen_s > 0]
    if not rows:
        return GilWait(watched_s=summary.wall_s, unknown="its threads were not seen")
    waited_s = 0.0
    for row in rows:
        if row.gil_wait_share is None:
            return GilWait(watched_s=summary.wall_s, unknown=row.unknown["gil_wait_share"])
        waited_s += row.gil_wait_share * row.seen_s
    share = waited_s / sum(row.seen_s for row in rows)
    return GilWait(share=share, held_by=_held_by(summary, threads), watched_s=summary.wall_s)


def _held_by(summary: Summary, threads: Collection[int]) -> dict[str, float]:
    """Who had it meanwhile -> the share of the waiting, the longest first."""
    waits: dict[str, float] = defaultdict(float)
    for starved in (row for gil in summary.gils for row in gil.starved if row.waiter_id in threads):
        waits[_holder(starved, threads)] += starved.wait_s
    all_s = sum(waits.values())
    return {name: wait_s / all_s for name, wait_s in sorted(waits.items(), key=lambda row: -row[1]) if all_s > 0}


def _holder(starved: Starved, threads: Collection[int]) -> str:
    return WORKERS if starved.holder_id in threads else starved.holder
