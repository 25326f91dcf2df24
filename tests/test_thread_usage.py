"""Thread.usage: before, during and after a life, with the reason for what is not known."""

from __future__ import annotations

import threading
import time

import pytest
from threads_support import HAS_GIL, LONG_S, Gate, held, hold_gil, started, until

import conc
from conc import kernels
from conc.usage import Usage

TIMES = ("wall_s", "user_s", "system_s", "run_delay_s", "gil_wait_s")
COUNTS = ("voluntary", "involuntary", "minor_faults", "major_faults")
FIELDS = (*TIMES, *COUNTS, "max_rss_bytes")

KINDS = pytest.mark.parametrize("kernel", [False, True], ids=["python", "kernel"])


def check_shape(usage: Usage) -> None:
    """What is known has the type of its unit and is not negative; what is not has a reason."""
    for name in TIMES:
        value = getattr(usage, name)
        assert value is None or (isinstance(value, float) and value >= 0), name
    for name in COUNTS:
        value = getattr(usage, name)
        assert value is None or (isinstance(value, int) and value >= 0), name
    assert set(usage.unknown) == {name for name in FIELDS if getattr(usage, name) is None}
    assert all(usage.unknown.values())
    assert usage.unknown["max_rss_bytes"]


@KINDS
def test_before_the_start_nothing_is_known(kernel: bool) -> None:
    usage = conc.Thread(target=kernels.sleep if kernel else int, args=(0,)).usage
    check_shape(usage)
    assert usage.unknown == dict.fromkeys(FIELDS, "the thread was not started")
    assert usage.cpu_s is None


@KINDS
def test_while_it_lives(kernel: bool) -> None:
    with held(kernel) as thread:
        until(lambda: (thread.usage.voluntary or 0) > 0, "the thread sleeps")
        first, second = thread.usage, thread.usage
    for usage in (first, second):
        check_shape(usage)
        assert set(usage.unknown) == {"max_rss_bytes"}
        assert "/proc/self/task" in usage.source
    for name in (*TIMES, *COUNTS):
        assert getattr(first, name) <= getattr(second, name), name


@KINDS
def test_after_its_end_it_stays_as_it_was(kernel: bool) -> None:
    before = time.monotonic()
    thread = started(kernels.spin if kernel else lambda seconds: [kernels.sleep(seconds)], 0.02)
    thread.join()
    lived = time.monotonic() - before
    usage = thread.usage
    check_shape(usage)
    assert set(usage.unknown) == {"max_rss_bytes"}  # it lived more than 1 ms, so that the run delay is known
    assert usage.wall_s is not None
    assert 0.02 <= usage.wall_s <= lived
    if kernel:
        assert usage.cpu_s is not None
        assert 0 < usage.cpu_s <= usage.wall_s + 0.02  # CPU time is counted in ticks on some kernels
    else:
        assert (usage.voluntary or 0) >= 1
    kernels.sleep(0.002)
    assert thread.usage == usage


def test_a_short_life_has_no_run_delay_and_says_so() -> None:
    for _ in range(1000):
        thread = started(int)
        thread.join()
        usage = thread.usage
        check_shape(usage)
        assert usage.wall_s is not None
        assert ("run_delay_s" in usage.unknown) == (usage.wall_s < 1e-3)
        if "run_delay_s" in usage.unknown:
            assert "less than 1 ms" in usage.unknown["run_delay_s"]
            return
    pytest.skip("no thread of a thousand lived less than 1 ms on this machine")


def test_computing_is_user_time_and_waiting_is_not() -> None:
    computing, waiting = started(kernels.spin, 0.05), started(kernels.sleep, 0.05)
    computing.join()
    waiting.join()
    assert (computing.usage.cpu_s or 0) > 10 * (waiting.usage.cpu_s or 0)


def test_its_faults_are_its_own() -> None:
    pages = 500

    def touch() -> None:
        import mmap

        with mmap.mmap(-1, pages * mmap.PAGESIZE) as area:
            for page in range(pages):
                area[page * mmap.PAGESIZE] = 1

    touching = started(touch)
    touching.join()
    with held() as idle:
        idle_faults = idle.usage.minor_faults
    assert touching.usage.minor_faults is not None
    assert idle_faults is not None
    assert touching.usage.minor_faults >= pages // 2 + idle_faults  # huge pages save some


@pytest.mark.skipif(not HAS_GIL, reason="there is no GIL to wait for")
def test_the_wait_for_the_gil_at_the_begin_is_exact() -> None:
    """The GIL is held in C from before the thread can attach until after: it waits all that time, and no longer."""
    begun_s: list[float] = []
    thread = conc.Thread(target=lambda: begun_s.append(time.monotonic()))
    held_before = time.monotonic()
    thread.start()
    hold_gil(0.2)
    thread.join()
    usage = thread.usage
    if begun_s[0] - held_before < 0.2:
        pytest.skip("the thread had begun before the GIL was held")
    assert usage.gil_wait_s is not None
    assert usage.wall_s is not None
    assert 0.15 <= usage.gil_wait_s <= begun_s[0] - held_before
    assert usage.gil_wait_s <= usage.wall_s


@pytest.mark.skipif(not HAS_GIL, reason="there is no GIL to wait for")
def test_the_wait_for_the_gil_after_a_kernel_counts() -> None:
    def wait_s() -> float:
        """How long it is said to have waited for the GIL that is held when its kernel ends."""
        inside = threading.Event()
        came_back_s: list[float] = []

        def target() -> None:
            inside.set()
            kernels.sleep(0.05)
            came_back_s.append(time.monotonic())

        thread = started(target)
        inside.wait()
        until(lambda: thread._syscall() is not None or bool(came_back_s), "it sleeps in the kernel's function")
        held_s, before = time.monotonic(), thread.usage.gil_wait_s
        hold_gil(0.3)
        thread.join()
        after = thread.usage.gil_wait_s
        assert before is not None
        assert after is not None
        assert after - before <= max(came_back_s[0] - held_s, 0.0)
        return after - before

    # on a busy machine the kernel may have ended before the GIL is held, or late
    assert any(wait_s() >= 0.2 for _ in range(20))


def test_a_kernel_waits_for_no_gil() -> None:
    thread = started(kernels.sleep, 0.01)
    hold_gil(0.05)
    thread.join()
    assert thread.usage.gil_wait_s == 0.0


def test_usage_of_the_calling_thread() -> None:
    usage = started(lambda: threading.current_thread().usage).result()  # type: ignore[attr-defined]
    check_shape(usage)
    assert set(usage.unknown) == {"max_rss_bytes"}


def test_usage_is_a_record() -> None:
    thread = started(int)
    thread.join()
    told = thread.usage.to_dict()
    assert set(FIELDS) <= set(told)
    assert told["wall_s"] == thread.usage.wall_s


def test_states_in_a_life() -> None:
    gate = Gate()
    thread = conc.Thread(target=gate)
    states = [thread.state]
    thread.start()
    gate.inside.wait()
    until(lambda: thread.state is conc.ThreadState.NOT_RUNNING, "it waits at the gate")
    gate.go_on.set()
    thread.join()
    states.append(thread.state)
    assert states == [None, conc.ThreadState.ENDED]


def test_a_computing_kernel_has_cpu_time_while_it_runs() -> None:
    thread = started(kernels.spin, LONG_S)
    try:
        until(lambda: (thread.usage.user_s or 0) > 0, "CPU time of a kernel that computes")
    finally:
        assert thread.stop(10).ended
