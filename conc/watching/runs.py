"""What threads did and who held each GIL, for a page to zoom into: so many runs at most, however many segments.

Where there are too many, runs shorter than a resolution become one that tells the share of each kind in it; the
resolution grows until they fit. What lasted longer stays exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from conc.watching.gil_account import hold_rows
from conc.watching.kinds import KIND_OF, Kind, doing
from conc.watching.records import RawTimeline

HELD, BLOCKED = len(Kind), len(Kind) + 1
"""Kinds of a GIL's runs, beside those of threads."""

PARTS = 16
"""A mixture tells its shares in sixteenths, so that there are few different ones."""


@dataclass(frozen=True, slots=True)
class What:
    """What happened in a run.

    Attributes:
        parts: (kind, share in sixteenths); one kind alone in a run that is not a mixture.
        words: for a reader; of a mixture made from the parts.
        holder: of a GIL's run: index of the thread that held it.
    """

    parts: tuple[tuple[int, int], ...]
    words: str = ""
    holder: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One run, in ns since the watch began. `ns_by_kind` is given where it is a mixture."""

    begin_ns: int
    end_ns: int
    what: What
    ns_by_kind: tuple[tuple[int, int], ...] | None = None

    def times(self) -> tuple[tuple[int, int], ...]:
        """(kind, ns) of all that is in it."""
        return self.ns_by_kind or ((self.what.parts[0][0], self.end_ns - self.begin_ns),)


Lanes = list[list[Run]]


def thread_runs(raw: RawTimeline, threads: Sequence[int]) -> Lanes:
    """The runs of some threads, in their order; segments that say the same and touch are one."""
    lanes: dict[int, list[Run]] = {thread: [] for thread in threads}
    whats: dict[tuple[int, ...], What] = {}
    columns = raw.segments
    for begin, end, thread, state, reason, call, descriptor in zip(
        columns.begin_ns,
        columns.end_ns,
        columns.thread,
        columns.state,
        columns.reason,
        columns.syscall,
        columns.descriptor,
        strict=True,
    ):
        kind = KIND_OF[state][reason]
        if thread in lanes and kind is not None and end > begin:
            what = whats.get((state, reason, call, descriptor))
            if what is None:
                words = doing(state, reason) + _in_call(raw, call, descriptor)
                what = whats[state, reason, call, descriptor] = What(((kind, PARTS),), words)
            _append(lanes[thread], begin - raw.begin_ns, end - raw.begin_ns, what)
    return [lanes[thread] for thread in threads]


def lock_runs(raw: RawTimeline, names: Sequence[str]) -> dict[tuple[int, int], list[Run]]:
    """(process, interpreter) -> who held that lock."""
    lanes: dict[tuple[int, int], list[Run]] = defaultdict(list)
    whats: dict[tuple[int, bool], What] = {}
    for key, (begin, end, thread), blocked in hold_rows(raw):
        if end <= begin:
            continue
        what = whats.get((thread, blocked))
        if what is None:
            words = f"held by {names[thread] if thread >= 0 else 'somebody who is not known'}"
            words += ", who sits in a system call" if blocked else ""
            holder = thread if thread >= 0 else None
            what = whats[thread, blocked] = What(((BLOCKED if blocked else HELD, PARTS),), words, holder)
        _append(lanes[key], begin - raw.begin_ns, end - raw.begin_ns, what)
    return dict(sorted(lanes.items()))


def thinned(lanes: Iterable[list[Run]], most: int, wall_ns: int) -> tuple[Lanes, int]:
    """The same in at most `most` runs (or three a lane), and the resolution in ns; 0: nothing was left out."""
    kept = list(lanes)
    resolution = 0
    while (count := sum(map(len, kept))) > max(most, 3 * len(kept)):
        resolution = 2 * resolution if resolution else max(wall_ns * len(kept) // (8 * count), 1)
        kept = [list(_thin(lane, resolution)) for lane in kept]
        if resolution > 2 * wall_ns:
            break
    return kept, resolution


def _append(lane: list[Run], begin: int, end: int, what: What) -> None:
    if lane:
        last = lane[-1]
        begin = max(begin, last.end_ns)
        if last.what is what and last.end_ns == begin:
            lane[-1] = Run(last.begin_ns, max(end, begin), what)
            return
    if end > begin:
        lane.append(Run(begin, end, what))


def _in_call(raw: RawTimeline, call: int, descriptor: int) -> str:
    if call < 0:
        return ""
    where = f", descriptor {descriptor}" if descriptor >= 0 else ""
    return f" ({raw.syscalls.get(call, f'system call {call}')}{where})"


def _thin(lane: Sequence[Run], resolution_ns: int) -> Iterator[Run]:
    short: list[Run] = []
    for run in lane:
        if run.end_ns - run.begin_ns >= resolution_ns:
            yield from _joined(short)
            short = []
            yield run
            continue
        short.append(run)
        if run.end_ns - short[0].begin_ns >= resolution_ns:
            yield from _joined(short)
            short = []
    yield from _joined(short)


def _joined(runs: Sequence[Run]) -> Iterator[Run]:
    if len(runs) < 2:
        yield from runs
        return
    sums: dict[int, int] = defaultdict(int)
    for run in runs:
        for kind, ns in run.times():
            sums[kind] += ns
    span = runs[-1].end_ns - runs[0].begin_ns
    times = tuple(sorted(sums.items()))
    parts = tuple((kind, round(ns * PARTS / span)) for kind, ns in times)
    yield Run(runs[0].begin_ns, runs[-1].end_ns, What(tuple(part for part in parts if part[1])), times)
