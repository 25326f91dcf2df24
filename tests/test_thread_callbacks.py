"""Thread.add_done_callback() and ended_by: how a thread ended, and who is told."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from threads_support import LONG_S, Gate, held, started, until

import conc
from conc import ThreadEnd, kernels

Told = list[tuple[str, object, object]]


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What sys.unraisablehook is told."""
    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append((args.exc_type, args.object)))
    return seen


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody hears of a target that raises."""
    monkeypatch.setattr(threading, "excepthook", lambda args: None)


class Kind:
    """A thread that ends when it is let go."""

    def __init__(self, kernel: bool) -> None:
        self.kernel = kernel
        self._gate = Gate()
        self.thread: conc.Thread = (
            conc.Thread(target=kernels.sleep, args=(LONG_S,)) if kernel else conc.Thread(target=self._gate)
        )

    def start(self) -> None:
        self.thread.start()
        if not self.kernel:
            self._gate.inside.wait()

    def end(self) -> None:
        if self.kernel:
            self.thread._interrupt()
        self._gate.go_on.set()
        self.thread.join()


@pytest.fixture(params=[False, True], ids=["python", "kernel"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return Kind(request.param)


def note(told: Told, word: str) -> Callable[[conc.Thread], None]:
    """A callback that keeps its word, its argument and in which thread it was called."""
    return lambda thread: told.append((word, thread, threading.current_thread()))


# -- when, where and in which order ---------------------------------------------------------------------------------


def test_before_the_start_while_it_runs_and_after_its_end(kind: Kind) -> None:
    told: Told = []
    thread = kind.thread
    thread.add_done_callback(note(told, "before the start"))
    kind.start()
    thread.add_done_callback(note(told, "while it runs"))
    assert told == []
    kind.end()
    assert told == [("before the start", thread, thread), ("while it runs", thread, thread)]
    thread.add_done_callback(note(told, "after its end"))
    assert told[2:] == [("after its end", thread, threading.current_thread())]
    assert thread not in threading.enumerate()


@pytest.mark.parametrize("moment", ["before the start", "while it runs"])
def test_one_alone_is_called_by_the_thread(kind: Kind, moment: str) -> None:
    told: Told = []
    if moment == "before the start":
        kind.thread.add_done_callback(note(told, moment))
    kind.start()
    if moment != "before the start":
        kind.thread.add_done_callback(note(told, moment))
    kind.end()
    assert told == [(moment, kind.thread, kind.thread)]


def test_many_are_called_in_their_order(kind: Kind) -> None:
    told: Told = []
    for number in range(500):
        kind.thread.add_done_callback(note(told, str(number)))
    kind.start()
    for number in range(500, 1000):
        kind.thread.add_done_callback(note(told, str(number)))
    kind.end()
    assert [word for word, _, _ in told] == [str(number) for number in range(1000)]


def test_the_same_function_twice_is_called_twice(kind: Kind) -> None:
    told: Told = []
    callback = note(told, "again")
    for _ in range(2):
        kind.thread.add_done_callback(callback)
    kind.start()
    kind.end()
    assert len(told) == 2


def test_in_it_the_outcome_is_known_and_the_thread_alive(kind: Kind) -> None:
    seen: list[Any] = []

    def look(thread: conc.Thread) -> None:
        seen.extend([thread.is_alive(), thread.ended_by, thread.state, thread in threading.enumerate()])
        try:
            seen.append(thread.result())
        except conc.ThreadStopped:
            seen.append("stopped")
        seen.append(type(thread.exception(0)))

    kind.thread.add_done_callback(look)
    kind.start()
    kind.end()
    assert seen == (
        [True, ThreadEnd.STOPPED, conc.ThreadState.RUNNING, True, "stopped", conc.ThreadStopped]
        if kind.kernel
        else [True, ThreadEnd.RETURNED, conc.ThreadState.RUNNING, True, "through the gate", type(None)]
    )


def test_in_it_the_thread_cannot_be_joined(kind: Kind) -> None:
    errors: list[str] = []

    def join(thread: conc.Thread) -> None:
        with pytest.raises(RuntimeError) as caught:
            thread.join()
        errors.append(str(caught.value))

    kind.thread.add_done_callback(join)
    kind.start()
    kind.end()
    assert errors == ["cannot join current thread"]


def test_one_that_is_added_in_a_callback_is_called_at_once(kind: Kind) -> None:
    told: Told = []

    def add(thread: conc.Thread) -> None:
        thread.add_done_callback(note(told, "inner"))
        told.append(("outer", thread, threading.current_thread()))

    kind.thread.add_done_callback(add)
    kind.thread.add_done_callback(note(told, "last"))
    kind.start()
    kind.end()
    assert [word for word, _, _ in told] == ["inner", "outer", "last"]
    assert {where for _, _, where in told} == {kind.thread}


def test_what_a_callback_raises_is_told_and_stops_no_other(kind: Kind, unraisable: list[Any]) -> None:
    told: Told = []
    errors: list[type[BaseException]] = [KeyError, SystemExit, KeyboardInterrupt, conc.ThreadStopped, GeneratorExit]

    def failing(error: type[BaseException]) -> Callable[[conc.Thread], None]:
        def fail(thread: conc.Thread) -> None:
            raise error

        return fail

    callbacks = [failing(error) for error in errors]
    for callback in callbacks:
        kind.thread.add_done_callback(callback)
    kind.thread.add_done_callback(note(told, "after them"))
    kind.start()
    kind.end()
    assert unraisable == list(zip(errors, callbacks, strict=True))
    assert [word for word, _, _ in told] == ["after them"]
    unraisable.clear()
    for callback in callbacks:
        kind.thread.add_done_callback(callback)  # it is called here, and its error does not come here either
    assert unraisable == list(zip(errors, callbacks, strict=True))


def test_a_callback_may_start_a_thread(kind: Kind) -> None:
    results: list[int] = []
    kind.thread.add_done_callback(lambda _: results.append(started(pow, 2, 10).result()))
    kind.start()
    kind.end()
    assert results == [1024]


def test_callbacks_of_a_failed_start_wait_for_the_next() -> None:
    told: Told = []
    thread = conc.Thread(target=kernels.sleep, args=(0,), stack_size=1 << 46)
    thread.add_done_callback(note(told, "once"))
    with pytest.raises((RuntimeError, OSError)):
        thread.start()
    assert told == []
    thread.__init__(target=kernels.sleep, args=(0,))  # type: ignore[misc]
    thread.start()
    thread.join()
    assert told == [("once", thread, thread)]


@pytest.mark.parametrize("callback", [None, 3, "name"])
def test_not_callable(callback: Any) -> None:
    thread = conc.Thread()
    with pytest.raises(TypeError, match="fn must be callable with the thread as its argument, not "):
        thread.add_done_callback(callback)
    with pytest.raises(TypeError):
        thread.add_done_callback()  # type: ignore[call-arg]


def test_a_kernel_without_callbacks_never_attaches() -> None:
    """Only who has one needs the interpreter: those that the thread is listed for see it while they run."""
    with held(kernel=True) as thread:
        assert thread not in threading.enumerate()
        until(lambda: thread.usage.gil_wait_s == 0.0, "it runs")
    assert thread.usage.gil_wait_s == 0.0


# -- how it ended ---------------------------------------------------------------------------------------------------


def ends() -> list[tuple[str, conc.Thread, ThreadEnd]]:
    def fail() -> None:
        raise LookupError

    return [
        ("returned", conc.Thread(target=int), ThreadEnd.RETURNED),
        ("nothing to do", conc.Thread(), ThreadEnd.RETURNED),
        ("raised", conc.Thread(target=fail), ThreadEnd.RAISED),
        ("exit", conc.Thread(target=sys.exit), ThreadEnd.RAISED),
        ("kernel returned", conc.Thread(target=kernels.sleep, args=(0,)), ThreadEnd.RETURNED),
        ("kernel raised", conc.Thread(target=kernels.http_get, args=("http://127.0.0.1:1/",)), ThreadEnd.RAISED),
        ("wrong call", conc.Thread(target=int, args=(1, 2, 3)), ThreadEnd.RAISED),
    ]


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("thread", "end"), [case[1:] for case in ends()], ids=[case[0] for case in ends()])
def test_ended_by(thread: conc.Thread, end: ThreadEnd) -> None:
    assert thread.ended_by is None
    thread.start()
    thread.join()
    assert thread.ended_by is end
    assert (thread.exception() is None) == (end is ThreadEnd.RETURNED)


def test_ended_by_is_none_while_it_runs(kind: Kind) -> None:
    kind.start()
    assert kind.thread.ended_by is None
    kind.end()
    assert kind.thread.ended_by is (ThreadEnd.STOPPED if kind.kernel else ThreadEnd.RETURNED)


@pytest.mark.usefixtures("quiet")
def test_the_exception_of_an_exit_is_kept() -> None:
    thread = started(sys.exit, 3)
    error = thread.exception()
    assert isinstance(error, SystemExit)
    assert error.code == 3
    assert error.__traceback__ is None


def test_a_callback_that_lingers_keeps_the_thread_alive(kind: Kind) -> None:
    gate = Gate()
    kind.thread.add_done_callback(lambda _: gate() and None)
    kind.start()
    ender = threading.Thread(target=kind.end)
    ender.start()
    gate.inside.wait()
    assert kind.thread.is_alive()
    assert kind.thread.ended_by is not None
    until(lambda: kind.thread.state is conc.ThreadState.NOT_RUNNING, "it waits in the callback")
    gate.go_on.set()
    ender.join()
    assert not kind.thread.is_alive()
