"""What a thread on a futex waits for, told from its Python stack."""

from __future__ import annotations

import concurrent.futures
import multiprocessing.pool
import os
import queue
import threading
from array import array
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from threads_support import HAS_GIL, until

from conc import _core
from conc.watching.records import (
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
from conc.watching.wait_rules import Stack, reason_of, refine

LIBRARY = os.path.dirname(threading.__file__)
OWN = ("/home/me/work.py", 3, "work")


def library(name: str, function: str) -> tuple[str, int, str]:
    return (f"{LIBRARY}/{name}", 1, function)


WAIT = library("threading.py", "Condition.wait")

TABLE: list[tuple[list[tuple[str, int, str]], str, Reason]] = [
    ([], "", Reason.FUTEX),
    ([OWN], "", Reason.FUTEX),
    ([WAIT, OWN], "", Reason.CONDITION),
    ([WAIT, library("threading.py", "Event.wait"), OWN], "", Reason.CONDITION),
    ([WAIT, library("queue.py", "Queue.get"), OWN], "", Reason.CONDITION),
    ([WAIT, library("concurrent/futures/_base.py", "Future.result"), OWN], "", Reason.JOIN),
    ([WAIT, library("threading.py", "Event.wait"), library("concurrent/futures/_base.py", "wait")], "", Reason.JOIN),
    ([WAIT, OWN, library("concurrent/futures/_base.py", "Future.result")], "", Reason.CONDITION),
    ([library("threading.py", "Thread._wait_for_tstate_lock"), OWN], "", Reason.JOIN),
    ([library("threading.py", "Thread.join"), OWN], "", Reason.JOIN),
    ([library("concurrent/futures/thread.py", "_worker")], "", Reason.IDLE),
    ([("/home/me/threading.py", 1, "Condition.wait")], "", Reason.FUTEX),
    ([OWN], "    with self._lock:\n", Reason.LOCK),
    ([OWN], "    if lock.acquire(timeout=3):\n", Reason.LOCK),
    ([OWN], "    item = simple.get()\n", Reason.CONDITION),
    ([OWN], "    thread.join()\n", Reason.JOIN),
    ([OWN], "    return future.result(3)\n", Reason.JOIN),
    ([OWN], "    total += numpy.dot(a, b)\n", Reason.FUTEX),
    ([OWN], "    withhold(acquired)\n", Reason.FUTEX),
    ([OWN], "    lock.acquire(); thread.join()\n", Reason.FUTEX),
]


@pytest.mark.parametrize(("stack", "text", "expected"), TABLE)
def test_each_rule(stack: Stack, text: str, expected: Reason) -> None:
    assert reason_of(stack, lambda file, line: text if (file, line) == OWN[:2] else "") is expected


def wait_on_condition(condition: threading.Condition) -> None:
    with condition:
        condition.wait()


@pytest.mark.skipif(not HAS_GIL, reason="without a GIL lines of Python are not taken")
def test_real_waits_of_the_standard_library_are_known() -> None:
    lock, condition, event = threading.Lock(), threading.Condition(), threading.Event()
    items: queue.Queue[None] = queue.Queue()
    simple: queue.SimpleQueue[None] = queue.SimpleQueue()
    promise: concurrent.futures.Future[None] = concurrent.futures.Future()
    target = threading.Thread(target=event.wait)
    target.start()
    lock.acquire()

    def take_lock() -> None:
        with lock:
            pass

    def take_item() -> None:
        simple.get()

    waits: list[tuple[Callable[..., Any], tuple[Any, ...], Reason]] = [
        (take_lock, (), Reason.LOCK),
        (wait_on_condition, (condition,), Reason.CONDITION),
        (items.get, (), Reason.CONDITION),
        (take_item, (), Reason.CONDITION),
        (target.join, (), Reason.JOIN),
        (promise.result, (), Reason.JOIN),
    ]
    threads = [threading.Thread(target=function, args=args) for function, args, _ in waits]
    for thread in threads:
        thread.start()

    def told(thread: threading.Thread) -> Reason:
        return reason_of(dict(_core.thread_places(16)[2]).get(thread.native_id or 0, ()))

    try:
        for thread, (function, _, expected) in zip(threads, waits, strict=True):
            until(lambda thread=thread, expected=expected: told(thread) is expected, f"{function} is {expected.name}")
    finally:
        lock.release()
        with condition:
            condition.notify_all()
        event.set()
        items.put(None)
        simple.put(None)
        promise.set_result(None)
        for thread in (*threads, target):
            thread.join()


@pytest.mark.skipif(not HAS_GIL, reason="without a GIL lines of Python are not taken")
@pytest.mark.main_interpreter("daemon threads")
def test_workers_of_the_standard_library_are_idle() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool, multiprocessing.pool.ThreadPool(1) as other:
        tids = [pool.submit(threading.get_native_id).result(), other.apply(threading.get_native_id)]

        def told() -> list[Reason]:
            stacks = dict(_core.thread_places(16)[2])
            return [reason_of(stacks.get(tid, ())) for tid in tids]

        until(lambda: told() == [Reason.IDLE, Reason.IDLE], "both have nothing to do")


def timeline(rows: list[tuple[int, int, int, State, Reason]], totals: Totals, places: list[Place]) -> RawTimeline:
    """`rows`: (begin, end, thread, state, reason)."""
    count = len(rows)
    threads = max((row[2] for row in rows), default=0) + 1
    return RawTimeline(
        begin_ns=0,
        end_ns=1000,
        begin_unix_ns=0,
        interval_ns=1,
        rates=((0, 1),),
        ticks=1000,
        late_ticks=0,
        cost_cpu_ns=0,
        resolution_ns=1,
        processes=(RawProcess(1, "p", True),),
        threads=tuple(RawThread(0, tid, "t", 0, None, True, None, None, None, None) for tid in range(threads)),
        segments=Segments(
            begin_ns=[row[0] for row in rows],
            end_ns=[row[1] for row in rows],
            thread=[row[2] for row in rows],
            state=[row[3] for row in rows],
            reason=array("B", [row[4] for row in rows]),
            cpu=[-1] * count,
            syscall=[-1] * count,
            descriptor=[-1] * count,
        ),
        holds=Holds([], [], [], [], []),
        waits=Waits([], [], [], []),
        totals=totals,
        places=tuple(places),
    )


def sums(rows: list[tuple[int, int, int, State, Reason]]) -> Totals:
    return Totals(
        thread=[row[2] for row in rows],
        state=[row[3] for row in rows],
        reason=[row[4] for row in rows],
        ns=[row[1] - row[0] for row in rows],
    )


def by_reason(totals: Totals) -> dict[tuple[int, int], int]:
    return {(totals.thread[row], totals.reason[row]): ns for row, ns in enumerate(totals.ns)}


def test_the_whole_of_a_wait_takes_the_reason_of_a_place_in_it() -> None:
    rows = [
        (0, 100, 0, State.NOT_RUNNING, Reason.FUTEX),
        (100, 150, 0, State.RUNNING, Reason.NONE),
        (150, 400, 0, State.NOT_RUNNING, Reason.FUTEX),
        (400, 500, 0, State.NOT_RUNNING, Reason.GIL),
    ]
    places = [Place(120, 0, (WAIT,)), Place(200, 0, (WAIT,)), Place(300, 0, (WAIT,)), Place(450, 0, (WAIT,))]
    raw = refine(timeline(rows, sums(rows), places))
    assert list(raw.segments.reason) == [Reason.FUTEX, Reason.NONE, Reason.CONDITION, Reason.GIL]
    assert by_reason(raw.totals) == {
        (0, Reason.FUTEX): 100,
        (0, Reason.NONE): 50,
        (0, Reason.CONDITION): 250,
        (0, Reason.GIL): 100,
    }


def test_places_that_disagree_say_nothing() -> None:
    rows = [(0, 100, 0, State.NOT_RUNNING, Reason.FUTEX)]
    join = (library("threading.py", "Thread.join"),)
    raw = timeline(rows, sums(rows), [Place(10, 0, (WAIT,)), Place(20, 0, join)])
    assert refine(raw) == raw


def test_no_more_is_moved_than_there_is() -> None:
    rows = [(0, 100, 0, State.NOT_RUNNING, Reason.FUTEX)]
    totals = Totals([0], [State.NOT_RUNNING], [Reason.FUTEX], [60])
    raw = refine(timeline(rows, totals, [Place(10, 0, (WAIT,))]))
    assert by_reason(raw.totals) == {(0, Reason.CONDITION): 60}


STATES = st.sampled_from(
    [(State.NOT_RUNNING, Reason.FUTEX), (State.NOT_RUNNING, Reason.GIL), (State.RUNNING, Reason.NONE)]
)


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(0, 2), STATES), max_size=20),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 2), st.booleans()), max_size=20),
)
def test_time_is_neither_lost_nor_made(
    lengths: list[tuple[int, int, tuple[State, Reason]]], looks: list[tuple[int, int, bool]]
) -> None:
    ends: dict[int, int] = {}
    rows = []
    for length, thread, (state, reason) in lengths:
        begin = ends.get(thread, 0)
        ends[thread] = begin + length
        rows.append((begin, begin + length, thread, state, reason))
    rows.sort()
    places = [
        Place(when, thread, (WAIT,) if waits else (OWN,)) for when, thread, waits in sorted(looks) if thread in ends
    ]
    before = timeline(rows, sums(rows), places)
    after = refine(before, lambda _file, _line: "")
    assert sum(after.totals.ns) == sum(before.totals.ns)
    for row, (_, _, _, _, reason) in enumerate(rows):
        if reason is not Reason.FUTEX:
            assert after.segments.reason[row] == reason
    whole: dict[tuple[int, int], int] = {}
    for row, (begin, end, thread, _, _) in enumerate(rows):
        key = (thread, int(after.segments.reason[row]))
        whole[key] = whole.get(key, 0) + end - begin
    assert by_reason(after.totals) == whole if rows and after is not before else True


def test_a_place_before_the_first_wait_is_none_of_its() -> None:
    rows = [(50, 100, 0, State.NOT_RUNNING, Reason.FUTEX)]
    raw = timeline(rows, sums(rows), [Place(49, 0, (WAIT,)), Place(100, 0, (WAIT,))])
    assert refine(raw) == raw
