"""Each lane by itself: what it returns, what it says when it cannot, and what it leaves behind."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import signal
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any

import pytest

import conc
from conc._threading_shim import daemon_threads_allowed
from conc.comparison.lanes import LANES, _fork_server, lane_class
from conc.comparison.lanes.base import CannotRun, ItemFailed, Lane, OutOfTime
from conc.comparison.workload import Workload

pytestmark = pytest.mark.newest  # Python on top of the C module

PATIENCE_S = 60.0
PYTHON_LANES = ("sequential", "threads", "native-threads", "processes")


def double(n: int) -> int:
    return 2 * n


async def double_later(n: int) -> int:
    await asyncio.sleep(0)
    return 2 * n


def fail_at_seven(n: int) -> int:
    if n == 7:
        raise LookupError("seven is\nmissing")
    return n


async def fail_at_seven_later(n: int) -> int:
    await asyncio.sleep(0)
    return fail_at_seven(n)


def workload(fn: Callable[[Any], Any] = double, items: Any = range(100), **twins: Any) -> Workload:
    return Workload("test", fn, list(items), **twins)


def made(name: str, work: Workload, workers: int = 2) -> Lane:
    """The lane; the test is skipped where a subinterpreter cannot have it."""
    lane = lane_class(name)(work, workers)
    if name == "processes" and not daemon_threads_allowed():
        pytest.skip(str(lane.unavailable()))
    return lane


@contextmanager
def started(name: str, work: Workload, workers: int = 2) -> Iterator[Lane]:
    lane = made(name, work, workers)
    assert lane.unavailable() is None
    try:
        lane.start(PATIENCE_S)
        yield lane
    finally:
        lane.stop(1.0)


def threads_now() -> set[str]:
    return set(os.listdir("/proc/self/task"))


def all_ended(threads: set[str]) -> bool:
    """Whether the kernel has taken away what was joined: that happens a moment after the join."""
    deadline = time.monotonic() + PATIENCE_S
    while threads & threads_now():
        if time.monotonic() > deadline:
            return False
        os.sched_yield()
    return True


@pytest.mark.parametrize("name", LANES)
@pytest.mark.parametrize("items", [[], [5], list(range(1000))])
def test_results_in_order_twice(name: str, items: list[int]) -> None:
    fn = conc.kernels.trial_divisions if name == "native" else double
    work = workload(fn, items, native=conc.kernels.trial_divisions, coroutine=double_later)
    items = [item + 1 for item in items]
    with started(name, work) as lane:
        for _ in range(2):
            assert lane.run(items, PATIENCE_S) == list(map(fn, items))


@pytest.mark.parametrize("name", LANES)
def test_nothing_is_left(name: str) -> None:
    work = workload(native=conc.kernels.prime_factors, coroutine=double_later)
    before = threads_now()
    lane = made(name, work, 3)
    lane.start(PATIENCE_S)
    lane.run([1, 2, 3], PATIENCE_S)
    new_threads = threads_now() - before
    assert lane.stop() == 0
    assert lane.stop() == 0
    assert all_ended(new_threads)
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("name", [*PYTHON_LANES, "asyncio"])
def test_the_failing_item_is_named(name: str) -> None:
    work = workload(fail_at_seven, coroutine=fail_at_seven_later)
    with started(name, work) as lane, pytest.raises(ItemFailed) as caught:
        lane.run(work.items, PATIENCE_S)
    assert (caught.value.index, caught.value.kind, caught.value.message) == (7, "LookupError", "seven is missing")


def test_the_failing_item_of_a_kernel_is_named() -> None:
    work = workload(native=conc.kernels.prime_factors)
    with started("native", work) as lane, pytest.raises(ItemFailed) as caught:
        lane.run([4, 5, -1, 6], PATIENCE_S)
    assert (caught.value.index, caught.value.kind) == (2, "ValueError")


def stop_iteration_at_three(n: int) -> int:
    if n == 3:
        raise StopIteration
    return n


def exit_at_three(n: int) -> int:
    if n == 3:
        raise SystemExit("leaving")
    return n


@pytest.mark.parametrize("name", PYTHON_LANES)
@pytest.mark.parametrize(("fn", "kind"), [(stop_iteration_at_three, "StopIteration"), (exit_at_three, "SystemExit")])
def test_exceptions_that_mean_something_to_python_are_failures(name: str, fn: Callable[[int], int], kind: str) -> None:
    with started(name, workload(fn, range(10))) as lane, pytest.raises(ItemFailed) as caught:
        lane.run(lane.workload.items, PATIENCE_S)
    assert (caught.value.index, caught.value.kind) == (3, kind)


async def cancel_itself(n: int) -> int:
    if n == 3:
        raise asyncio.CancelledError("by the item")
    return n


def test_a_coroutine_that_raises_cancelled_error_has_failed() -> None:
    with started("asyncio", workload(cancel_itself, range(10))) as lane, pytest.raises(ItemFailed) as caught:
        lane.run(lane.workload.items, PATIENCE_S)
    assert (caught.value.index, caught.value.kind) == (3, "CancelledError")


def test_a_twin_that_gives_no_awaitable_has_failed() -> None:
    with started("asyncio", workload(coroutine=double)) as lane, pytest.raises(ItemFailed) as caught:
        lane.run([1], PATIENCE_S)
    assert (caught.value.index, caught.value.kind) == (0, "TypeError")


@pytest.mark.parametrize("name", LANES)
def test_a_workload_without_the_twin(name: str) -> None:
    reason = made(name, workload()).unavailable()
    assert (reason is None) == (name in PYTHON_LANES)
    assert name in PYTHON_LANES or "twin" in str(reason)


@pytest.mark.parametrize("name", [name for name in LANES if name != "asyncio"])
def test_an_async_function_runs_on_a_loop_only(name: str) -> None:
    assert lane_class("asyncio")(workload(double_later), 2).unavailable() is None
    reason = lane_class(name)(workload(double_later), 2).unavailable()
    assert reason is not None
    assert name == "native" or "async def" in reason


class AsyncCallable:
    """An object whose call is an ``async def``."""

    async def __call__(self, n: int) -> int:
        return 2 * n


def test_an_object_with_an_async_call_is_its_own_twin() -> None:
    with started("asyncio", workload(AsyncCallable())) as lane:
        assert lane.run([1, 2], PATIENCE_S) == [2, 4]


@pytest.mark.parametrize("name", ["native", "asyncio", "threads"])
def test_what_the_workload_lacks_is_the_reason(name: str) -> None:
    assert lane_class(name)(workload(missing={name: "install it"}), 2).unavailable() == "install it"


# -- setup -------------------------------------------------------------------------------------------------------------

prepared = threading.local()


def prepare() -> None:
    prepared.count = getattr(prepared, "count", 0) + 1


def preparations(_: int) -> int:
    return getattr(prepared, "count", 0)


async def preparations_later(_: int) -> int:
    return preparations(_)


@pytest.mark.parametrize("name", [*PYTHON_LANES, "asyncio"])
def test_setup_runs_once_on_every_worker(name: str) -> None:
    prepared.count = 0
    work = workload(preparations, coroutine=preparations_later, setup=prepare)
    with started(name, work, workers=3) as lane:
        assert set(lane.run(work.items, PATIENCE_S)) == {1}
        assert set(lane.run(work.items, PATIENCE_S)) == {1}


def refuse() -> None:
    raise PermissionError("not today")


@pytest.mark.parametrize("name", [*PYTHON_LANES, "asyncio"])
def test_setup_that_raises(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    lane = made(name, workload(coroutine=double_later, setup=refuse))
    with pytest.raises(ItemFailed) as caught:
        lane.start(PATIENCE_S)
    lane.stop(1.0)
    assert (caught.value.index, caught.value.kind, caught.value.message) == (None, "PermissionError", "not today")
    assert capfd.readouterr().err == ""


# -- processes ---------------------------------------------------------------------------------------------------------


def die_at_seven(n: int) -> int:
    if n == 7 and multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return n


def leave_at_seven(n: int) -> int:
    if n == 7 and multiprocessing.parent_process() is not None:
        os._exit(3)
    return n


@pytest.mark.parametrize(("fn", "how"), [(die_at_seven, "killed by SIGKILL"), (leave_at_seven, "exited with status 3")])
def test_a_worker_process_that_dies(fn: Callable[[int], int], how: str) -> None:
    with started("processes", workload(fn)) as lane, pytest.raises(CannotRun, match=how):
        lane.run(lane.workload.items, PATIENCE_S)
    assert multiprocessing.active_children() == []


def leave() -> None:
    if multiprocessing.parent_process() is not None:
        os._exit(4)


@pytest.mark.main_interpreter("daemon threads, which process pools need")
def test_worker_processes_that_die_while_they_start() -> None:
    lane = lane_class("processes")(workload(setup=leave), 2)
    with pytest.raises(CannotRun, match="exited with status 4"):
        lane.start(PATIENCE_S)
    assert lane.stop(1.0) == 0
    assert multiprocessing.active_children() == []


def test_a_pool_that_breaks_while_work_is_handed_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise BrokenProcessPool("gone")

    monkeypatch.setattr(ProcessPoolExecutor, "submit", broken)
    lane = lane_class("processes")(workload(), 2)
    with pytest.raises(CannotRun, match="a worker process died"):
        lane.start(PATIENCE_S)
    assert lane.stop(1.0) == 0


def test_a_function_that_cannot_be_pickled() -> None:
    lock = threading.Lock()
    lane = lane_class("processes")(workload(lambda n: lock and n), 2)
    with pytest.raises(CannotRun, match="function cannot be pickled"):
        lane.start(PATIENCE_S)
    assert lane.stop() == 0


def test_an_item_that_cannot_be_pickled() -> None:
    items = [*range(20), threading.Lock()]
    with started("processes", workload(id)) as lane, pytest.raises(CannotRun, match="item 20 cannot be pickled"):
        lane.run(items, PATIENCE_S)


def lock_at_five(n: int) -> Any:
    return threading.Lock() if n == 5 else n


def test_a_result_that_cannot_be_pickled() -> None:
    with started("processes", workload(lock_at_five)) as lane, pytest.raises(CannotRun, match="result of item 5"):
        lane.run(lane.workload.items, PATIENCE_S)


class OneWay:
    """Can be pickled, and not be unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("not a number",)


def test_an_item_that_cannot_be_unpickled() -> None:
    with started("processes", workload(id)) as lane, pytest.raises(CannotRun, match="cannot be unpickled"):
        lane.run([OneWay()], PATIENCE_S)


def test_a_result_that_cannot_be_unpickled() -> None:
    with started("processes", workload(lambda _: OneWay())) as lane, pytest.raises(CannotRun, match="unpickled"):
        lane.run([1], PATIENCE_S)


def test_functions_and_classes_without_a_module_travel() -> None:
    class Local:
        def __init__(self, n: int) -> None:
            self.n = n

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Local) and self.n == other.n

        __hash__ = None  # type: ignore[assignment]

    with started("processes", workload(lambda item: Local(item.n + 1))) as lane:
        assert lane.run([Local(1), Local(2)], PATIENCE_S) == [Local(2), Local(3)]


def test_worker_processes_report_what_they_used() -> None:
    with started("processes", workload(conc.kernels.spin)) as lane:
        before, actors = lane.counters(), lane.actor_cpu_s()
        lane.run([0.05] * 4, PATIENCE_S)
        used = lane.counters().cpu_s - before.cpu_s
        each = [after - was for was, after in zip(actors, lane.actor_cpu_s(), strict=True)]
        lane.measure_memory()
    assert len(each) == 2
    assert used >= sum(each) > 0
    assert lane.memory_per_actor_bytes is not None
    assert lane.memory_per_actor_bytes > 100_000


def pid_after_a_while(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def test_every_worker_process_is_ready_after_the_start() -> None:
    with started("processes", workload(pid_after_a_while), workers=3) as lane:
        assert len(lane.actor_cpu_s()) == 3


# -- time and ends -----------------------------------------------------------------------------------------------------


async def sleep_later(seconds: float) -> None:
    await asyncio.sleep(seconds)


@pytest.mark.parametrize("name", LANES)
def test_a_run_ends_with_its_time(name: str) -> None:
    work = workload(time.sleep, native=conc.kernels.sleep, coroutine=sleep_later)
    with started(name, work, workers=1) as lane, pytest.raises(OutOfTime) as caught:
        lane.run([0.05] * 100, 0.2)
    assert len(caught.value.results) < 100
    assert name != "sequential" or caught.value.results


def test_an_item_that_raises_timeout_error_has_failed() -> None:
    def late(n: int) -> int:
        raise TimeoutError(f"item {n}")

    with started("threads", workload(late)) as lane, pytest.raises(ItemFailed) as caught:
        lane.run([3], PATIENCE_S)
    assert (caught.value.kind, caught.value.message) == ("TimeoutError", "item 3")


@pytest.mark.parametrize("name", ["threads", "native-threads"])
def test_threads_that_run_an_item_are_left_and_counted(name: str) -> None:
    entered, leave = threading.Event(), threading.Event()

    def wait_for_leave(n: int) -> int:
        entered.set()
        leave.wait(PATIENCE_S)
        return n

    lane = lane_class(name)(workload(wait_for_leave), 1)
    lane.start(PATIENCE_S)
    with pytest.raises(OutOfTime):
        lane.run([1], 0.1)
    assert entered.wait(PATIENCE_S)
    try:
        assert lane.stop(0.05) == 1
    finally:
        leave.set()


def test_too_many_threads_are_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    lane = lane_class("threads")(workload(), 2)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse_start)
        with pytest.raises(CannotRun, match="2 threads cannot be started: can't start new thread"):
            lane.start(PATIENCE_S)
    lane.stop(0.1)


# -- the event loop's session ------------------------------------------------------------------------------------------

current: ContextVar[str] = ContextVar("current", default="outside")


def test_the_session_encloses_every_item_and_ends_with_the_lane() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def session() -> AsyncIterator[None]:
        token = current.set("inside")
        seen.append("open")
        try:
            yield
        finally:
            current.reset(token)
            seen.append("closed")

    async def look(_: int) -> str:
        await asyncio.sleep(0)
        return current.get()

    with started("asyncio", workload(look, session=session)) as lane:
        assert lane.run([1, 2, 3], PATIENCE_S) == ["inside"] * 3
        assert lane.run([1], PATIENCE_S) == ["inside"]
        assert seen == ["open"]
    assert seen == ["open", "closed"]


def test_a_session_that_cannot_be_opened() -> None:
    @asynccontextmanager
    async def session() -> AsyncIterator[None]:
        raise ConnectionError("no network")
        yield

    lane = lane_class("asyncio")(workload(double_later, session=session), 2)
    with pytest.raises(ItemFailed) as caught:
        lane.start(PATIENCE_S)
    assert lane.stop(1.0) == 0
    assert (caught.value.kind, caught.value.message) == ("ConnectionError", "no network")


def test_at_most_workers_coroutines_at_a_time() -> None:
    running = most = 0

    async def count(_: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1

    with started("asyncio", workload(count), workers=3) as lane:
        lane.run(list(range(20)), PATIENCE_S)
    assert most == 3


def test_an_unknown_lane_names_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="no lane 'fibres'; the lanes are sequential, threads, native-threads"):
        lane_class("fibres")


def test_a_stopped_event_loop_is_gone_without_the_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        lane = lane_class("asyncio")(workload(coroutine=double_later), 2)
        lane.start(PATIENCE_S)
        assert lane.run([1, 2], PATIENCE_S) == [2, 4]
        assert lane.stop() == 0
        seen = weakref.ref(lane)
        del lane
        assert seen() is None
    finally:
        gc.enable()


def hold(begun: Any, go_on: Any) -> None:
    begun.set()
    go_on.wait()


@pytest.mark.main_interpreter("daemon threads, which process pools need")
def test_somebody_else_uses_the_fork_server_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conc.comparison.lanes.processes.default_start_method", lambda: "forkserver")
    _fork_server.stop()
    context = multiprocessing.get_context("forkserver")
    begun, go_on = context.Event(), context.Event()
    other = context.Process(target=hold, args=(begun, go_on))
    with started("processes", workload()) as lane:
        other.start()
        begun.wait()
        assert lane.run(lane.workload.items, PATIENCE_S) == [double(n) for n in range(100)]
    assert _fork_server.runs()
    assert other.is_alive()
    go_on.set()
    other.join()
    assert other.exitcode == 0
    _fork_server.stop()
    assert not _fork_server.runs()
