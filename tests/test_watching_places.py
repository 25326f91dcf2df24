"""Lines of Python in which threads stand: taken, mapped to kernel threads, bounded in memory and in cost."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from threads_support import LONG_S, hold_gil, started, until

import conc
from conc import _core, kernels
from conc.watching import places
from conc.watching.places import Look, PlaceSampler, Taken, as_places, look_here
from conc.watching.records import RawThread


def wait_for(event: threading.Event) -> None:
    event.wait()


@contextmanager
def waiting(count: int = 1) -> Iterator[list[threading.Thread]]:
    """Threads that have come to wait in wait_for()."""
    event = threading.Event()
    threads = [threading.Thread(target=wait_for, args=(event,)) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        event.set()
        for thread in threads:
            thread.join()


def functions(native_id: int | None, depth: int = 32) -> list[str]:
    found = dict(_core.thread_places(depth)[2]).get(native_id or 0, ())
    return [function for _, _, function in found]


def thread(tid: int, begin_ns: int, end_ns: int | None, process: int = 0) -> RawThread:
    return RawThread(process, tid, "t", begin_ns, end_ns, False, None, None, None, None)


def test_each_thread_is_where_it_waits() -> None:
    with waiting(3) as threads:
        for one in threads:
            until(lambda one=one: functions(one.native_id)[:1] == ["Condition.wait"], "it waits")
            stack = dict(_core.thread_places(32)[2])[one.native_id]
            assert [function for _, _, function in stack][1:3] == ["Event.wait", "wait_for"]
            assert stack[2][0] == __file__
            assert stack[2][1] == wait_for.__code__.co_firstlineno + 1


def test_the_caller_is_left_out() -> None:
    assert threading.get_native_id() not in dict(_core.thread_places(1)[2])


def test_a_worker_of_a_pool_that_threading_does_not_know_is_found() -> None:
    import _thread

    told: list[int] = []
    lock, done = _thread.allocate_lock(), threading.Event()
    lock.acquire()

    def stand() -> None:
        told.append(threading.get_native_id())
        with lock:
            done.set()

    _thread.start_new_thread(stand, ())
    try:
        until(lambda: told and functions(told[0])[:1] == [stand.__qualname__], "it waits for the lock")
    finally:
        lock.release()
        done.wait(LONG_S)


@pytest.mark.parametrize("depth", [1, 2])
def test_no_more_lines_than_were_asked_for(depth: int) -> None:
    with waiting() as [one]:
        until(lambda: functions(one.native_id)[:1] == ["Condition.wait"], "it waits")
        assert functions(one.native_id, depth) == ["Condition.wait", "Event.wait"][:depth]


@pytest.mark.parametrize("depth", [0, -1, 1001])
def test_a_depth_out_of_range_is_refused(depth: int) -> None:
    with pytest.raises(ValueError, match=f"depth must be 1 to 1000, not {depth}"):
        _core.thread_places(depth)


def test_objects_end_in_their_own_threads_however_often_one_looks() -> None:
    ended_in: set[int] = set()

    class Local:
        def __del__(self) -> None:
            ended_in.add(threading.get_ident())

    stop = threading.Event()

    def make() -> None:
        while not stop.is_set():
            local = Local()
            assert local

    def make_in_frames() -> None:
        while not stop.is_set():
            make_one()

    def make_one() -> object:
        local = [Local()]
        return len(local)

    makers = [started(make), started(make_in_frames)]
    thresholds = gc.get_threshold()
    gc.set_threshold(1)
    try:
        until(lambda: len(ended_in) == len(makers), "both have made and dropped some")
        for _ in range(200):
            _core.thread_places(8)
            os.sched_yield()  # lets the others have the GIL
    finally:
        gc.set_threshold(*thresholds)
        stop.set()
        for maker in makers:
            maker.join()
    assert ended_in == {maker.ident for maker in makers}


def test_a_look_keeps_nothing_alive() -> None:
    class Local:
        pass

    seen: list[weakref.ref[Local]] = []
    inside, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        local = Local()
        seen.append(weakref.ref(local))
        inside.set()
        go_on.wait()

    holder = started(hold)
    inside.wait()
    found = _core.thread_places(32)
    go_on.set()
    holder.join()
    assert found[2]
    assert seen[0]() is None


def test_a_sampler_sees_a_waiting_thread_again_and_again() -> None:
    with waiting() as [one]:
        sampler = PlaceSampler(look_here(), 0.001)
        sampler.start()
        until(lambda: len(sampler._rounds) >= 3, "it has looked three times")
        looks, cost_ns, _ = sampler.stop()
    of_one = [look for look in looks if look.native_id == one.native_id]
    assert len(of_one) >= 3
    assert [look.time_ns for look in of_one] == sorted(look.time_ns for look in of_one)
    assert of_one[-1].stack is of_one[-2].stack  # kept once
    assert cost_ns > 0
    assert sampler.stop().looks == looks
    assert places.THREAD_NAME not in [other.name for other in threading.enumerate()]


def test_one_that_was_not_started_can_be_stopped() -> None:
    assert PlaceSampler(look_here()).stop() == ((), 0, ())


def test_it_ends_although_the_gil_was_held_for_long() -> None:
    sampler = PlaceSampler(look_here(), 0.001)
    sampler.start()
    holder = threading.Thread(target=hold_gil, args=(0.3,))
    holder.start()
    sampler.stop()
    holder.join()
    assert not sampler._thread.is_alive()


def test_looks_that_cost_much_become_rare() -> None:
    sampler = PlaceSampler(lambda: Taken(1, 50_000_000, []), 0.01)
    sampler._look()
    assert sampler._period_s >= 5.0  # 50 ms are a hundredth of it
    _, cost_ns, notes = sampler.stop()
    assert cost_ns >= 50_000_000
    assert [note for note in notes if "since each look takes long" in note]


def test_memory_is_bounded() -> None:
    count = iter(range(10_000))

    def fake() -> Taken:
        now = next(count)
        return Taken(now, 0, [(7, (("file", now, "f"),))])

    sampler = PlaceSampler(fake, 1e6, limit=100)
    for _ in range(1000):
        sampler._look()
        assert sampler._count <= 100
        assert len(sampler._stacks) <= 101
    looks, cost_ns, notes = sampler.stop()
    assert looks[-1].time_ns == 999
    assert cost_ns == 0  # nobody was stopped for it
    assert "to keep the memory bounded" in notes[0]


@pytest.mark.parametrize("error", [MemoryError, OSError, RuntimeError])
def test_a_look_that_fails_is_one_look_less(error: type[Exception]) -> None:
    calls: list[int] = []

    def fake() -> Taken:
        calls.append(1)
        if len(calls) == 1:
            raise error
        return Taken(1, 0, [(7, (("file", 1, "f"),))])

    sampler = PlaceSampler(fake, 0.001)
    sampler.start()
    until(lambda: len(calls) > 2, "it looks on")
    looks, _, notes = sampler.stop()
    assert looks
    assert "1 looks at lines of Python failed" in notes


def test_a_thread_that_found_no_memory_to_begin_with_is_noted() -> None:
    sampler = PlaceSampler(look_here(), 0.001)
    sampler._thread = conc.Thread(target=pow, args=(2, 10))  # it never comes to look
    sampler.start()
    assert "1 looks at lines of Python failed" in sampler.stop().notes
    assert "1 looks at lines of Python failed" in sampler.stop().notes


def test_where_cpython_would_crash_none_are_taken_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "gil_status", lambda: SimpleNamespace(own_gil=True))
    monkeypatch.setattr(places._core, "interpreter_id", lambda: 1)
    monkeypatch.setattr(places.sys, "version_info", (3, 12, 1))
    with pytest.raises(ValueError, match=r"no lines of Python can be seen: CPython 3\.12 crashes"):
        look_here()
    monkeypatch.setattr(places._core, "interpreter_id", lambda: 0)
    assert look_here()().places is not None


def test_threads_that_run_meanwhile_are_looked_at_in_whole_frames() -> None:
    over = threading.Event()

    def deepen(depth: int) -> int:
        return depth and 1 + deepen(depth - 1)

    def run() -> None:
        while not over.is_set():
            deepen(40)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for one in threads:
        one.start()
    for _ in range(200):
        found = dict(_core.thread_places(64)[2])
        for one in threads:
            names = [name for _, _, name in found.get(one.native_id or 0, ())]
            ours = [name.rpartition("<locals>.")[2] for name in names if "<locals>." in name]
            assert ours in ([], ["deepen"] * (len(ours) - 1) + ["run"]), names
    over.set()
    for one in threads:
        one.join()


def test_an_id_that_was_given_anew_means_who_had_it_then() -> None:
    threads = [thread(5, 0, 100), thread(6, 0, None), thread(5, 200, None), thread(5, 0, None, process=1)]
    stack = (("file", 1, "f"),)
    looks = [Look(when, tid, stack) for when, tid in [(300, 5), (50, 5), (100, 5), (150, 5), (10, 6), (10, 7)]]
    found = [(place.time_ns, place.thread) for place in as_places(looks, threads)]
    assert found == [(10, 1), (50, 0), (100, 0), (150, 2), (300, 2)]
    assert [place.thread for place in as_places(looks, threads, process=1)] == [3, 3, 3, 3]


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 3), st.integers(0, 50)), max_size=8),
    st.lists(st.tuples(st.integers(0, 120), st.integers(1, 4)), max_size=8),
)
def test_a_place_is_never_given_to_a_thread_that_had_ended(
    lives: list[tuple[int, int, int]], looks: list[tuple[int, int]]
) -> None:
    threads = [thread(tid, begin, begin + length) for begin, tid, length in lives]
    for place in as_places([Look(when, tid, ()) for when, tid in looks], threads):
        end_ns = threads[place.thread].end_ns
        assert end_ns is not None
        assert place.time_ns <= end_ns
        assert (place.time_ns, threads[place.thread].tid) in looks


def test_a_native_thread_has_no_lines() -> None:
    spinning = started(kernels.sleep, LONG_S)
    try:
        until(lambda: spinning.native_id is not None, "it has begun")
        assert functions(spinning.native_id) == []
    finally:
        spinning.stop()
        spinning.join()
