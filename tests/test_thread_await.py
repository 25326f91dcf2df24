"""``await thread``, on any loop: its result, and what becomes of an await that is given up."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from threads_support import LONG_S, Gate, held, started

import conc
from conc import kernels

Run = Callable[[Coroutine[Any, Any, Any]], Any]


def run_with_uvloop(coroutine: Coroutine[Any, Any, Any]) -> Any:
    import uvloop  # type: ignore[import-not-found]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


@pytest.fixture(
    params=[asyncio.run, pytest.param(run_with_uvloop, marks=pytest.mark.main_interpreter("uvloop"))],
    ids=["asyncio", "uvloop"],
)
def run(request: pytest.FixtureRequest) -> Run:
    if request.param is run_with_uvloop:
        pytest.importorskip("uvloop", reason="uvloop is not installed: free-threaded 3.13 has no wheel of it")
    chosen: Run = request.param
    return chosen


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Whatever waits in it is let go at the end."""
    gate = Gate()
    yield gate
    gate.go_on.set()


async def result_of(thread: conc.Thread) -> Any:
    return await thread


async def reached(event: threading.Event) -> None:
    """Wait for an event of another thread on the loop."""
    await asyncio.get_running_loop().run_in_executor(None, event.wait)


def callbacks_of(thread: conc.Thread) -> list[object]:
    """What a thread would call at its end: what the collector sees of it."""
    return [item for held in gc.get_referents(thread) if type(held) is list for item in held]


@pytest.mark.parametrize(
    ("target", "args", "value"),
    [(pow, (2, 10), 1024), (kernels.prime_factors, (12,), [2, 2, 3]), (None, (), None)],
    ids=["python", "kernel", "nothing"],
)
def test_it_is_the_result(run: Run, target: Any, args: tuple[Any, ...], value: Any) -> None:
    async def main() -> list[Any]:
        thread = conc.Thread(target=target, args=args)
        thread.start()
        return [await thread, await thread]

    assert run(main()) == [value, value]


@pytest.mark.parametrize("kernel", [False, True], ids=["python", "kernel"])
def test_the_loop_goes_on_while_the_thread_runs(run: Run, kernel: bool, gate: Gate) -> None:
    async def main() -> list[str]:
        seen: list[str] = []
        thread = started(kernels.sleep, LONG_S) if kernel else started(gate)

        async def let_go() -> None:
            for turn in range(3):
                await asyncio.sleep(0)
                seen.append(f"turn {turn}")
            gate.go_on.set()
            thread._request_stop()  # of the kernel: in the gate an exception might leave the event's lock held

        other = asyncio.ensure_future(let_go())
        try:
            await thread
        except conc.ThreadStopped:
            seen.append("stopped")
        await other
        return seen

    assert run(main())[:3] == ["turn 0", "turn 1", "turn 2"]


def test_what_the_target_raises(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda args: None)

    async def main() -> None:
        thread = started(int, "x")
        for _ in range(2):
            with pytest.raises(ValueError, match="invalid literal"):
                await thread

    run(main())


def test_one_that_is_stopped(run: Run) -> None:
    async def main() -> None:
        thread = started(kernels.sleep, LONG_S)
        waiting = asyncio.ensure_future(result_of(thread))
        await asyncio.sleep(0)
        assert thread.stop(10).ended
        with pytest.raises(conc.ThreadStopped):
            await waiting

    run(main())


def test_one_that_was_not_started(run: Run) -> None:
    async def main() -> None:
        thread = conc.Thread(target=int)
        with pytest.raises(RuntimeError, match="cannot await thread before it is started"):
            await thread
        thread.start()
        assert await thread == 0

    run(main())


def test_the_calling_thread(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda args: None)

    def target() -> None:
        run(result_of(thread))

    thread: conc.Thread = conc.Thread(target=target)
    thread.start()
    error = thread.exception()
    assert isinstance(error, RuntimeError)
    assert str(error) == "cannot await current thread"


def test_in_a_done_callback_the_outcome_is_there() -> None:
    seen: list[Any] = []
    thread = conc.Thread(target=pow, args=(2, 3))
    thread.add_done_callback(lambda thread: seen.append(asyncio.run(result_of(thread))))
    thread.start()
    thread.join()
    assert seen == [8]


def test_gathered_several_times(run: Run, gate: Gate) -> None:
    async def main() -> Any:
        thread = started(gate)
        waiting = asyncio.gather(thread, thread, result_of(thread), result_of(thread))
        await asyncio.sleep(0)
        gate.go_on.set()
        return await waiting

    assert run(main()) == ["through the gate"] * 4


def test_many_threads_on_one_loop(run: Run) -> None:
    async def main() -> Any:
        return await asyncio.gather(*[started(pow, number, 2) for number in range(50)])

    assert run(main()) == [number**2 for number in range(50)]


def test_on_several_loops_at_once(gate: Gate) -> None:
    thread = started(gate)
    results: list[Any] = []
    waiting = threading.Barrier(5)

    async def main() -> None:
        task = asyncio.ensure_future(result_of(thread))
        await asyncio.sleep(0)
        waiting.wait()
        results.append(await task)

    loops = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(4)]
    for loop in loops:
        loop.start()
    waiting.wait()
    gate.go_on.set()
    for loop in loops:
        loop.join()
    assert results == ["through the gate"] * 4


@pytest.mark.parametrize("kernel", [False, True], ids=["python", "kernel"])
def test_cancelling_an_await_leaves_the_thread(run: Run, kernel: bool) -> None:
    with held(kernel) as thread:

        async def main() -> None:
            tasks = [asyncio.ensure_future(result_of(thread)) for _ in range(3)]
            await asyncio.sleep(0)
            assert len(callbacks_of(thread)) == 3
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert all(task.cancelled() for task in tasks)

        run(main())
        assert callbacks_of(thread) == []
        assert thread.is_alive()


def test_a_timeout_leaves_the_thread(run: Run) -> None:
    with held() as thread:

        async def main() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(result_of(thread), 0.01)

        run(main())
        assert thread.is_alive()
        assert callbacks_of(thread) == []


def test_a_loop_that_is_closed_before_the_end_is_forgotten(gate: Gate) -> None:
    """Nobody waits any more: the end finds a closed loop and says nothing, and afterwards nothing holds the loop."""
    thread = started(gate)
    loop = asyncio.new_event_loop()
    task = loop.create_task(result_of(thread))
    loop.run_until_complete(asyncio.sleep(0))
    assert len(callbacks_of(thread)) == 1
    loop.close()
    gate.go_on.set()
    thread.join()
    assert thread.result() == "through the gate"
    assert callbacks_of(thread) == []
    seen = weakref.ref(loop)
    loop.call_exception_handler = lambda context: None  # type: ignore[method-assign]  # of a task that is destroyed
    del task, loop
    gc.collect()
    assert seen() is None


MANY = 300  # a few tenths of a second without memory


def test_a_wake_up_that_finds_no_memory_is_tried_until_there_is_some(run: Run) -> None:
    async def main() -> Any:
        loop, tries = asyncio.get_running_loop(), []

        class Poor:
            """The loop, as the thread sees it that wakes it."""

            def __getattr__(self, name: str) -> Any:
                return getattr(loop, name)

            def call_soon_threadsafe(self, *args: Any) -> Any:
                tries.append(args)
                if len(tries) < MANY:
                    raise MemoryError
                return loop.call_soon_threadsafe(*args)

        gate = Gate()
        thread = started(gate)
        asyncio._set_running_loop(Poor())
        coroutine = result_of(thread)
        waits_for = coroutine.send(None)
        asyncio._set_running_loop(loop)
        gate.go_on.set()
        waits_for._asyncio_future_blocking = False
        await waits_for
        with pytest.raises(StopIteration) as end:
            coroutine.send(None)
        return len(tries), end.value.value

    assert run(main()) == (MANY, "through the gate")


def test_nothing_is_left_of_an_await(run: Run) -> None:
    thread = started(Gate().inside.set)

    async def main() -> Any:
        await thread
        return weakref.ref(asyncio.get_running_loop())

    loop = run(main())
    gc.collect()
    assert loop() is None
    assert callbacks_of(thread) == []


def test_an_await_ends_when_the_outcome_is_known(run: Run) -> None:
    """Callbacks that were added before the await are called before it ends."""
    told: list[str] = []

    async def main() -> None:
        gate = Gate()
        thread = conc.Thread(target=gate)
        thread.add_done_callback(lambda _: told.append("called"))
        thread.start()
        await reached(gate.inside)
        waiting = asyncio.ensure_future(result_of(thread))
        await asyncio.sleep(0)
        gate.go_on.set()
        await waiting
        told.append("awaited")

    run(main())
    assert told == ["called", "awaited"]


def test_outside_of_a_loop() -> None:
    thread = started(int)
    iterator = thread.__await__()
    with pytest.raises(RuntimeError, match="no running event loop"):
        next(iterator)
