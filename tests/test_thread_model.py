"""Random lives of a conc.Thread beside a simple model of one."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from threads_support import system_name

import conc
from conc import ThreadEnd, ThreadState, kernels

PATIENT_S = 30.0


class Script:
    """A target that takes one step for each order, and says when it has: what happens, happens in this order."""

    def __init__(self) -> None:
        self._orders, self._done = threading.Semaphore(0), threading.Semaphore(0)
        self._order = ""
        self.shields = 0

    def wait_inside(self) -> None:
        """Until it is under its shield."""
        assert self._done.acquire(timeout=PATIENT_S)

    def give(self, order: str) -> None:
        """Have a step taken, and wait for that."""
        self._order = order
        self._orders.release()
        if order not in ("return", "raise", "look"):
            self.wait_inside()

    def __call__(self) -> str:
        with conc.shield():  # so that a stop comes at its end alone
            self._done.release()
            while True:
                self._orders.acquire()
                match self._order:
                    case "enter":
                        _core_enter()
                        self.shields += 1
                    case "leave":
                        _core_leave()
                        self.shields -= 1
                    case "return":
                        return "done"
                    case "raise":
                        raise LookupError
                    case "look":
                        break
                self._done.release()
        return "looked"

    __name__ = "script"


def _core_enter() -> None:
    conc.shield().__enter__()


def _core_leave() -> None:
    conc.shield().__exit__(None, None, None)


class Life(RuleBasedStateMachine):
    """A thread with a Python target; the model is the fields that are no thread's."""

    def __init__(self) -> None:
        super().__init__()
        self.script = Script()
        self.thread = conc.Thread(target=self.script)
        self.name = self.thread.name
        self.phase = "new"  # then running, ended
        self.end: ThreadEnd | None = None
        self.asked = False
        self.expected: list[int] = []
        self.called: list[int] = []
        self.numbers = 0

    def is_phase(*phases: str) -> Any:  # type: ignore[misc]
        return precondition(lambda self: self.phase in phases)

    @is_phase("new")
    @rule()
    def start(self) -> None:
        self.thread.start()
        self.script.wait_inside()
        self.phase = "running"

    @is_phase("running", "ended")
    @rule()
    def start_again(self) -> None:
        with pytest.raises(RuntimeError, match="threads can only be started once"):
            self.thread.start()

    @is_phase("new")
    @rule()
    def ask_too_early(self) -> None:
        for call in (self.thread.join, self.thread.stop, self.thread.result, self.thread.exception):
            with pytest.raises(RuntimeError, match="before it is started"):
                call()  # type: ignore[operator]

    @rule(name=st.text(max_size=20))
    def rename(self, name: str) -> None:
        self.thread.name = name
        self.name = name

    @rule()
    def add_callback(self) -> None:
        number = self.numbers
        self.numbers += 1
        self.thread.add_done_callback(lambda thread: self.called.append(number))
        self.expected.append(number)

    @is_phase("running", "ended")
    @rule()
    def join_for_a_moment(self) -> None:
        self.thread.join(0)

    @is_phase("running")
    @rule()
    def result_for_a_moment(self) -> None:
        with pytest.raises(TimeoutError):
            self.thread.result(0)

    @is_phase("running", "ended")
    @rule()
    def stop(self) -> None:
        report = self.thread.stop(0)
        assert report.ended == (self.phase == "ended")
        assert self.phase == "ended" or report.blocked_in or report.reason
        self.asked = self.asked or self.phase == "running"

    @is_phase("running")
    @rule(order=st.sampled_from(["enter", "leave"]))
    def step(self, order: str) -> None:
        if order == "enter" or self.script.shields > 0:
            self.script.give(order)

    @is_phase("running")
    @rule(order=st.sampled_from(["return", "raise", "look"]))
    def finish(self, order: str) -> None:
        while self.script.shields > 0:
            self.script.give("leave")
        self.script.give(order)
        self.thread.join(PATIENT_S)
        ends = {"return": ThreadEnd.RETURNED, "look": ThreadEnd.RETURNED, "raise": ThreadEnd.RAISED}
        self.end = ThreadEnd.STOPPED if self.asked else ends[order]
        if self.asked and order == "raise":  # what leaves the shield may leave the target before the stop comes
            self.end = self.thread.ended_by
            assert self.end in (ThreadEnd.STOPPED, ThreadEnd.RAISED)
        self.phase = "ended"

    @invariant()
    def the_thread_is_as_the_model(self) -> None:
        thread = self.thread
        assert thread.name == self.name
        assert thread.ended_by is self.end
        assert thread.is_alive() == (self.phase == "running")
        assert (thread in threading.enumerate()) == (self.phase == "running")
        assert (thread.ident is None) == (self.phase == "new")
        assert (thread.state is None) == (self.phase == "new")
        assert (thread.state is ThreadState.ENDED) == (self.phase == "ended")
        assert (thread.usage.wall_s is None) <= (self.phase != "ended")
        assert self.called == (self.expected if self.phase == "ended" else [])
        if self.phase == "running":
            assert len(system_name(thread.native_id)) <= 15
        if self.end is ThreadEnd.RETURNED:
            assert thread.result() in ("done", "looked")
        elif self.end is not None:
            kind = conc.ThreadStopped if self.end is ThreadEnd.STOPPED else LookupError
            assert type(thread.exception()) is kind

    def teardown(self) -> None:
        if self.phase == "running":
            self.finish("return")


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody hears of a target that raises."""
    monkeypatch.setattr(threading, "excepthook", lambda args: None)


class TestLife(Life.TestCase):
    settings = settings(max_examples=60, stateful_step_count=25)


class KernelLife(RuleBasedStateMachine):
    """A thread with a kernel, which ends when it is stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = conc.Thread(target=kernels.sleep, args=(1000.0,))
        self.started = self.ended = False
        self.added = 0
        self.called: list[int] = []

    @precondition(lambda self: not self.started)
    @rule()
    def start(self) -> None:
        self.thread.start()
        self.started = True

    @rule()
    def add_callback(self) -> None:
        number = self.added
        self.added += 1
        self.thread.add_done_callback(lambda thread: self.called.append(number))

    @precondition(lambda self: self.started)
    @rule()
    def stop(self) -> None:
        assert self.thread.stop(PATIENT_S).ended
        self.ended = True

    @precondition(lambda self: self.started)
    @rule()
    def join_for_a_moment(self) -> None:
        self.thread.join(0)

    @invariant()
    def the_thread_is_as_the_model(self) -> None:
        alive = self.started and not self.ended
        assert self.thread.is_alive() == alive
        assert self.thread not in threading.enumerate()
        assert self.thread.ended_by is (ThreadEnd.STOPPED if self.ended else None)
        assert self.called == (list(range(self.added)) if self.ended else [])

    def teardown(self) -> None:
        if self.started:
            self.thread.stop(PATIENT_S)


class TestKernelLife(KernelLife.TestCase):
    settings = settings(max_examples=40, stateful_step_count=20)
