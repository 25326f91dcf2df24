"""conc.Timer beside threading.Timer: one suite over both, and what conc's adds."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from threads_support import LONG_S, until

import conc

TIMERS = pytest.mark.parametrize("timer_type", [threading.Timer, conc.Timer], ids=["threading", "conc"])


@TIMERS
def test_it_calls_after_the_interval(timer_type: Any) -> None:
    called: list[Any] = []
    timer = timer_type(0.05, lambda *args, **kwargs: called.append((args, kwargs, time.monotonic())), [1], {"two": 2})
    begin = time.monotonic()
    timer.start()
    timer.join()
    ((args, kwargs, at),) = called
    assert (args, kwargs) == ((1,), {"two": 2})
    assert at - begin >= 0.05
    assert timer.finished.is_set()


@TIMERS
def test_cancelled_it_does_not_call(timer_type: Any) -> None:
    called: list[int] = []
    timer = timer_type(LONG_S, called.append, [1])
    timer.start()
    assert not timer.finished.is_set()
    timer.cancel()
    timer.join()
    assert called == []
    timer.cancel()


@TIMERS
def test_cancelled_before_the_start_it_ends_at_once(timer_type: Any) -> None:
    called: list[int] = []
    timer = timer_type(LONG_S, called.append, [1])
    timer.cancel()
    timer.start()
    timer.join()
    assert called == []


@TIMERS
def test_fields(timer_type: Any) -> None:
    timer = timer_type(LONG_S, print)
    assert (timer.interval, timer.function, timer.args, timer.kwargs) == (LONG_S, print, [], {})
    assert isinstance(timer.finished, threading.Event)
    assert isinstance(timer, threading.Thread)
    assert (timer.daemon, timer.is_alive()) == (False, False)
    assert timer.name.startswith("Thread-")
    assert "Timer" in repr(timer)
    arguments: list[int] = [1]
    assert timer_type(1, print, arguments, None).args is arguments


@TIMERS
def test_fields_may_change_before_the_start(timer_type: Any) -> None:
    called: list[Any] = []
    timer = timer_type(LONG_S, print)
    timer.interval, timer.function, timer.args = 0, called.append, ["changed"]
    timer.name = "renamed"
    timer.start()
    timer.join()
    assert called == ["changed"]
    assert timer.name == "renamed"


@TIMERS
def test_what_the_function_raises_is_reported(timer_type: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", reported.append)
    timer = timer_type(0, int, ["x"])
    timer.start()
    timer.join()
    assert [args.exc_type for args in reported] == [ValueError]


@TIMERS
def test_wrong_arguments(timer_type: Any) -> None:
    with pytest.raises(TypeError):
        timer_type(1)
    with pytest.raises(TypeError):
        timer_type(1, print, [], {}, None, 3)


@pytest.mark.main_interpreter("daemon threads")
@TIMERS
def test_a_daemon(timer_type: Any) -> None:
    timer = timer_type(0, int)
    timer.daemon = True
    timer.start()
    timer.join()
    assert timer.daemon


@TIMERS
def test_started_twice(timer_type: Any) -> None:
    timer = timer_type(0, int)
    timer.start()
    with pytest.raises(RuntimeError, match="threads can only be started once"):
        timer.start()
    timer.join()


def test_it_is_both() -> None:
    timer = conc.Timer(1, print)
    assert isinstance(timer, threading.Timer)
    assert isinstance(timer, conc.Thread)


def test_its_result_is_the_functions() -> None:
    timer = conc.Timer(0, pow, [2, 10])
    timer.start()
    assert timer.result() == 1024
    cancelled = conc.Timer(LONG_S, pow, [2, 10])
    cancelled.start()
    cancelled.cancel()
    assert cancelled.result() is None
    assert cancelled.ended_by is conc.ThreadEnd.RETURNED


def test_a_stop_ends_its_wait() -> None:
    timer = conc.Timer(LONG_S, print)
    timer.start()
    until(lambda: timer.state is conc.ThreadState.NOT_RUNNING and timer._syscall(), "it waits for its time")
    timer.stop(0)
    timer.join()
    assert timer.finished.is_set()
    assert timer.ended_by is conc.ThreadEnd.STOPPED


def test_callbacks_and_usage() -> None:
    told: list[conc.Thread] = []
    timer = conc.Timer(0, int)
    timer.add_done_callback(told.append)
    timer.start()
    timer.join()
    assert told == [timer]
    assert timer.usage.wall_s is not None
