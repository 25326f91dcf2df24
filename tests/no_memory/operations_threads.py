"""Threads and timers with failing allocations."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

from outcomes import DEADLINE_S, Outcome, Steps, expect, no_more_threads, operation

import conc
from conc import kernels


@operation
def thread_make() -> Steps:
    outcome = yield lambda: conc.Thread(target=pow, args=(2, 10))
    if expect(outcome):
        outcome.value.start()
        assert outcome.value.result(DEADLINE_S) == 1024


def _start(thread: conc.Thread, value: Any) -> Steps:
    outcome = yield thread.start
    if not no_more_threads(outcome):
        assert thread.ident is None, f"start() raised {outcome.error!r} and started the thread"
        thread.start()
    ends(thread, outcome, value)


@operation
def thread_start() -> Steps:
    return _start(conc.Thread(target=pow, args=(2, 10)), 1024)


@operation
def thread_start_kernel() -> Steps:
    return _start(conc.Thread(target=kernels.prime_factors, args=(2**40,)), kernels.prime_factors(2**40))


@operation
def thread_join() -> Steps:
    thread = conc.Thread(target=time.sleep, args=(0.002,))
    thread.start()
    outcome = yield lambda: thread.join(DEADLINE_S)
    expect(outcome)
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


@operation
def thread_result() -> Steps:
    thread = conc.Thread(target=pow, args=(2, 1000))
    thread.start()
    thread.join()
    outcome = yield lambda: (thread.result(), thread.exception(), thread.state, repr(thread))
    expect(outcome)
    assert thread.result() == 2**1000


@operation
def thread_start_placed() -> Steps:
    cpus = os.sched_getaffinity(0)
    thread = conc.Thread(target=pow, args=(2, 10), affinity=cpus)
    yield from _start(thread, 1024)
    assert thread.affinity == cpus


@operation
def thread_place_while_it_runs() -> Steps:
    cpus = os.sched_getaffinity(0)
    with waiting_thread() as (thread, go_on):

        def call() -> object:
            thread.affinity = cpus
            return thread.affinity, thread.node

        outcome = yield call
        expect(outcome)
        thread.affinity = cpus
        go_on()
        ends(thread, outcome, True)


def ends(thread: conc.Thread, outcome: Outcome, value: Any) -> None:
    """It comes to its end, with its value or with what the failure made of it."""
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    error = thread.exception(DEADLINE_S)
    assert error is None or (isinstance(error, MemoryError) and outcome.injected), repr(error)
    assert error is not None or thread.result() == value
    assert thread not in threading.enumerate()


@contextlib.contextmanager
def waiting_thread() -> Generator[tuple[conc.Thread, Callable[[], None]], None, None]:
    """A thread whose target waits in C until it is let go, and then returns True.

    start() does not wait for the new thread: what that allocates on its way into the target would be counted as, or
    fail in place of, what the armed call allocates. So it says when it is there, and allocates nothing from then on.
    """
    there, gate = threading.Lock(), threading.Lock()
    there.acquire()
    gate.acquire()

    def wait() -> bool:
        there.release()
        return gate.acquire()

    thread = conc.Thread(target=wait)
    thread.start()
    assert there.acquire(timeout=DEADLINE_S), "the target has not begun"
    try:
        yield thread, gate.release
    finally:
        with contextlib.suppress(RuntimeError):  # it was let go
            gate.release()


def _stop(target: Callable[..., Any], args: tuple[Any, ...]) -> Steps:
    thread = conc.Thread(target=target, args=args)
    thread.start()
    outcome = yield lambda: thread.stop(0)
    expect(outcome)
    assert thread.stop(DEADLINE_S).ended
    error = thread.exception()
    assert isinstance(error, conc.ThreadStopped) or (outcome.injected and isinstance(error, MemoryError)), repr(error)


@operation
def thread_stop() -> Steps:
    def loop() -> None:
        while True:
            pass

    return _stop(loop, ())


@operation
def thread_stop_kernel() -> Steps:
    return _stop(kernels.sleep, (3600,))


def _stop_in_a_shield() -> None:
    with conc.shield():
        threading.current_thread()._interrupt()  # type: ignore[attr-defined]
        conc.stop_requested()
    while True:
        pass


@operation
def thread_stop_in_a_shield() -> Steps:
    thread = conc.Thread(target=_stop_in_a_shield)
    outcome = yield lambda: (thread.start(), thread.join(0.01))
    no_more_threads(outcome)
    if thread.ident is not None:
        assert thread.stop(DEADLINE_S).ended
        error = thread.exception()
        stopped = isinstance(error, conc.ThreadStopped)
        assert stopped or (outcome.injected and isinstance(error, MemoryError)), repr(error)


def _add_callback(thread: conc.Thread, end: Callable[[], object]) -> Steps:
    called: list[int] = []
    thread.add_done_callback(lambda _: called.append(1))
    outcome = yield lambda: thread.add_done_callback(lambda _: called.append(2))
    accepted = expect(outcome)
    thread.add_done_callback(lambda _: called.append(3))
    end()
    thread.join(DEADLINE_S)
    assert called == ([1, 2, 3] if accepted else [1, 3]), called


@operation
def thread_add_callback() -> Steps:
    with waiting_thread() as (thread, go_on):
        yield from _add_callback(thread, go_on)


@operation
def thread_add_callback_to_a_kernel() -> Steps:
    thread = conc.Thread(target=kernels.sleep, args=(3600,))
    thread.start()
    return _add_callback(thread, thread._interrupt)


@operation
def thread_calls_back() -> Steps:
    """The thread that ends is the one without memory; what it cannot call it reports."""
    called: list[conc.Thread] = []
    with waiting_thread() as (thread, go_on):
        thread.add_done_callback(called.append)
        outcome = yield lambda: (go_on(), thread.join(DEADLINE_S))
        expect(outcome)
        ends(thread, outcome, True)
    assert called == [thread] or outcome.injected


async def _result_of(thread: conc.Thread) -> Any:
    return await thread


@operation
def thread_await() -> Steps:
    """The first step of an await, which the loop makes; giving it up leaves nothing."""
    loop = asyncio.new_event_loop()
    with waiting_thread() as (thread, go_on):
        coroutine = _result_of(thread)

        def call() -> object:
            asyncio._set_running_loop(loop)
            return coroutine.send(None)

        outcome = yield call
        asyncio._set_running_loop(None)
        coroutine.close()
        if expect(outcome):
            assert [held for held in gc.get_referents(thread) if type(held) is list and held] == []
        go_on()
        assert loop.run_until_complete(_result_of(thread)) is True
    loop.close()


@operation
def thread_wakes_who_awaits() -> Steps:
    """The thread that ends is the one without memory: who awaits it is woken all the same."""
    loop = asyncio.new_event_loop()
    with waiting_thread() as (thread, go_on):
        task = loop.create_task(_result_of(thread))
        loop.run_until_complete(asyncio.sleep(0))
        outcome = yield lambda: (go_on(), thread.join(DEADLINE_S))
        expect(outcome)
        with contextlib.suppress(RuntimeError):  # it was let go
            go_on()
        thread.join(DEADLINE_S)
        loop.run_until_complete(asyncio.wait([task], timeout=DEADLINE_S))
    assert task.done(), "the thread has ended, and nobody woke who awaits it"
    assert task.exception() is None or (outcome.injected and isinstance(task.exception(), MemoryError)), task
    loop.close()


@operation
def timer() -> Steps:
    def call() -> conc.Timer:
        made = conc.Timer(0, pow, (2, 10))
        made.start()
        return made

    outcome = yield call
    if no_more_threads(outcome):
        outcome.value.join(DEADLINE_S)
        error = outcome.value.exception(DEADLINE_S)
        assert error is None or outcome.injected, repr(error)
        assert error is not None or outcome.value.result() == 1024
