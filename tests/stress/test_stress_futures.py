"""One conc.Future in the hands of many threads: one winner, every callback once, everybody told."""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import threading
from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from racing import race, race_alike, rounds, values

import conc


def finish(future: conc.Future[Any], value: object) -> bool:
    """Whether this call was the one that finished it."""
    try:
        future.set_result(value)
    except concurrent.futures.InvalidStateError:
        return False
    return True


def fail(future: conc.Future[Any], error: Exception) -> bool:
    try:
        future.set_exception(error)
    except concurrent.futures.InvalidStateError:
        return False
    return True


def end_of(future: conc.Future[Any]) -> object:
    """How it ended, as a waiter sees it."""
    try:
        return future.result()
    except concurrent.futures.CancelledError:
        return "cancelled"
    except LookupError as error:
        return error


def test_one_end_wins_and_everybody_sees_the_same() -> None:
    kinds: Counter[str] = Counter()
    for _ in range(rounds(300)):
        future: conc.Future[Any] = conc.Future()
        error = LookupError("no such thing")
        called: list[int] = []

        def cancel(future: conc.Future[Any] = future) -> bool:
            return future.cancel() and not future.set_running_or_notify_cancel()

        def add(number: int, future: conc.Future[Any] = future, called: list[int] = called) -> None:
            future.add_done_callback(lambda _: called.append(number))

        outcomes = race(
            lambda future=future: finish(future, "value"),
            lambda future=future, error=error: fail(future, error),
            cancel,
            *[lambda number=number, add=add: add(number) for number in range(3)],
            lambda future=future: end_of(future),
            lambda future=future: concurrent.futures.wait([future]).done == {future},
            lambda future=future: list(concurrent.futures.as_completed([future])) == [future],
        )
        won = [bool(value) for value in values(outcomes)[:3]]
        assert won.count(True) == 1
        expected = ("value", error, "cancelled")[won.index(True)]
        kinds[("finished", "failed", "cancelled")[won.index(True)]] += 1
        assert sorted(called) == [0, 1, 2]
        assert values(outcomes)[6:] == [expected, True, True]
        assert end_of(future) == expected
        assert future.done()
        assert not future.running()
    assert kinds.total() == rounds(300)


def test_claiming_against_cancelling() -> None:
    for _ in range(rounds(300)):
        future: conc.Future[Any] = conc.Future()

        def work(future: conc.Future[Any] = future) -> str:
            if not future.set_running_or_notify_cancel():
                return "left"
            future.set_result("value")
            return "done"

        did, *cancelled, seen = values(race(work, future.cancel, future.cancel, lambda f=future: end_of(f)))
        assert (did, seen) == (("left", "cancelled") if any(cancelled) else ("done", "value"))


def test_callbacks_are_called_once_each_by_whoever() -> None:
    each = rounds(400)
    for _ in range(5):
        future: conc.Future[Any] = conc.Future()
        called: Counter[int] = Counter()
        lock = threading.Lock()
        numbers = itertools.count()

        def note(number: int, called: Counter[int] = called, lock: threading.Lock = lock) -> None:
            with lock:
                called[number] += 1

        def add(future: conc.Future[Any] = future, numbers: Any = numbers, note: Any = note) -> None:
            for _ in range(each):
                number = next(numbers)
                future.add_done_callback(lambda _, number=number: note(number))

        values(race(add, add, add, lambda f=future: f.set_result(None)))
        assert called == dict.fromkeys(range(3 * each), 1)


def test_conditions_and_waiters_are_made_once() -> None:
    for _ in range(rounds(200)):
        future: conc.Future[Any] = conc.Future()
        conditions = values(race_alike(lambda f=future: f._condition))
        assert all(condition is conditions[0] for condition in conditions)
        waiters = values(race_alike(lambda f=future: f._waiters))
        assert all(waiter is waiters[0] for waiter in waiters)


def test_waiting_for_many_that_end_meanwhile() -> None:
    for _ in range(rounds(20)):
        futures: list[conc.Future[Any]] = [conc.Future() for _ in range(40)]

        def finish_all(part: slice, futures: list[conc.Future[Any]] = futures) -> None:
            for future in futures[part]:
                future.set_result(None)

        def wait(futures: list[conc.Future[Any]] = futures) -> int:
            first = concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_COMPLETED)
            assert first.done
            return len(list(concurrent.futures.as_completed(futures)))

        counts = values(race(wait, wait, lambda: finish_all(slice(0, 20)), lambda: finish_all(slice(20, 40))))[:2]
        assert counts == [40, 40]


def test_event_loops_await_futures_of_other_threads() -> None:
    futures: list[conc.Future[Any]] = [conc.Future() for _ in range(rounds(150))]

    async def gather() -> list[Any]:
        return list(await asyncio.gather(*map(asyncio.wrap_future, futures)))

    def finish_all() -> None:
        for number, future in enumerate(futures):
            future.set_running_or_notify_cancel()
            future.set_result(number)

    expected = list(range(len(futures)))
    assert values(race(lambda: asyncio.run(gather()), lambda: asyncio.run(gather()), finish_all))[:2] == [expected] * 2


class FutureAgainstItsModel(RuleBasedStateMachine):
    """conc.Future beside concurrent.futures.Future: the same calls, the same answers, the same callbacks."""

    def __init__(self) -> None:
        super().__init__()
        self.real: conc.Future[Any] = conc.Future()
        self.model: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self.called: tuple[list[int], list[int]] = ([], [])
        self.condition_made = False

    def both(self, method: str, *args: object) -> None:
        answers = []
        for future in (self.real, self.model):
            try:
                answers.append(getattr(future, method)(*args))
            except (Exception, concurrent.futures.CancelledError) as error:
                answers.append((type(error), None if method == "set_result" else getattr(error, "args", None)))
        if isinstance(answers[0], tuple) and answers[0][0] is concurrent.futures.InvalidStateError:
            assert answers[1][0] is concurrent.futures.InvalidStateError
        else:
            assert answers[0] == answers[1]

    @precondition(lambda self: self.model._state in ("PENDING", "CANCELLED"))
    @rule()
    def claim(self) -> None:
        self.both("set_running_or_notify_cancel")

    @rule()
    def cancel(self) -> None:
        self.both("cancel")

    @rule(value=st.integers())
    def set_result(self, value: int) -> None:
        self.both("set_result", value)

    @rule(value=st.integers())
    def set_exception(self, value: int) -> None:
        self.both("set_exception", LookupError(value))

    @rule(number=st.integers())
    def add_done_callback(self, number: int) -> None:
        for future, called in zip((self.real, self.model), self.called, strict=True):
            future.add_done_callback(lambda _, called=called: called.append(number))

    @precondition(lambda self: not self.condition_made)
    @rule()
    def make_condition(self) -> None:
        self.condition_made = self.real._condition is not None

    @rule()
    def result(self) -> None:
        self.both("result", 0)

    @rule()
    def exception(self) -> None:
        self.both("exception", 0)

    @invariant()
    def looks_the_same(self) -> None:
        for method in ("done", "running", "cancelled"):
            self.both(method)
        assert self.real._state == self.model._state
        assert self.called[0] == self.called[1]


FutureAgainstItsModel.TestCase.settings = settings(max_examples=rounds(30), stateful_step_count=20)
test_a_future_is_as_its_model = FutureAgainstItsModel.TestCase
