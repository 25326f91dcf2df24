"""Timelines of several processes as one, and a timeline without some of its threads."""

from __future__ import annotations

from array import array
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conc.watching.merging import merge, without
from conc.watching.records import (
    Held,
    Holds,
    Place,
    RawProcess,
    RawThread,
    RawTimeline,
    Reason,
    Segments,
    State,
    Totals,
    Waits,
)

pytestmark = pytest.mark.once  # plain Python


def timeline(pid: int, tids: list[int], at_ns: int = 0, **changes: object) -> RawTimeline:
    """Each thread waits for the GIL from `at_ns` on, as many nanoseconds as its id says; the first holds it."""
    count = len(tids)
    raw = RawTimeline(
        begin_ns=at_ns,
        end_ns=at_ns + 1000,
        begin_unix_ns=0,
        interval_ns=1,
        rates=((at_ns, 1),),
        ticks=10,
        late_ticks=0,
        cost_cpu_ns=7,
        resolution_ns=pid,
        processes=(RawProcess(pid, f"p{pid}", True, "3.13.0"),),
        threads=tuple(RawThread(0, tid, f"t{tid}", at_ns, None, True, 1, 2, 3, 4) for tid in tids),
        segments=Segments(
            begin_ns=[at_ns] * count,
            end_ns=[at_ns + tid for tid in tids],
            thread=list(range(count)),
            state=[State.NOT_RUNNING] * count,
            reason=[Reason.GIL] * count,
            cpu=[-1] * count,
            syscall=[-1] * count,
            descriptor=[-1] * count,
        ),
        holds=Holds([at_ns], [at_ns + 1], [0], [0 if count else -1], [0]),
        held=Held([0 if count else -1], [0], [5], [2], [3]),
        waits=Waits(list(range(count)), [0] * count, [0] * count, tids),
        totals=Totals(list(range(count)), [State.NOT_RUNNING] * count, [Reason.GIL] * count, tids),
        syscalls={1: "write"},
    )
    return replace(raw, **changes)  # type: ignore[arg-type]


def waits_by_tid(raw: RawTimeline) -> dict[tuple[int, int], int]:
    """(process id, thread id) -> how long it waited."""
    found: dict[tuple[int, int], int] = {}
    for waiter, ns in zip(raw.waits.waiter, raw.waits.wait_ns, strict=True):
        thread = raw.threads[waiter]
        key = (raw.processes[thread.process].pid, thread.tid)
        found[key] = found.get(key, 0) + ns
    return found


def test_one_alone_stays_as_it_is() -> None:
    raw = timeline(1, [5, 6])
    assert merge(raw, []) is raw


def test_threads_and_processes_are_numbered_anew() -> None:
    first, second = timeline(1, [5, 6], at_ns=100), timeline(2, [5, 9], at_ns=50)
    raw = merge(first, [second])
    assert [process.pid for process in raw.processes] == [1, 2]
    assert [(thread.process, thread.tid) for thread in raw.threads] == [(0, 5), (0, 6), (1, 5), (1, 9)]
    assert waits_by_tid(raw) == {(1, 5): 5, (1, 6): 6, (2, 5): 5, (2, 9): 9}
    assert list(raw.segments.thread) == [2, 3, 0, 1]  # in the order of time
    assert list(raw.segments.begin_ns) == [50, 50, 100, 100]
    assert list(raw.holds.thread) == [2, 0]
    assert list(raw.held.thread) == [0, 2]
    assert list(raw.waits.holder) == [0, 0, 2, 2]
    assert (raw.cost_cpu_ns, raw.resolution_ns, raw.begin_ns, raw.ticks) == (14, 2, 100, 10)


def test_what_is_not_known_stays_so() -> None:
    raw = merge(timeline(1, [5]), [replace(timeline(2, []), holds=Holds([0], [1], [0], [-1], [0]))])
    assert list(raw.holds.thread) == [0, -1]


def test_places_are_in_the_order_of_time() -> None:
    stack = (("f", 1, "g"),)
    first = timeline(1, [5], places=(Place(10, 0, stack), Place(30, 0, stack)))
    second = timeline(2, [6], places=(Place(20, 0, stack),))
    assert [(place.time_ns, place.thread) for place in merge(first, [second]).places] == [(10, 0), (20, 1), (30, 0)]


def test_reasons_and_notes_say_whose_they_are() -> None:
    first = timeline(1, [5], unknown={"status": "everywhere"}, notes=("own",))
    second = timeline(2, [6], unknown={"status": "everywhere", "gil": "no CPython"}, notes=("late",))
    third = timeline(3, [7], unknown={"status": "everywhere", "gil": "no CPython"}, notes=("late",))
    raw = merge(first, [second, third])
    assert raw.unknown == {"status": "everywhere", "gil": "process 2 (p2) and 1 more: no CPython"}
    assert raw.notes == ("own", "process 2 (p2) and 1 more: late")


def test_without_a_thread_nothing_of_it_is_left() -> None:
    raw = without(timeline(1, [5, 6, 7], places=(Place(1, 0, ()), Place(2, 2, ()))), {5})
    assert [thread.tid for thread in raw.threads] == [6, 7]
    assert waits_by_tid(raw) == {(1, 6): 6, (1, 7): 7}
    assert list(raw.segments.thread) == [0, 1]
    assert list(raw.waits.holder) == [-1, -1]
    assert list(raw.holds.thread) == [-1]
    assert list(raw.held.held_ns) == [5]
    assert [place.thread for place in raw.places] == [1]
    assert isinstance(raw.segments.begin_ns, array)


def test_without_none_it_is_the_same() -> None:
    raw = timeline(1, [5, 6])
    assert without(raw, {7}) is raw
    assert without(raw, set()) is raw


@given(
    st.lists(st.lists(st.integers(1, 9), max_size=4, unique=True), min_size=1, max_size=4),
    st.sets(st.integers(1, 9)),
)
def test_waits_are_neither_lost_nor_given_to_others(tids: list[list[int]], gone: set[int]) -> None:
    raws = [timeline(pid, own, at_ns=pid * 7 % 5) for pid, own in enumerate(tids, 1)]
    merged = merge(raws[0], raws[1:])
    expected = {(pid, tid): tid for pid, own in enumerate(tids, 1) for tid in own}
    assert waits_by_tid(merged) == expected
    assert list(merged.segments.begin_ns) == sorted(merged.segments.begin_ns)
    left = without(merged, gone)
    assert waits_by_tid(left) == {key: ns for key, ns in expected.items() if key[1] not in gone}
