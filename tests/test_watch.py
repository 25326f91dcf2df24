"""conc.watch(): programs whose states are known, as a watch sees them."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import resource
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from threads_support import HAS_GIL, until
from watch_support import lifetime_ns, share, thread_named, times, waited_share, waiting

import conc
from conc import kernels
from conc.watching import names as watching_names
from conc.watching import own
from conc.watching.records import RawProcess, RawTimeline, Reason, State

WATCHED_S = 0.3
OURSELVES = RawProcess(pid=os.getpid(), name="tests", gil=HAS_GIL)


@contextlib.contextmanager
def computing(count: int) -> Iterator[None]:
    """So many threads named "busy 0" and on, in Python code all the while."""
    over = threading.Event()
    inside = [threading.Event() for _ in range(count)]

    def compute(index: int) -> None:
        inside[index].set()
        while not over.is_set():
            pass

    threads = [threading.Thread(target=compute, args=(index,), name=f"busy {index}") for index in range(count)]
    for thread in threads:
        thread.start()
    try:
        for event in inside:
            event.wait()
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def check_whole(raw: RawTimeline) -> None:
    """Segments are in order, and whole for each thread; totals are its whole time."""
    assert list(raw.segments.begin_ns) == sorted(raw.segments.begin_ns)
    ends = [thread.begin_ns for thread in raw.threads]
    for begin, end, thread in zip(raw.segments.begin_ns, raw.segments.end_ns, raw.segments.thread, strict=True):
        assert ends[thread] == begin < end
        ends[thread] = end
    for index, thread in enumerate(raw.threads):
        life = lifetime_ns(raw, thread)
        spent = sum(times(raw, index).values())
        assert spent <= life + 1e9
        if thread.end_ns is None:
            assert ends[index] == thread.begin_ns + spent
    assert raw.begin_ns <= raw.end_ns
    assert raw.rates[0] == (raw.begin_ns, raw.interval_ns)


# -- states and reasons ------------------------------------------------------------------------------------------------


def test_what_threads_wait_for() -> None:
    lock, event = threading.Lock(), threading.Event()
    lock.acquire()
    ours, theirs = socket.socketpair()
    read_end, write_end = os.pipe()
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, read_end)
        stack.callback(os.close, write_end)
        stack.enter_context(ours)
        stack.enter_context(theirs)
        for name, target, argument, end in (
            ("receives", ours.recv, 1, lambda: theirs.send(b"x")),
            ("reads", lambda size: os.read(read_end, size), 1, lambda: os.write(write_end, b"x")),
            ("locks", lambda _: lock.acquire(), 0, lock.release),
            ("waits", event.wait, 60, event.set),
            ("sleeps", lambda _: [time.sleep(0.05) for _ in iter(event.is_set, True)], 0, event.set),
        ):
            stack.enter_context(waiting(name, target, argument, end=end))
        with conc.watch() as watched:
            time.sleep(WATCHED_S)
    raw = watched.raw
    check_whole(raw)
    assert waited_share(raw, "receives", Reason.SOCKET) > 0.9
    assert waited_share(raw, "reads", Reason.PIPE) > 0.9
    assert waited_share(raw, "locks", Reason.FUTEX) > 0.9
    assert waited_share(raw, "waits", Reason.FUTEX) > 0.9
    assert waited_share(raw, "sleeps", Reason.SLEEP) > 0.9
    assert waited_share(raw, "MainThread", Reason.SLEEP) > 0.8
    calls = {
        raw.syscalls[call]: descriptor
        for thread, call, descriptor in zip(
            raw.segments.thread, raw.segments.syscall, raw.segments.descriptor, strict=True
        )
        if raw.threads[thread].name in ("receives", "reads") and call >= 0
    }
    assert calls["read"] == read_end
    assert {"recvfrom", "read"} <= set(calls)


def test_conc_says_what_its_own_threads_wait_for() -> None:
    sleeper = conc.Thread(target=kernels.sleep, args=(60,), name="in a kernel")
    sleeper.start()
    with conc.ThreadPoolExecutor(1, thread_name_prefix="worker") as pool:
        pool.submit(int).result()
        with waiting("joins", sleeper.join, end=sleeper.stop), conc.watch() as watched:
            time.sleep(WATCHED_S)
    raw = watched.raw
    assert waited_share(raw, "in a kernel", Reason.SLEEP) > 0.9
    assert waited_share(raw, "joins", Reason.JOIN) > 0.9
    [worker] = [thread.name for thread in raw.threads if thread.name.startswith("worker")]
    assert waited_share(raw, worker, Reason.IDLE) > 0.9


def test_a_thread_without_the_gil_runs_and_waits_for_no_gil() -> None:
    native = conc.Thread(target=kernels.spin, args=(WATCHED_S,), name="native")
    with conc.watch() as watched:
        native.start()
        native.join()
    raw = watched.raw
    assert share(raw, "native", State.RUNNING, State.RUNNABLE) > 0.8
    assert share(raw, "native", Reason.GIL) == 0
    cpu_ns = raw.threads[thread_named(raw, "native")].cpu_ns
    assert cpu_ns is not None
    running_ns = times(raw, thread_named(raw, "native"))[State.RUNNING, Reason.NONE]
    assert 0.5 * cpu_ns < running_ns < 1.1 * cpu_ns  # what it ran before it was first seen is in its CPU time alone


# -- the GIL -----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not HAS_GIL, reason="this interpreter has no GIL")
@pytest.mark.parametrize("count", [2, 4])
def test_threads_that_compute_wait_for_each_other(count: int) -> None:
    with computing(count), conc.watch() as watched:
        time.sleep(3 * WATCHED_S)
    raw = watched.raw
    assert "gil" not in raw.unknown
    assert raw.processes[0].gil is True
    names = [f"busy {index}" for index in range(count)]
    expected = (count - 1) / count
    waited = sum(share(raw, name, Reason.GIL) for name in names) / count
    off_cpu = sum(share(raw, name, Reason.GIL, State.RUNNABLE) for name in names) / count
    # On a busy machine some of the wait is one for a CPU: by who was given the GIL, and by who has it.
    assert waited - 0.1 < expected < off_cpu + 0.1
    busy = {thread_named(raw, name) for name in names}
    held = dict(zip(raw.held.thread, raw.held.held_ns, strict=True))
    assert sum(held[index] for index in busy) > 0.9 * sum(held.values())
    # Between two holders there may be nobody, until the next one is given a CPU.
    rows = zip(raw.waits.waiter, raw.waits.holder, raw.waits.wait_ns, strict=True)
    known = [(waiter, holder, ns) for waiter, holder, ns in rows if holder >= 0]
    by_busy = sum(ns for waiter, holder, ns in known if waiter in busy and holder in busy)
    assert by_busy > 0.75 * sum(ns for _, _, ns in known) > 0  # the main thread waits at the beginning and the end
    for index in busy:
        asked = times(raw, index).get((State.NOT_RUNNING, Reason.GIL), 0)
        told = sum(ns for who, ns in zip(raw.waits.waiter, raw.waits.wait_ns, strict=True) if who == index)
        assert asked == told, "totals and waits are the same time"
    assert len(set(raw.held.interpreter)) == 1


@pytest.mark.skipif(not HAS_GIL, reason="this interpreter has no GIL")
def test_a_holder_that_sleeps_is_named() -> None:
    import ctypes

    usleep = ctypes.PyDLL(None).usleep  # it does not let go of the GIL

    def hold() -> None:
        for _ in range(20):
            usleep(10_000)

    holder = threading.Thread(target=hold, name="holds")
    with computing(1), conc.watch() as watched:
        holder.start()
        holder.join()
    raw = watched.raw
    index = thread_named(raw, "holds")
    rows = {thread: row for row, thread in enumerate(raw.held.thread)}
    held_ns, blocked_ns = raw.held.held_ns[rows[index]], raw.held.blocked_ns[rows[index]]
    assert held_ns > 0.8 * 0.2e9
    assert blocked_ns > 0.8 * held_ns
    assert raw.held.longest_ns[rows[index]] > 0.7 * 0.01e9
    blocked = {thread for thread, is_blocked in zip(raw.holds.thread, raw.holds.blocked, strict=True) if is_blocked}
    assert index in blocked
    waiter = thread_named(raw, "busy 0")
    pairs = {
        (waiter, holder): ns
        for waiter, holder, ns in zip(raw.waits.waiter, raw.waits.holder, raw.waits.wait_ns, strict=True)
    }
    assert pairs[waiter, index] > 0.6 * held_ns
    assert list(raw.holds.begin_ns) == sorted(raw.holds.begin_ns)


@pytest.mark.skipif(HAS_GIL, reason="this interpreter has a GIL")
def test_without_a_gil_nobody_waits_for_one() -> None:
    with computing(2), conc.watch() as watched:
        time.sleep(WATCHED_S)
    raw = watched.raw
    assert raw.processes[0].gil is False
    assert len(raw.holds.begin_ns) == len(raw.waits.waiter) == len(raw.held.thread) == 0
    for name in ("busy 0", "busy 1"):
        assert share(raw, name, Reason.GIL) == 0
        assert share(raw, name, State.RUNNING, State.RUNNABLE) > 0.8


# -- threads that come and go ------------------------------------------------------------------------------------------


def test_threads_that_come_and_go_keep_their_names() -> None:
    before = resource.getrusage(resource.RUSAGE_THREAD)
    with conc.watch() as watched:
        within = resource.getrusage(resource.RUSAGE_THREAD)
        for index in range(20):
            thread = threading.Thread(target=time.sleep, args=(0.01,), name=f"brief {index}")
            thread.start()
            thread.join()
        at_its_end = resource.getrusage(resource.RUSAGE_THREAD)
    after = resource.getrusage(resource.RUSAGE_THREAD)
    raw = watched.raw
    check_whole(raw)
    brief = [thread for thread in raw.threads if thread.name.startswith("brief ")]
    assert len({thread.name for thread in brief}) == len(brief) >= 8
    for thread in brief:
        assert not thread.born_before
        assert thread.is_python
    for thread in brief[:-1]:  # the last may be joined and not yet gone
        assert thread.end_ns is not None
        assert raw.begin_ns <= thread.begin_ns <= thread.end_ns <= raw.end_ns
    main = raw.threads[thread_named(raw, "MainThread")]
    assert main.born_before
    assert main.end_ns is None
    # not 20 for sure: a free-threaded CPython yields its CPU where it waits, which counts as involuntary
    assert main.voluntary is not None
    assert at_its_end.ru_nvcsw - within.ru_nvcsw <= main.voluntary <= after.ru_nvcsw - before.ru_nvcsw
    assert main.involuntary is not None
    assert at_its_end.ru_nivcsw - within.ru_nivcsw <= main.involuntary <= after.ru_nivcsw - before.ru_nivcsw
    assert main.voluntary + main.involuntary > 0
    assert main.run_delay_ns is None or main.run_delay_ns >= 0


def test_nothing_of_threading_stays_wrapped() -> None:
    before = threading.Thread.__dict__["_set_native_id"]
    with conc.watch(interval=0.01), conc.watch(interval=0.01):
        assert threading.Thread.__dict__["_set_native_id"] is not before
    assert threading.Thread.__dict__["_set_native_id"] is before
    with conc.watch(interval=0.01):
        wrapper = threading.Thread.__dict__["_set_native_id"]
        threading.Thread._set_native_id = lambda self: wrapper(self)  # type: ignore[attr-defined]
    with conc.watch(interval=0.01) as watched:
        thread = threading.Thread(target=time.sleep, args=(0.05,), name="twice wrapped")
        thread.start()
        thread.join()
    threading.Thread._set_native_id = before  # type: ignore[attr-defined]
    assert thread_named(watched.raw, "twice wrapped") > 0
    assert not watching_names._wrapped._wanted


def test_an_id_that_is_given_anew_has_the_names_since_then() -> None:
    names = watching_names.ThreadNames()

    class Named:
        ident = 7
        native_id = 7

        def __init__(self, name: str) -> None:
            self.name = name

    def note(time_ns: int, name: str, begins: bool = True) -> None:
        names.note(Named(name), time_ns, begins=begins)  # type: ignore[arg-type]

    note(10, "first")
    note(12, "renamed", begins=False)
    note(30, "too short to be seen")
    note(40, "second")
    note(60, "third")
    assert names.take_name(7, 9, 20) == "renamed"  # seen before it said its name
    assert names.take_name(7, 41, 61) == "second"  # missed after the next one had begun
    assert names.take_name(7, 62, 80) == "third"
    assert names.take_name(7, 81, 90) is None
    assert names.take_name(8, 0, 40) is None


@pytest.mark.slow
def test_ten_thousand_threads() -> None:
    gate = threading.Event()
    threads = [conc.Thread(target=kernels.sleep, args=(600,)) for _ in range(10_000)]
    try:
        for thread in threads:
            thread.start()
    except RuntimeError as error:
        for thread in threads:
            if thread.ident is not None:
                thread.stop(0)
        pytest.skip(f"this system gives no 10,000 threads: {error}")
    descriptors = len(os.listdir("/proc/self/fd"))
    with conc.watch() as watched:
        gate.wait(3)
        assert len(os.listdir("/proc/self/fd")) < descriptors + 1100
    for thread in threads:
        thread.stop(0)
    for thread in threads:
        thread.join()
    raw = watched.raw
    assert len(raw.threads) >= 10_000
    assert raw.rates[-1][1] > raw.interval_ns
    assert any("an eighth of a CPU" in note for note in raw.notes)
    asleep = sum(
        ns
        for state, reason, ns in zip(raw.totals.state, raw.totals.reason, raw.totals.ns, strict=True)
        if (state, reason) == (State.NOT_RUNNING, Reason.SLEEP)
    )
    assert asleep > 0.9 * sum(raw.totals.ns)


# -- the watch itself --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interval", [0, -1.0, math.nan, math.inf, 3601])
def test_intervals_that_are_none(interval: float) -> None:
    with pytest.raises(ValueError, match="interval must be above 0") as caught:
        conc.watch(interval=interval)
    assert repr(interval) in str(caught.value)


@pytest.mark.parametrize("interval", ["1", None, True, 1j, [1]])
def test_intervals_that_are_no_numbers(interval: object) -> None:
    with pytest.raises(TypeError, match="interval must be a number") as caught:
        conc.watch(interval=interval)  # type: ignore[arg-type]
    assert repr(interval) in str(caught.value)


def test_a_watch_is_a_timeline_when_it_has_ended() -> None:
    watch = conc.watch(interval=0.01)
    with pytest.raises(RuntimeError, match="when its block has ended"):
        _ = watch.raw
    with watch as watched:
        assert watched is watch
        with pytest.raises(RuntimeError, match="when its block has ended"):
            _ = watch.raw
    assert watch.raw.interval_ns == 10_000_000
    with pytest.raises(RuntimeError, match="has begun before"):
        watch.__enter__()
    assert watch.raw is watched.raw


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_a_watch_whose_end_fails_is_lost_and_over(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: own.OwnProcess) -> NoReturn:
        raise error

    watch = conc.watch(interval=0.001, where=True, children=True)
    monkeypatch.setattr(own.OwnProcess, "stop", stop)
    with pytest.raises(error), watch:
        pass
    monkeypatch.undo()
    assert repr(watch) == "<conc.Watch every 1 ms: lost>"
    with pytest.raises(RuntimeError, match="what this watch saw is lost"):
        _ = watch.raw
    with pytest.raises(RuntimeError, match="has begun before"):
        watch.__enter__()
    until(lambda: not {"conc-children", "conc-places"} & native_names(), "what looked has ended")
    assert not watching_names._wrapped._wanted


def native_names() -> set[str]:
    names = set()
    for comm in Path("/proc/self/task").glob("*/comm"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            names.add(comm.read_text().strip())
    return names


def test_an_exception_passes_through() -> None:
    with pytest.raises(KeyError, match="mine"), conc.watch() as watched:
        raise KeyError("mine")
    assert watched.raw.ticks >= 0


def test_watches_may_be_nested_and_overlap() -> None:
    first, second = conc.watch(interval=0.002), conc.watch(interval=0.001)
    with first:
        second.__enter__()
        time.sleep(0.1)
    time.sleep(0.1)
    second.__exit__(None, None, None)
    assert first.raw.interval_ns == 2_000_000
    assert second.raw.interval_ns == 1_000_000
    assert first.raw.begin_ns < second.raw.begin_ns < first.raw.end_ns < second.raw.end_ns
    for raw in (first.raw, second.raw):
        check_whole(raw)
        assert waited_share(raw, "MainThread", Reason.SLEEP) > 0.5
        assert [thread.name for thread in raw.threads].count("conc-watch") == 1, "the other one's, and not its own"


def test_a_watch_that_is_dropped_is_over() -> None:
    def samplers() -> int:
        found = 0
        for tid in os.listdir("/proc/self/task"):
            with contextlib.suppress(FileNotFoundError), open(f"/proc/self/task/{tid}/comm", encoding="utf-8") as file:
                found += file.read() == "conc-watch\n"
        return found

    watch = conc.watch()
    watch.__enter__()
    assert samplers() == 1
    del watch
    gc.collect()
    assert samplers() == 0


def test_one_thread_ends_a_watch() -> None:
    watch = conc.watch()
    watch.__enter__()
    enders = [threading.Thread(target=watch.__exit__, args=(None, None, None)) for _ in range(8)]
    for thread in enders:
        thread.start()
    for thread in enders:
        thread.join()
    assert watch.raw.end_ns >= watch.raw.begin_ns


def test_a_long_watch_is_thinned_and_says_so() -> None:
    with conc.watch(interval=0.0005) as plain:
        time.sleep(0.05)
    assert plain.raw.resolution_ns == plain.raw.interval_ns
    layout = conc._core.gil_layout()
    watcher = conc._core.Watcher(200_000, [], 64, layout if isinstance(layout, bytes) else None, 64)
    for _ in range(1500):
        time.sleep(0.0005)
        sum(range(10_000))
    watcher.stop()
    from conc.watching import reading

    raw = reading.timeline_of(watcher.take(), watching_names.ThreadNames(), OURSELVES, {}, 1)
    check_whole(raw)
    assert len(raw.segments.begin_ns) <= 64
    assert raw.resolution_ns > raw.interval_ns
    assert any("thinned" in note for note in raw.notes)
    assert sum(raw.totals.ns) > 0.9 * (raw.end_ns - raw.begin_ns)


class GilCounter:
    """A thread that has the GIL whenever somebody gives it up, and lets go of it at once; how often that was."""

    def __init__(self) -> None:
        self.turns = 0
        self._over = False
        self._thread = threading.Thread(target=self._count, name="counter")

    def _count(self) -> None:
        while not self._over:
            self.turns += 1
            time.sleep(0)

    def __enter__(self) -> GilCounter:
        self._interval_s = sys.getswitchinterval()
        sys.setswitchinterval(100.0)  # nobody is asked to give it up
        self._thread.start()
        while self.turns == 0:
            time.sleep(0)
        return self

    def __exit__(self, *error: object) -> None:
        self._over = True
        self._thread.join()
        sys.setswitchinterval(self._interval_s)


@pytest.mark.skipif(not HAS_GIL, reason="there is nothing to give up")
def test_a_watch_begins_and_ends_without_giving_up_the_gil() -> None:
    """Beside n threads in Python code it would have it back after n switch intervals. Where its thread gets no CPU for
    5 ms it gives it up all the same, and one that is given up may not be taken: so most watches are held to it.
    """
    with conc.watch():
        pass  # all that it needs is imported
    kept_at_begin = kept_at_end = 0
    with GilCounter() as counter:
        for _ in range(50):
            watch = conc.watch()
            before = counter.turns
            watch.__enter__()
            kept_at_begin += counter.turns == before
            time.sleep(0.002)
            before = counter.turns
            watch.__exit__(None, None, None)
            kept_at_end += counter.turns == before
    assert kept_at_begin > 25
    assert kept_at_end > 25


def test_several_threads_that_ask_get_the_same_timeline() -> None:
    with conc.watch() as watched:
        time.sleep(0.01)
    asked = threading.Barrier(4)
    found: list[RawTimeline] = []

    def ask() -> None:
        asked.wait()
        found.append(watched.raw)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(raw is watched.raw for raw in found)
    assert "MainThread" in {thread.name for thread in watched.raw.threads}


def test_what_the_core_refuses() -> None:
    watcher_type = conc._core.Watcher
    with pytest.raises(ValueError, match="interval_ns must be above 0, not 0"):
        watcher_type(0, [], 1)
    with pytest.raises(TypeError, match="tids must be a sequence"):
        watcher_type(1, 7, 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        watcher_type(1, ["x"], 1)  # type: ignore[list-item]
    with pytest.raises(ValueError, match="GIL layout has"):
        watcher_type(1, [], 1, b"short")
    watcher = watcher_type(1_000_000, [], 16)
    assert watcher.ended is False
    with pytest.raises(RuntimeError, match=r"stop\(\) it before take"):
        watcher.take()
    watcher.stop()
    watcher.stop()
    assert watcher.ended is True
    assert watcher.take()["ticks"] >= 0


def test_what_is_not_known_has_a_reason() -> None:
    from conc.watching import reading

    watcher = conc._core.Watcher(1_000_000, [], 16)
    watcher.stop()
    taken = watcher.take()
    taken["failures"] = dict.fromkeys(taken["failures"], 13)
    taken["late_ticks"] = taken["ticks"] = 100
    taken["threads_left_out"] = taken["waits_merged"] = 1
    raw = reading.timeline_of(taken, watching_names.ThreadNames(), OURSELVES, {"gil": "no layout"}, 1)
    # A thread of a test before this one may end meanwhile, and its CPU time with it.
    assert set(raw.unknown) - {"cpu_ns"} == set(taken["failures"])
    assert raw.unknown["gil"] == "no layout"
    assert all("EACCES" in reason for what, reason in raw.unknown.items() if what != "gil")
    assert len(raw.notes) == 3
