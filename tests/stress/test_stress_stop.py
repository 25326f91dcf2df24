"""stop() raced against the end of the target: it comes in the target or not at all.

CONC_STRESS_SCALE=200 makes a million stops of them.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from racing import errors, race, rounds, values

import conc
from conc import ThreadEnd, ThreadStopped, kernels


@pytest.fixture(autouse=True)
def reported(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What reaches a hook came outside of a target."""
    seen: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    monkeypatch.setattr(sys, "unraisablehook", seen.append)
    yield seen
    assert seen == []


local = threading.local()


class Witness:
    """Python code that runs when the target has ended, in a callback and in the destructor of a thread-local value."""

    def __init__(self) -> None:
        self.met: list[BaseException] = []
        self.called = itertools.count()

    def look(self, _: object = None) -> None:
        try:
            for _ in range(20):
                pass
        except BaseException as error:
            self.met.append(error)
        next(self.called)

    def __del__(self) -> None:
        self.look()


class Left:
    """A thread-local value."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    def __del__(self) -> None:
        self._witness.look()


def leave(witness: Witness) -> None:
    """Leave a thread-local value behind, whole."""
    with conc.shield():
        local.value = Left(witness)


def computing(turns: int, begun: Any, witness: Witness) -> int:
    """Ends by itself about when the stop comes."""
    leave(witness)
    begun.release()
    for _ in range(turns):
        pass
    return turns


def shielded(turns: int, begun: Any, witness: Witness) -> int:
    """In and out of shields."""
    leave(witness)
    begun.release()
    for _ in range(turns):
        with conc.shield(), conc.shield():
            pass
    return turns


def catching(turns: int, begun: Any, witness: Witness) -> int:
    """Catches it where it can, and asks for another one."""
    try:
        return computing(turns, begun, witness)
    except ThreadStopped:
        thread = threading.current_thread()
        assert isinstance(thread, conc.Thread)
        thread._interrupt()
        return turns


def calling_kernels(turns: int, begun: Any, witness: Witness) -> int:
    """Ends by the token or by the exception."""
    leave(witness)
    begun.release()
    for _ in range(turns):
        kernels.spin(0.0)
    return turns


def waiting(turns: int, begun: Any, witness: Witness) -> int:
    """Ends by itself, or in one of conc's own waits."""
    leave(witness)
    with conc.shield():
        other = conc.Thread(target=kernels.spin, args=(turns * 1e-7,))
        other.start()
    begun.release()
    other.join()
    return turns


TARGETS = [computing, shielded, catching, calling_kernels, waiting]


class Aim:
    """How long a target must run for about half of the stops to come before its end."""

    def __init__(self) -> None:
        self._turns = 50.0

    def turns(self, number: int) -> int:
        return round(self._turns * (0.5 + number % 16 / 16))

    def learn(self, end: ThreadEnd | None) -> None:
        self._turns = max(1.0, self._turns * (0.97 if end is ThreadEnd.STOPPED else 1.03))


@pytest.mark.parametrize("target", TARGETS, ids=[target.__name__ for target in TARGETS])
def test_it_comes_in_the_target_or_not_at_all(
    target: Callable[[int, Any, Witness], int], capsys: pytest.CaptureFixture[str]
) -> None:
    ends: collections.Counter[ThreadEnd | None] = collections.Counter()
    witness, aim = Witness(), Aim()
    count = rounds(1000)
    for number in range(count):
        turns, begun = aim.turns(number), threading.Lock()
        begun.acquire()
        thread = conc.Thread(target=target, args=(turns, begun, witness))
        thread.add_done_callback(witness.look)
        thread.start()
        begun.acquire()
        for _ in range(number % 3):
            thread._interrupt()
        assert thread.stop(60.0).ended
        ends[thread.ended_by] += 1
        aim.learn(thread.ended_by)
        if thread.ended_by is ThreadEnd.RETURNED:
            assert thread.result() == turns
        else:
            assert isinstance(thread.exception(), ThreadStopped), thread.exception()
    assert witness.met == []
    assert set(ends) <= {ThreadEnd.RETURNED, ThreadEnd.STOPPED}
    assert next(witness.called) == 2 * count  # each callback, and each destructor of a thread-local value
    with capsys.disabled():
        told = ", ".join(f"{end.value} {ends[end]}" for end in (ThreadEnd.STOPPED, ThreadEnd.RETURNED))
        print(f"\nstops raced against the end of {target.__name__}: {count}: {told}")


class Begun:
    """Where nobody waits for the begin."""

    def release(self) -> None:
        pass


def test_many_stop_one_at_its_end() -> None:
    """Whoever asks, and whenever: everybody is told that it has ended, and the outcome is one of two."""
    for number in range(rounds(100)):
        witness = Witness()
        thread = conc.Thread(target=computing, args=(number % 200, Begun(), witness))
        thread.add_done_callback(witness.look)
        stops = [lambda thread=thread: thread.stop(60.0).ended if thread.ident else None] * 3
        told = values(race(thread.start, *stops))[1:]
        thread.join()
        assert set(told) <= {True, None}
        assert thread.ended_by in (ThreadEnd.RETURNED, ThreadEnd.STOPPED)
        assert witness.met == []


def test_kernels_that_are_stopped_at_their_end() -> None:
    ends: collections.Counter[ThreadEnd | None] = collections.Counter()
    for number in range(rounds(500)):
        thread = conc.Thread(target=kernels.spin, args=(number % 50 * 1e-6,))
        thread.start()
        assert thread.stop(60.0).ended
        ends[thread.ended_by] += 1
        assert (thread.exception() is None) == (thread.ended_by is ThreadEnd.RETURNED)
    assert set(ends) <= {ThreadEnd.RETURNED, ThreadEnd.STOPPED}


@pytest.mark.parametrize("kernel", [False, True], ids=["python", "kernel"])
def test_callbacks_that_are_added_at_the_end_are_called_once(kernel: bool) -> None:
    for number in range(rounds(150)):
        called: list[int] = []
        target, args = (kernels.spin, (number % 50 * 1e-6,)) if kernel else (divmod, (7, 2))
        thread = conc.Thread(target=target, args=args)
        thread.add_done_callback(lambda _, called=called: called.append(0))

        def add(first: int, thread: conc.Thread = thread, called: list[int] = called) -> None:
            for word in range(first, first + 20):
                thread.add_done_callback(lambda _, word=word: called.append(word))

        values(race(thread.start, lambda: add(1), lambda: add(21), lambda: add(41)))
        thread.join()
        assert sorted(called) == list(range(61))


def test_a_name_is_read_while_it_is_set() -> None:
    thread = conc.Thread(target=threading.Event().wait, args=(0.0,))
    done = threading.Event()

    def rename() -> None:
        try:
            for number in range(rounds(2000)):
                thread.name = f"name {number} of many, longer than what is kept for good"
        finally:
            done.set()

    def read() -> None:
        while not done.is_set():
            assert thread.name.startswith(("name ", "Thread-"))
            assert "Thread" in repr(thread)

    assert errors(race(rename, read, read, thread.start)) == []
    thread.join()


def test_places_and_usage_are_asked_for_at_the_end() -> None:
    cpus = os.sched_getaffinity(0)
    for number in range(rounds(60)):
        thread = conc.Thread(target=computing, args=(number % 200, Begun(), Witness()))

        def look(thread: conc.Thread = thread) -> None:
            while thread.ended_by is None or thread.is_alive():
                usage = thread.usage
                assert usage.wall_s is None or usage.wall_s >= 0
                assert thread.affinity in (None, cpus)
                os.sched_yield()

        def move(thread: conc.Thread = thread) -> None:
            while thread.ident is None:
                os.sched_yield()
            with contextlib.suppress(RuntimeError):  # it has ended
                thread.affinity = cpus

        assert errors(race(thread.start, look, move)) == []
        thread.join()
