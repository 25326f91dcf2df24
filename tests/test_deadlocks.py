"""The deadlocks that conc.stall_guard proves, and what is none.

Threads in a deadlock can be taken out of it in one case only; the others are tests/isolated/deadlock.py.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from threads_support import HAS_GIL

import conc
from conc import _core
from conc.watching.deadlocks import Wait, cycles_of
from conc.watching.lock_waits import LockPlans, rlock_owner, rlock_waited_for

LIMIT_S = 0.05
PATIENCE_S = 60

reads_frames = pytest.mark.skipif(not HAS_GIL, reason="frames of other threads are not read without the GIL")


class Knot:
    """Locks that threads wait for."""

    def __init__(self) -> None:
        self.first = threading.RLock()
        self.condition = threading.Condition(self.first)


def locks_by_with(knot: Knot) -> None:
    with knot.first:
        pass


def locks_by_acquire(knot: Knot) -> None:
    knot.first.acquire()
    knot.first.release()


def locks_by_condition(knot: Knot) -> None:
    with knot.condition:
        pass


def locks_by_local(knot: Knot) -> None:
    lock = knot.first
    with lock:
        pass


@contextmanager
def held_by_another(lock: Any) -> Iterator[int]:
    """Another thread holds `lock` for as long as the block runs: its identifier."""
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            go_on.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        assert thread.ident is not None
        yield thread.ident
    finally:
        go_on.set()
        thread.join()


@reads_frames
@pytest.mark.parametrize("take", [locks_by_with, locks_by_acquire, locks_by_condition, locks_by_local])
def test_the_lock_that_a_frame_waits_for(take: Callable[[Knot], None]) -> None:
    knot, plans = Knot(), LockPlans()
    with held_by_another(knot.first) as holder:
        thread = threading.Thread(target=take, args=(knot,))
        thread.start()
        assert thread.ident is not None
        found = None
        end = time.monotonic() + PATIENCE_S
        while found is None and time.monotonic() < end:
            found = rlock_waited_for(_core.other_frames()[thread.ident], plans)
            time.sleep(0)
        assert found is knot.first
        assert rlock_owner(found) == holder
    thread.join()
    assert rlock_owner(knot.first) is None


def frame_of_a_property() -> Any:
    return sys._getframe()


def test_a_frame_that_waits_for_no_lock() -> None:
    assert rlock_waited_for(frame_of_a_property(), LockPlans()) is None


def wait(waiter: int, holder: int) -> Wait:
    return Wait(waiter, holder, "thread", holder, 0, 0, listed=True)


@given(st.dictionaries(st.integers(0, 12), st.integers(0, 12)))
def test_all_cycles_are_found_and_nothing_else(holders: dict[int, int]) -> None:
    cycles = cycles_of({waiter: wait(waiter, holder) for waiter, holder in holders.items()})
    members = [each.waiter for cycle in cycles for each in cycle]
    assert len(members) == len(set(members))
    for cycle in cycles:
        assert cycle[0].waiter == min(each.waiter for each in cycle)
        for each, following in zip(cycle, (*cycle[1:], cycle[0]), strict=True):
            assert each.holder == following.waiter

    def returns(start: int) -> bool:
        at = holders.get(start)
        for _ in holders:
            if at == start:
                return True
            at = None if at is None else holders.get(at)
        return False

    assert set(members) == {start for start in holders if returns(start)}


class Told:
    """A guard with deadlocks alone, and what it tells."""

    def __init__(self, file: Path) -> None:
        self.queue: queue.Queue[conc.StallReport] = queue.Queue()
        self.guard = conc.stall_guard(LIMIT_S, file=file, callback=self.queue.put)

    def next_deadlock(self) -> conc.StallReport:
        while (report := self.queue.get(timeout=PATIENCE_S)).kind != "deadlock":
            pass
        return report


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    told = Told(tmp_path / "stalls.txt")
    with told.guard:
        yield told


def until_over(told: Told) -> float:
    """The duration of the one deadlock, once it is known."""
    while True:
        durations = [report.duration_s for report in told.guard.stalls if report.kind == "deadlock"]
        if durations and durations[0] is not None:
            return durations[0]
        time.sleep(LIMIT_S / 10)


def test_tasks_that_wait_for_each_others_results(told: Told) -> None:
    """Of two pools, so that no further worker could help."""
    futures: dict[str, conc.Future[Any]] = {}
    ready = threading.Barrier(3)

    def run(other: str) -> Any:
        ready.wait()
        return futures[other].result()

    pools = [conc.ThreadPoolExecutor(1), conc.ThreadPoolExecutor(1)]
    futures["a"] = pools[0].submit(run, "b")
    futures["b"] = pools[1].submit(run, "a")
    ready.wait()
    report = told.next_deadlock()
    assert len(report.waits) == 2
    assert all("waits for the future at" in line for line in report.waits)
    futures["a"].set_result(None)  # by brute force
    for pool in pools:
        pool.shutdown()
    assert until_over(told) > 0


def test_no_deadlock_in_what_waits_for_others(told: Told) -> None:
    """An idle server: workers that wait for work, in every way there is; and waits that end by themselves."""
    work: queue.Queue[None] = queue.Queue()
    go_on, started = threading.Event(), threading.Event()
    condition = threading.Condition()
    plain = threading.Lock()
    semaphore = threading.Semaphore(0)
    slow = conc.Thread(target=go_on.wait)
    slow.start()
    pool = conc.ThreadPoolExecutor(2)
    task = pool.submit(go_on.wait)

    def on_condition() -> None:
        with condition:
            condition.wait_for(go_on.is_set)

    def on_plain() -> None:
        with plain:
            pass

    def on_each_other(own: int) -> None:
        started.wait()
        while not go_on.is_set():
            couple[1 - own].join(0.01)

    targets: list[Callable[[], object]] = [
        *(on_condition, on_plain, work.get, semaphore.acquire, go_on.wait, slow.join, slow.result, task.result),
    ]
    plain.acquire()
    threads = [threading.Thread(target=target) for target in targets * 3]
    couple = [conc.Thread(target=on_each_other, args=(own,)) for own in (0, 1)]
    for thread in [*threads, *couple]:
        thread.start()
    started.set()
    looks = told.guard._watch.deadlocks  # type: ignore[union-attr]
    assert looks is not None
    seen = [0]
    real = looks.look

    def counted(*args: Any) -> Any:
        seen[0] += 1
        return real(*args)

    looks.look = counted  # type: ignore[method-assign]
    while seen[0] < 10:
        time.sleep(LIMIT_S)
    looks.look = real  # type: ignore[method-assign]
    assert [report for report in told.guard.stalls if report.kind == "deadlock"] == []
    go_on.set()
    plain.release()
    with condition:
        condition.notify_all()
    for _ in range(3):
        work.put(None)
        semaphore.release()
    for thread in [*threads, *couple, slow]:
        thread.join()
    pool.shutdown()


def test_not_looked_for_when_not_wanted(tmp_path: Path) -> None:
    with conc.stall_guard(LIMIT_S, file=tmp_path / "file", deadlocks=False) as guard:
        assert guard._watch is not None
        assert guard._watch.deadlocks is None
        time.sleep(3 * LIMIT_S)
    assert guard.stalls == ()
