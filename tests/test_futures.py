"""conc.Future: one suite over the standard future and ours, a model of both, then what ours adds."""

from __future__ import annotations

import concurrent.futures
import gc
import logging
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import CancelledError, InvalidStateError
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import conc

FUTURES: list[Any] = [concurrent.futures.Future, conc.Future]

both_futures = pytest.mark.parametrize("future_type", FUTURES, ids=["standard", "conc"])


class Boom(Exception):
    """What the tests raise."""


def boom(*args: object) -> None:
    raise Boom(*args)


# -- both futures ---------------------------------------------------------------------------------------------------


@both_futures
def test_future_states(future_type: Any) -> None:
    future = future_type()
    assert (future._state, future.running(), future.done(), future.cancelled()) == ("PENDING", False, False, False)
    assert future.set_running_or_notify_cancel()
    assert (future._state, future.running()) == ("RUNNING", True)
    assert not future.cancel()
    future.set_result(3)
    assert (future._state, future.done(), future.result(), future.exception()) == ("FINISHED", True, 3, None)
    assert "returned int" in repr(future)
    with pytest.raises(InvalidStateError):
        future.set_result(4)
    with pytest.raises(InvalidStateError):
        future.set_exception(Boom())
    with pytest.raises(RuntimeError):
        future.set_running_or_notify_cancel()
    assert not future.cancel()


@both_futures
def test_cancelled_future(future_type: Any) -> None:
    future = future_type()
    assert future.cancel()
    assert future._state == "CANCELLED"
    assert not future.set_running_or_notify_cancel()
    assert future._state == "CANCELLED_AND_NOTIFIED"
    with pytest.raises(CancelledError):
        future.result(timeout=0)
    with pytest.raises(CancelledError):
        future.exception()
    with pytest.raises(InvalidStateError):
        future.set_result(1)


@both_futures
def test_future_timeouts(future_type: Any) -> None:
    future = future_type()
    for wait in (future.result, future.exception):
        with pytest.raises(TimeoutError):
            wait(0)
        with pytest.raises(TimeoutError):
            wait(timeout=-1.0)
        with pytest.raises(TypeError):
            wait(0, 0)
        with pytest.raises(TypeError):
            wait(time=0)


@both_futures
def test_callbacks(future_type: Any, caplog: pytest.LogCaptureFixture) -> None:
    future, called = future_type(), []
    future.add_done_callback(called.append)
    future.add_done_callback(boom)
    future.add_done_callback(called.append)
    with caplog.at_level(logging.ERROR, "concurrent.futures"):
        future.set_result(1)
    assert called == [future, future]
    assert "exception calling callback" in caplog.text
    future.add_done_callback(called.append)
    assert len(called) == 3


@both_futures
def test_callback_of_a_cancelled_future(future_type: Any) -> None:
    future, called = future_type(), []
    future.add_done_callback(called.append)
    future.cancel()
    assert called == [future]
    assert not future.set_running_or_notify_cancel()
    assert called == [future]


@both_futures
def test_waiting_threads_are_woken(future_type: Any) -> None:
    future, results = future_type(), []
    threads = [threading.Thread(target=lambda: results.append(future.result())) for _ in range(5)]
    for thread in threads:
        thread.start()
    future.set_result("done")
    for thread in threads:
        thread.join()
    assert results == ["done"] * 5


@both_futures
def test_future_holds_no_cycle_of_its_own(future_type: Any) -> None:
    gc.disable()
    try:
        future = future_type()
        ref = weakref.ref(future)
        with future._condition:
            future._waiters.clear()
        future.set_result([])
        del future
        assert ref() is None
    finally:
        gc.enable()


@both_futures
@given(actions=st.lists(st.sampled_from(["claim", "cancel", "result", "error", "callback", "condition"]), max_size=8))
@settings(max_examples=150)
def test_future_against_the_model(future_type: Any, actions: list[str]) -> None:
    """Any sequence of calls leaves conc's future in the state of the standard one, with the same answers."""
    future, model = future_type(), concurrent.futures.Future[int]()
    calls: list[str] = []

    def apply(target: Any, action: str, label: str) -> object:
        try:
            if action == "claim":
                return target.set_running_or_notify_cancel()
            if action == "cancel":
                return target.cancel()
            if action == "result":
                return target.set_result(7)
            if action == "error":
                return target.set_exception(Boom())
            if action == "callback":
                return target.add_done_callback(lambda _: calls.append(label))
            return type(target._condition).__name__
        except (InvalidStateError, RuntimeError) as error:
            return type(error).__name__

    for action in actions:
        if action == "claim" and model._state in ("RUNNING", "FINISHED", "CANCELLED_AND_NOTIFIED"):
            continue  # the standard one logs a critical error as well; a test of its own covers it
        assert apply(future, action, "future") == apply(model, action, "model")
        assert future._state == model._state
        assert (future.done(), future.running(), future.cancelled()) == (
            model.done(),
            model.running(),
            model.cancelled(),
        )
    assert calls.count("future") == calls.count("model")


@both_futures
def test_exceptions_of_any_kind(future_type: Any) -> None:
    of_class, of_none = future_type(), future_type()
    of_class.set_exception(Boom)
    with pytest.raises(Boom):
        of_class.result()
    of_none.set_exception(None)
    assert (of_none.result(), of_none.exception()) == (None, None)


@both_futures
def test_ctrl_c_in_a_callback_is_not_swallowed(future_type: Any) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    future = future_type()
    future.set_result(1)
    with pytest.raises(KeyboardInterrupt):
        future.add_done_callback(interrupt)


# -- ours -------------------------------------------------------------------------------------------------------------


def test_the_condition_is_made_when_asked_for() -> None:
    future = conc.Future()
    assert isinstance(future._condition, threading.Condition)
    assert future._condition is future._condition
    with future._condition:
        assert future._waiters == []


def test_a_change_takes_the_condition_once_it_is_there() -> None:
    future = conc.Future()
    with future._condition:
        thread = threading.Thread(target=future.set_result, args=(1,))
        thread.start()
        assert not future.done()
        with pytest.raises(TimeoutError):
            future.result(0.05)
    thread.join()
    assert future.result() == 1


def test_racing_changes_end_a_future_once() -> None:
    for i in range(300):
        future = conc.Future()
        if i % 2:
            _ = future._condition
        called: list[Any] = []
        future.add_done_callback(called.append)
        outcomes: list[str] = []
        barrier = threading.Barrier(3)

        def act(
            action: Callable[[], object],
            barrier: threading.Barrier = barrier,
            outcomes: list[str] = outcomes,
        ) -> None:
            barrier.wait()
            try:
                outcomes.append(str(action()))
            except InvalidStateError:
                outcomes.append("refused")

        threads = [
            threading.Thread(target=act, args=(action,))
            for action in (lambda f=future: f.set_result(1), lambda f=future: f.set_exception(Boom()), future.cancel)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(called) == 1
        assert future.done()
        assert sum(outcome in ("None", "True") for outcome in outcomes) == 1
