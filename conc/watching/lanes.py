"""Time cut into columns, for pictures: a lane has as many parts as there are columns, however many its segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from conc.watching.gil_account import hold_rows
from conc.watching.kinds import KIND_OF, Kind
from conc.watching.records import RawTimeline, Reason, State

KINDS = len(Kind)


@dataclass(frozen=True, slots=True)
class Lane:
    """One thread in columns. Flat tables of ns: ``by_kind[column * KINDS + kind]``, ``held[column]``."""

    thread: int
    by_kind: list[int]
    held: list[int]

    def busiest(self, column: int) -> Kind | None:
        """What the thread did for the longest part of a column; None: it was not there."""
        times = self.by_kind[column * KINDS : (column + 1) * KINDS]
        most = max(times)
        return Kind(times.index(most)) if most else None


@dataclass(frozen=True, slots=True)
class LockLane:
    """One interpreter's lock in columns, in ns: held at all, and by somebody who sat in a system call."""

    process: int
    interpreter: int
    held: list[int]
    blocked: list[int]


@dataclass(frozen=True, slots=True)
class Grid:
    """A span of time in columns of equal length."""

    begin_ns: int
    end_ns: int
    columns: int

    def column_ns(self) -> float:
        """How long one column lasts."""
        return max(self.end_ns - self.begin_ns, 1) / self.columns

    def spread(self, sums: list[int], stride: int, offset: int, begin_ns: int, end_ns: int) -> None:
        """Add a span's time to the columns that it lies in."""
        begin, end = max(begin_ns, self.begin_ns), min(end_ns, self.end_ns)
        if end <= begin:
            return
        width = self.column_ns()
        first = min(int((begin - self.begin_ns) / width), self.columns - 1)
        last = min(int((end - self.begin_ns) / width), self.columns - 1)
        if first == last:
            sums[first * stride + offset] += end - begin
            return
        at = begin
        for column in range(first, last + 1):
            until = end if column == last else round(self.begin_ns + (column + 1) * width)
            if until > at:
                sums[column * stride + offset] += until - at
                at = until


def whole(raw: RawTimeline, columns: int) -> Grid:
    """All of a watch."""
    return Grid(raw.begin_ns, max(raw.end_ns, raw.begin_ns + 1), columns)


def thread_lanes(raw: RawTimeline, threads: Sequence[int], grid: Grid) -> list[Lane]:
    """The lanes of some threads, in their order."""
    lanes = {thread: Lane(thread, [0] * (grid.columns * KINDS), [0] * grid.columns) for thread in threads}
    columns = raw.segments
    for begin, end, thread, state, reason in zip(
        columns.begin_ns, columns.end_ns, columns.thread, columns.state, columns.reason, strict=True
    ):
        lane = lanes.get(thread)
        kind = KIND_OF[state][reason]
        if lane is not None and kind is not None:
            grid.spread(lane.by_kind, KINDS, kind, begin, end)
    for _, (begin, end, thread), _ in hold_rows(raw):
        lane = lanes.get(thread)
        if lane is not None:
            grid.spread(lane.held, 1, 0, begin, end)
    return [lanes[thread] for thread in threads]


def lock_lanes(raw: RawTimeline, grid: Grid) -> list[LockLane]:
    """One for each lock that was seen to be held."""
    lanes: dict[tuple[int, int], LockLane] = {}
    for key, (begin, end, _), blocked in hold_rows(raw):
        lane = lanes.get(key)
        if lane is None:
            lane = lanes[key] = LockLane(*key, held=[0] * grid.columns, blocked=[0] * grid.columns)
        grid.spread(lane.held, 1, 0, begin, end)
        if blocked:
            grid.spread(lane.blocked, 1, 0, begin, end)
    return [lanes[key] for key in sorted(lanes)]


def chosen(raw: RawTimeline, most: int) -> list[int]:
    """The threads to show, process by process: of too many the `most` that ran, could run or wanted a GIL longest.

    Raises:
        ValueError: most < 1
    """
    if most < 1:
        raise ValueError(f"a picture of {most} threads shows nothing: at least 1")
    everybody = range(len(raw.threads))
    shown: Sequence[int] = everybody
    if len(everybody) > most:
        awake = [0] * len(everybody)
        totals = raw.totals
        for thread, state, reason, ns in zip(totals.thread, totals.state, totals.reason, totals.ns, strict=True):
            if state in (State.RUNNABLE, State.RUNNING) or reason == Reason.GIL:
                awake[thread] += ns
        shown = sorted(everybody, key=lambda thread: -awake[thread])[:most]
    return sorted(shown, key=lambda thread: (raw.threads[thread].process, thread))
