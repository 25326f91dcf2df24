"""What is handed to conc dies with its last user, at once: no reference cycle waits for the collector."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from leak_actors import Refusal, quiet
from leak_table import refused

import conc


class Handed:
    """Something to hand over whose end can be seen."""

    def __call__(self, *args: object) -> object:
        return args[0] if args else None


class Raising(Handed):
    def __call__(self, *args: object) -> object:
        raise Refusal


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def thread_of(target: Callable[..., object], argument: object) -> conc.Thread:
    thread = conc.Thread(target=target, args=(argument,))
    thread.start()
    thread.join()
    return thread


def thread_runs(target: Handed, argument: Handed) -> None:
    assert thread_of(target, argument).result() is argument


def thread_never_starts(target: Handed, argument: Handed) -> None:
    conc.Thread(target=target, args=(argument,))


def thread_is_asked_for_its_exception(target: Handed, argument: Handed) -> None:
    with quiet():
        assert type(thread_of(Raising(), (target, argument)).exception()) is Refusal


def thread_raises_what_it_raised(target: Handed, argument: Handed) -> None:
    with quiet():
        refused(Refusal, thread_of(Raising(), (target, argument)).result)


def thread_refers_to_itself(target: Handed, argument: Handed) -> None:
    thread = conc.Thread(target=lambda: target(argument, thread) and None)
    thread.start()
    thread.join()


def pool_runs(target: Handed, argument: Handed) -> None:
    with conc.ThreadPoolExecutor(1) as pool:
        assert pool.submit(target, argument).result() is argument
        assert list(pool.map(target, [argument])) == [argument]


def pool_call_raises(target: Handed, argument: Handed) -> None:
    with conc.ThreadPoolExecutor(1) as pool:
        refused(Refusal, pool.submit(Raising(), target, argument).result)


def pool_cancels(target: Handed, argument: Handed) -> None:
    begun, go = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        go.wait()

    with conc.ThreadPoolExecutor(1) as pool:
        pool.submit(hold)
        begun.wait()
        future = pool.submit(target, argument)
        pool.shutdown(wait=False, cancel_futures=True)
        assert future.cancelled()
        go.set()


def pool_is_initialized(target: Handed, argument: Handed) -> None:
    with conc.ThreadPoolExecutor(1, initializer=target, initargs=(argument,)) as pool:
        pool.submit(int).result()


def future_holds(target: Handed, argument: Handed) -> None:
    future: conc.Future[Any] = conc.Future()
    future.add_done_callback(target)
    future.set_result(argument)


def comparison_runs(target: Handed, argument: Handed) -> None:
    conc.compare(lambda item: target(argument) is item, [1], lanes=["sequential", "threads"], workers=2, repeats=1)


@pytest.mark.parametrize(
    "use",
    [
        thread_runs,
        thread_never_starts,
        thread_is_asked_for_its_exception,
        thread_raises_what_it_raised,
        thread_refers_to_itself,
        pool_runs,
        pool_call_raises,
        pool_cancels,
        pool_is_initialized,
        future_holds,
        comparison_runs,
    ],
)
def test_what_was_handed_over_is_gone(use: Callable[[Handed, Handed], None]) -> None:
    target, argument = Handed(), Handed()
    seen = [weakref.ref(target), weakref.ref(argument)]
    use(target, argument)
    del target, argument
    assert [reference() for reference in seen] == [None, None]


def test_a_dropped_thread_ends_and_is_gone() -> None:
    go = threading.Event()
    thread = conc.Thread(target=go.wait)
    thread.start()
    seen = weakref.ref(thread)
    del thread
    assert seen() is not None  # it runs: threading lists it
    go.set()
    conc._core.join_threads()
    assert seen() is None
