"""Thread.stop(): kernels and Python targets, and what a target makes of it."""

from __future__ import annotations

import gc
import operator
import pickle
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from threads_support import LONG_S, PATIENT_S, Gate, check_stopped, held, loop_for_ever, started

import conc
from conc import ThreadEnd, ThreadStopped, kernels


def looping() -> conc.Thread:
    """A thread in that loop."""
    inside = threading.Event()
    thread = started(loop_for_ever, inside)
    inside.wait()
    return thread


@pytest.fixture(autouse=True)
def reported(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What reaches threading's and sys's hooks: a stop never does."""
    seen: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    monkeypatch.setattr(sys, "unraisablehook", seen.append)
    return seen


# -- what can be stopped --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [kernels.sleep, kernels.spin], ids=["sleep", "spin"])
def test_a_kernel(kernel: Callable[..., object], reported: list[Any]) -> None:
    thread = started(kernel, LONG_S)
    report = thread.stop(PATIENT_S)
    assert (report.ended, report.blocked_in, report.reason) == (True, None, None)
    check_stopped(thread)
    assert reported == []


def test_a_loop(reported: list[Any]) -> None:
    thread = looping()
    assert thread.stop(PATIENT_S).ended
    check_stopped(thread)
    assert reported == []


@pytest.mark.parametrize("kernel", [kernels.sleep, kernels.spin], ids=["sleep", "spin"])
def test_a_kernel_that_a_python_target_calls(kernel: Callable[..., object], reported: list[Any]) -> None:
    inside, went_on = threading.Event(), []

    def target() -> None:
        inside.set()
        kernel(LONG_S)
        went_on.append("after the kernel")

    thread = started(target)
    inside.wait()
    assert thread.stop(PATIENT_S).ended
    check_stopped(thread)
    assert went_on == []
    assert reported == []


def test_a_subclass_with_its_own_run() -> None:
    inside = threading.Event()

    class Own(conc.Thread):
        def run(self) -> None:
            loop_for_ever(inside)

    thread = Own()
    thread.start()
    inside.wait()
    assert thread.stop(PATIENT_S).ended
    check_stopped(thread)


@pytest.mark.parametrize("python", [False, True], ids=["C function", "Python function"])
def test_before_the_target_has_begun_it_is_not_called(python: bool) -> None:
    """A C function has no instruction of Python's at which the exception could come."""
    gate = Gate()

    class Late(conc.Thread):
        """What runs is looked up by the thread itself, before the target."""

        @property
        def run(self) -> Any:
            gate()
            return super().run

    ran: list[int] = []
    lock = threading.Lock()
    target: Callable[..., object] = (lambda: ran.append(1)) if python else lock.acquire
    with lock:
        thread = Late(target=target)
        thread.start()
        gate.inside.wait()
        assert not thread.stop(0).ended
        gate.go_on.set()
        thread.join(PATIENT_S)
    assert ran == []
    check_stopped(thread)


def test_a_thread_that_has_ended_keeps_its_result() -> None:
    for target, args, value in [(pow, (2, 3), 8), (kernels.prime_factors, (8,), [2, 2, 2])]:
        thread = started(target, *args)
        thread.join()
        for _ in range(2):
            report = thread.stop()
            assert (report.ended, report.blocked_in, report.reason) == (True, None, None)
        assert thread.result() == value
        assert thread.ended_by is ThreadEnd.RETURNED


@pytest.mark.parametrize("target", [int, kernels.sleep])
def test_not_started(target: Any) -> None:
    thread = conc.Thread(target=target, args=(0,))
    with pytest.raises(RuntimeError, match="cannot stop thread before it is started"):
        thread.stop()
    thread.start()
    assert thread.exception() is None


def test_by_itself() -> None:
    went_on: list[str] = []
    reports: list[conc.StopReport] = []

    def target() -> None:
        thread = threading.current_thread()
        assert isinstance(thread, conc.Thread)
        with conc.shield():
            reports.append(thread.stop(LONG_S))
        went_on.append("not here")

    thread = started(target)
    thread.join()
    check_stopped(thread)
    assert went_on == []
    assert not reports[0].ended
    assert reports[0].reason == "the thread stops itself"


@pytest.mark.parametrize("timeout", ["x", float("nan")])
def test_wrong_timeouts(timeout: Any) -> None:
    with held() as thread, pytest.raises((TypeError, ValueError), match="timeout"):
        thread.stop(timeout)


# -- what a target makes of it --------------------------------------------------------------------------------------


def test_except_exception_does_not_catch_it() -> None:
    inside = threading.Event()

    def target() -> None:
        while True:
            try:
                loop_for_ever(inside)
            except Exception:  # what a worker that goes on after each error does
                continue

    thread = started(target)
    inside.wait()
    assert thread.stop(PATIENT_S).ended
    check_stopped(thread)
    assert not issubclass(ThreadStopped, Exception)


def test_one_that_is_swallowed_comes_again_when_it_is_asked_for_again() -> None:
    caught: queue.SimpleQueue[ThreadStopped] = queue.SimpleQueue()
    inside = threading.Event()

    def target() -> str:
        for _ in range(3):
            try:
                loop_for_ever(inside)
            except ThreadStopped as stopped:
                caught.put(stopped)
        return "went through all of them"

    thread = started(target)
    for _ in range(2):
        assert inside.wait(PATIENT_S)  # in the try once more: else it could come while the last one is handled
        inside.clear()
        report = thread.stop(0)
        assert not report.ended
        assert caught.get(timeout=PATIENT_S)
    assert inside.wait(PATIENT_S)
    assert thread.is_alive()
    assert thread.stop(PATIENT_S).ended
    assert thread.result() == "went through all of them"
    assert thread.ended_by is ThreadEnd.RETURNED


def test_one_comes_for_many_who_ask_at_once() -> None:
    """Once it is raised nothing is pending, so that handlers and finally blocks run undisturbed."""
    inside, asked, caught = threading.Event(), threading.Event(), []

    def target() -> None:
        try:
            with conc.shield():  # up before the first asks: else one comes, and the next while that is handled
                inside.set()
                asked.wait()
            loop_for_ever(threading.Event())
        except ThreadStopped as stopped:
            caught.append(stopped)
            for _ in range(10_000):
                pass
            caught.append("undisturbed")
            raise

    thread = started(target)
    inside.wait()
    for _ in range(10):
        thread._interrupt()
    asked.set()
    thread.join()
    check_stopped(thread)
    assert [type(what) for what in caught] == [ThreadStopped, str]


def test_finally_blocks_run_and_may_raise_something_else(reported: list[Any]) -> None:
    inside = threading.Event()

    def target() -> None:
        try:
            loop_for_ever(inside)
        finally:
            raise KeyError("on the way")

    thread = started(target)
    inside.wait()
    assert thread.stop(PATIENT_S).ended
    error = thread.exception()
    assert isinstance(error, KeyError)
    assert isinstance(error.__context__, ThreadStopped)
    assert thread.ended_by is ThreadEnd.RAISED
    assert [told.exc_value for told in reported] == [error]


def test_raised_by_the_target_itself_it_is_an_error_like_another(reported: list[Any]) -> None:
    def target() -> None:
        raise ThreadStopped("nobody asked")

    thread = started(target)
    thread.join()
    assert thread.ended_by is ThreadEnd.RAISED
    assert [told.exc_type for told in reported] == [ThreadStopped]


def test_stop_requested_is_polled() -> None:
    inside = threading.Event()
    done: list[str] = []

    def target() -> None:
        with conc.shield():
            while not conc.stop_requested():
                inside.set()
                kernels.sleep(0.001)
            done.append("saw it")

    assert not conc.stop_requested()
    thread = started(target)
    inside.wait()
    thread.stop(PATIENT_S)
    assert not conc.stop_requested()  # it is about the calling thread
    check_stopped(thread)
    assert done == ["saw it"]


def test_one_that_returns_in_its_grace_has_a_result() -> None:
    inside = threading.Event()

    def target() -> str:
        while not conc.stop_requested():
            inside.set()
        return "saw it"

    thread = started(target)
    inside.wait()
    assert thread.stop(grace=PATIENT_S).ended
    assert (thread.result(), thread.ended_by) == ("saw it", ThreadEnd.RETURNED)


def test_one_that_does_not_look_is_interrupted_after_its_grace() -> None:
    thread = looping()
    assert thread.stop(PATIENT_S, grace=0.01).ended
    check_stopped(thread)


def test_without_an_end_to_its_grace_it_is_never_interrupted() -> None:
    inside, over = threading.Event(), threading.Event()

    def target() -> str:
        while not over.is_set():
            inside.set()
        return f"asked: {conc.stop_requested()}"

    thread = started(target)
    inside.wait()
    assert not thread.stop(0.01, grace=None).ended
    over.set()
    assert thread.result() == "asked: True"


@pytest.mark.parametrize("grace", ["x", float("nan")])
def test_a_wrong_grace(grace: Any) -> None:
    with held() as thread, pytest.raises((TypeError, ValueError), match="timeout"):
        thread.stop(grace=grace)


# -- never outside the target ---------------------------------------------------------------------------------------


class Cycle:
    """Garbage for the collector, whose finalizer is Python code."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        do_something()


def do_something() -> None:
    pass


def asks_at_its_end(before: Callable[[], object], count: int) -> conc.Thread:
    """A thread whose target is made of C functions alone, the last of which asks it to stop: pending at its end."""
    calls: list[Callable[[], object]] = []
    thread = conc.Thread(target=deque, args=(map(operator.call, calls), 0))
    calls.extend([*[before] * count, thread._interrupt])
    return thread


def test_one_that_is_pending_at_the_end_meets_no_finalizer(reported: list[Any]) -> None:
    """From 3.12 on a collection waits for the interpreter's next look, which is where the exception would come too."""
    make_garbage = partial(pickle.loads, pickle.dumps(Cycle()))
    gc.collect()
    for turn in range(40):
        thread = asks_at_its_end(make_garbage, 700 + 13 * turn)
        thread.start()
        thread.join()
        assert thread.ended_by is ThreadEnd.RETURNED
    assert reported == []


@pytest.mark.parametrize("install", [threading.settrace, threading.setprofile], ids=["trace", "profile"])
def test_one_that_is_pending_at_the_end_meets_no_tracer(install: Callable[[Any], None], reported: list[Any]) -> None:
    met: list[BaseException] = []

    def look_on(frame: Any, event: str, arg: object) -> Any:
        try:
            for _ in range(10):
                pass
        except BaseException as error:
            met.append(error)
        return look_on

    before = threading.gettrace() if install is threading.settrace else threading.getprofile()
    install(look_on)
    try:
        thread = asks_at_its_end(int, 1)
        thread.start()
        thread.join()
    finally:
        install(before)
    assert met == []
    assert thread.ended_by is ThreadEnd.RETURNED
    assert reported == []


def test_callbacks_and_destructors_of_thread_locals_never_meet_it(reported: list[Any]) -> None:
    met: list[BaseException] = []
    local = threading.local()

    def linger(_: object = None) -> None:
        try:
            for _ in range(1000):
                pass
        except BaseException as error:
            met.append(error)

    class Value:
        def __del__(self) -> None:
            linger()
            with conc.shield():
                linger()
            kernels.spin(0.0)

    def target() -> None:
        local.value = Value()
        thread._interrupt()
        for _ in range(1000):
            pass

    for _ in range(20):
        thread: conc.Thread = conc.Thread(target=target)
        thread.add_done_callback(lambda thread: (thread._interrupt(), linger()))
        thread.start()
        thread.join()
        check_stopped(thread)
    assert met == []
    assert reported == []
