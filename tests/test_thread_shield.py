"""conc.shield(): what stop() asks for meanwhile comes when the outermost one ends."""

from __future__ import annotations

import threading

from threads_support import LONG_S, PATIENT_S, check_stopped, loop_for_ever, started

import conc
from conc import ThreadEnd, ThreadStopped, kernels


def test_a_shield_holds_it_back_to_its_end() -> None:
    inside, go_on = threading.Event(), threading.Event()
    done: list[str] = []

    def target() -> None:
        with conc.shield():
            inside.set()
            go_on.wait()
            for _ in range(10_000):
                pass
            done.append("shielded" if conc.stop_requested() else "not told")
        done.append("not here")

    thread = started(target)
    inside.wait()
    report = thread.stop(0)
    assert not report.ended
    go_on.set()
    thread.join()
    check_stopped(thread)
    assert done == ["shielded"]


def test_shields_nest() -> None:
    inside, asked = threading.Event(), threading.Event()
    done: list[str] = []

    def target() -> None:
        with conc.shield():
            with conc.shield():
                inside.set()
                asked.wait()
            for _ in range(10_000):
                pass
            with conc.shield(), conc.shield():
                done.append("still shielded")
            done.append("and still")
        done.append("not here")

    thread = started(target)
    inside.wait()
    thread._interrupt()
    asked.set()
    thread.join()
    check_stopped(thread)
    assert done == ["still shielded", "and still"]


def test_a_kernel_under_a_shield_runs_to_its_end() -> None:
    inside = threading.Event()
    done: list[str] = []

    def target() -> None:
        with conc.shield():
            inside.set()
            kernels.sleep(0.1)
            done.append("slept")
        kernels.sleep(LONG_S)

    thread = started(target)
    inside.wait()
    thread.stop(0)
    thread.join()
    check_stopped(thread)
    assert done == ["slept"]


def test_a_shield_left_by_an_exception() -> None:
    """Held back while another exception is on its way, it comes when the shield has gone; that one is its context."""
    inside, asked = threading.Event(), threading.Event()

    def target() -> None:
        try:
            with conc.shield():
                inside.set()
                asked.wait()
                raise KeyError("in the shield")
        except KeyError:
            for _ in range(10_000):
                pass

    thread = started(target)
    inside.wait()
    thread._interrupt()
    asked.set()
    thread.join()
    check_stopped(thread)
    error = thread.exception()
    assert error is not None
    assert isinstance(error.__context__, KeyError)


def test_a_shield_entered_after_it_came_gives_it_once() -> None:
    """A cleanup under a shield is not followed by a second exception."""
    inside = threading.Event()
    done: list[str] = []

    def target() -> str:
        try:
            loop_for_ever(inside)
        except ThreadStopped:
            with conc.shield():
                done.append("cleaned up")
            for _ in range(10_000):
                pass
            done.append("went on")
        return "by itself"

    thread = started(target)
    inside.wait()
    assert thread.stop(PATIENT_S).ended
    assert (thread.result(), thread.ended_by) == ("by itself", ThreadEnd.RETURNED)
    assert done == ["cleaned up", "went on"]


def test_a_shield_can_be_used_again_and_by_anyone() -> None:
    guard = conc.shield()
    with guard, guard:
        pass
    pool = conc.ThreadPoolExecutor(1)
    with pool:
        assert pool.submit(guarded).result() == "done"
    other = threading.Thread(target=guarded)
    other.start()
    other.join()


def guarded() -> str:
    with conc.shield():
        return "done"


def test_a_return_out_of_a_shield_is_stopped_at_its_end() -> None:
    inside, asked = threading.Event(), threading.Event()

    def target() -> str:
        with conc.shield():
            inside.set()
            asked.wait()
            return "to the end of the shield"

    thread = started(target)
    inside.wait()
    thread._interrupt()
    asked.set()
    thread.join()
    check_stopped(thread)
