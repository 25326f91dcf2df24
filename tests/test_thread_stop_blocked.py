"""Thread.stop() of a thread that waits: what it says of calls of others, and that conc's own waits end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from threads_support import LONG_S, PATIENT_S, Gate, check_stopped, started, until

import conc
from conc import ThreadEnd, ThreadStopped, kernels


def test_blocked_in_a_sleep() -> None:
    thread = started(time.sleep, 0.5)
    until(lambda: thread._syscall() == "clock_nanosleep", "it sleeps")
    report = thread.stop(0)
    assert (report.ended, report.blocked_in, report.reason) == (False, "clock_nanosleep", None)
    assert "/proc/self/task" in report.source
    thread.join()


def test_blocked_in_a_read() -> None:
    reader, writer = os.pipe()
    thread = started(os.read, reader, 1)
    until(lambda: thread._syscall() == "read", "it reads")
    report = thread.stop(0.001)
    assert (report.ended, report.blocked_in) == (False, "read")
    os.write(writer, b"x")
    thread.join()
    assert thread.result() == b"x"
    assert thread.ended_by is ThreadEnd.RETURNED
    os.close(reader)
    os.close(writer)


def test_blocked_in_a_lock() -> None:
    gate = Gate()
    thread = started(gate)
    gate.inside.wait()
    until(lambda: thread.state is conc.ThreadState.NOT_RUNNING, "it waits at the gate")
    report = thread.stop(0)
    assert not report.ended
    assert report.blocked_in in ("futex", "futex_wait")
    gate.go_on.set()
    thread.join()
    check_stopped(thread)  # it comes when the wait is over


def test_it_runs_on_under_a_shield() -> None:
    inside, over = threading.Event(), threading.Event()

    def target() -> None:
        with conc.shield():
            while not over.is_set():
                inside.set()

    thread = started(target)
    inside.wait()
    reasons = set()
    until(lambda: reasons.add(thread.stop(0).reason) or "it runs" in reasons, "seen while it runs")
    over.set()
    thread.join()


# -- conc's own waits end -------------------------------------------------------------------------------------------


def sleeping() -> conc.Thread:
    """A thread that others wait for."""
    return started(kernels.sleep, LONG_S)


@contextmanager
def pending_future() -> Iterator[conc.Future[Any]]:
    """A future whose task runs while the block does."""
    gate = Gate()
    with conc.ThreadPoolExecutor(1) as pool:
        yield pool.submit(gate)
        gate.go_on.set()


def wait_in(target: Callable[[], object]) -> conc.Thread:
    """A thread that has come to its wait."""
    thread = started(target)
    until(lambda: thread.ident is not None and thread._syscall() is not None, "it waits")
    return thread


@pytest.mark.parametrize("wait", ["join", "result", "exception"])
def test_a_wait_for_a_thread_ends(wait: str) -> None:
    other = sleeping()
    thread = wait_in(getattr(other, wait))
    assert thread.stop(PATIENT_S).ended
    check_stopped(thread)
    assert other.is_alive()
    assert other.stop(PATIENT_S).ended


@pytest.mark.parametrize("wait", ["result", "exception"])
def test_a_wait_for_a_future_ends(wait: str) -> None:
    with pending_future() as future:
        thread = wait_in(getattr(future, wait))
        assert thread.stop(PATIENT_S).ended
        check_stopped(thread)
        assert not future.done()


def test_a_wait_for_a_map_ends() -> None:
    gate = Gate()
    with conc.ThreadPoolExecutor(1) as pool:
        thread = wait_in(lambda: list(pool.map(lambda _: gate(), range(2))))
        assert thread.stop(PATIENT_S).ended
        check_stopped(thread)
        gate.go_on.set()


def test_a_wait_for_a_child_process_ends() -> None:
    with conc.spawn(["sleep", str(LONG_S)]) as child:
        thread = wait_in(child.wait)
        assert thread.stop(PATIENT_S).ended
        check_stopped(thread)
        child.kill()


def test_those_who_wait_for_the_same_thread_go_on_waiting() -> None:
    """One waits at the thread itself, the others for that one's turn: each may be the one that is stopped."""
    other = sleeping()
    threads = [wait_in(other.join) for _ in range(4)]
    for thread in threads[:3]:
        assert thread.stop(PATIENT_S).ended
        check_stopped(thread)
    assert threads[3].is_alive()
    assert other.stop(PATIENT_S).ended
    threads[3].join()
    assert threads[3].ended_by is ThreadEnd.RETURNED


def test_a_wait_that_is_stopped_can_be_begun_again() -> None:
    other, begun, ends = sleeping(), [], []

    def target() -> None:
        for turn in range(3):
            try:
                begun.append(turn)
                other.join()
            except ThreadStopped:
                ends.append(turn)

    thread = started(target)
    for turn in range(3):
        until(lambda turn=turn: turn in begun, "it is about to wait")  # type: ignore[misc]
        thread.stop(0)
        until(lambda turn=turn: turn in ends, "the wait ends")  # type: ignore[misc]
    thread.join()
    assert thread.ended_by is ThreadEnd.RETURNED
    assert other.stop(PATIENT_S).ended


def test_a_wait_under_a_shield_goes_on() -> None:
    other, after, inside = sleeping(), [], threading.Event()

    def target() -> None:
        with conc.shield():
            inside.set()
            other.join()
            after.append("waited to the end")

    thread = started(target)
    inside.wait()
    assert not thread.stop(0.01).ended
    assert other.stop(PATIENT_S).ended
    thread.join()
    check_stopped(thread)
    assert after == ["waited to the end"]


def test_a_request_alone_ends_no_wait() -> None:
    other = sleeping()
    thread = wait_in(other.join)
    report = thread.stop(0.01, grace=None)
    assert not report.ended
    assert other.stop(PATIENT_S).ended
    thread.join()
    assert thread.ended_by is ThreadEnd.RETURNED
