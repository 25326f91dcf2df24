"""The operations that tests/no_memory/driver.py runs with failing allocations.

Each is a generator: it prepares, yields the call that is to meet the failure, is sent what came of it, and checks: the
error is a documented one, what was accepted comes to its end, and what was used works afterwards.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import conc
from conc import _core, kernels

DEADLINE_S = 5


class Outcome:
    """What came of the call that met the failure: its value, or its error; and how many allocations failed."""

    def __init__(self, value: Any, error: BaseException | None, injected: int) -> None:
        self.value = value
        self.error = error
        self.injected = injected


# What CPython itself makes of missing memory, and no code of ours can change. The first are _thread's and _io's; the
# second comes of no code of ours either: a function whose body is chr(-1) raises it likewise under
# _testcapi.set_nomemory().
CPYTHON_SAYS: dict[type[BaseException], tuple[str, ...]] = {
    RuntimeError: ("can't allocate lock", "can't allocate read lock"),
    SystemError: ("error return without exception set",),
}

Steps = Generator[Callable[[], Any], Outcome, None]

# Where CPython loses a frame and what that held: in an async function with variables that an inner function uses, whose
# arguments it loses when there is no memory for the cells (3.11). Their blocks are not counted.
CPYTHON_KEEPS = {"thread_await"}

OPERATIONS: dict[str, Callable[[], Steps]] = {}


def operation(function: Callable[[], Steps]) -> Callable[[], Steps]:
    """Register under its name."""
    OPERATIONS[function.__name__] = function
    return function


def expect(outcome: Outcome, *also: type[BaseException]) -> bool:
    """Whether it succeeded; an error must be MemoryError, or one of `also` when something failed on purpose."""
    if outcome.error is None:
        return True
    assert outcome.injected > 0, outcome.error
    if str(outcome.error) in CPYTHON_SAYS.get(type(outcome.error), ()):
        return False
    if not isinstance(outcome.error, (MemoryError, *also)):
        raise AssertionError(f"not a documented error: {outcome.error!r}") from outcome.error
    return False


def no_more_threads(outcome: Outcome) -> bool:
    """Like expect(), for what starts a thread: RuntimeError is what threading raises when there is none to be had."""
    if isinstance(outcome.error, RuntimeError):
        assert str(outcome.error).startswith(("can't start", "can't allocate lock")), outcome.error
    return expect(outcome, RuntimeError)


def comes_to_its_end(future: concurrent.futures.Future[Any], value: Any) -> None:
    """An accepted task gives its value or a MemoryError; it is never lost."""
    error = future.exception(DEADLINE_S)
    assert error is None or isinstance(error, MemoryError), repr(error)
    assert error is not None or future.result() == value


def works(pool: conc.ThreadPoolExecutor) -> None:
    """The pool takes work and ends."""
    assert pool.submit(pow, 2, 10).result(DEADLINE_S) == 1024
    assert [list(each) for each in pool.map(kernels.prime_factors, [12, 35])] == [[2, 2, 3], [5, 7]]
    pool.shutdown()


# -- threads -------------------------------------------------------------------------------------------------------


@operation
def thread_make() -> Steps:
    outcome = yield lambda: conc.Thread(target=pow, args=(2, 10))
    if expect(outcome):
        outcome.value.start()
        assert outcome.value.result(DEADLINE_S) == 1024


def _start(target: Callable[..., Any], args: tuple[Any, ...], value: Any) -> Steps:
    thread = conc.Thread(target=target, args=args)
    outcome = yield thread.start
    if not no_more_threads(outcome):
        assert thread.ident is None, f"start() raised {outcome.error!r} and started the thread"
        thread.start()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    error = thread.exception(DEADLINE_S)
    assert error is None or (isinstance(error, MemoryError) and outcome.injected), repr(error)
    assert error is not None or thread.result() == value
    assert thread not in threading.enumerate()


@operation
def thread_start() -> Steps:
    return _start(pow, (2, 10), 1024)


@operation
def thread_start_kernel() -> Steps:
    return _start(kernels.prime_factors, (2**40,), kernels.prime_factors(2**40))


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
    outcome = yield thread.start
    if not no_more_threads(outcome):
        assert thread.ident is None, f"start() raised {outcome.error!r} and started the thread"
        thread.start()
    ends(thread, outcome, 1024)
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


# -- pools ---------------------------------------------------------------------------------------------------------


@operation
def pool_make() -> Steps:
    outcome = yield lambda: conc.ThreadPoolExecutor(2)
    if expect(outcome):
        works(outcome.value)


@operation
def pool_submit() -> Steps:
    pool = conc.ThreadPoolExecutor(2)
    outcome = yield lambda: pool.submit(pow, 2, 10)
    if no_more_threads(outcome):
        comes_to_its_end(outcome.value, 1024)
    works(pool)


@operation
def pool_submit_many() -> Steps:
    pool = conc.ThreadPoolExecutor(2)
    futures: list[concurrent.futures.Future[int]] = []

    def call() -> None:
        for i in range(10):
            futures.append(pool.submit(pow, i, 2))  # noqa: PERF401  (those that were accepted are kept)
        pool.shutdown()

    outcome = yield call
    no_more_threads(outcome)
    for i, future in enumerate(futures):
        comes_to_its_end(future, i * i)
    pool.shutdown()


@operation
def pool_submit_kernel() -> Steps:
    pool = conc.ThreadPoolExecutor(2)
    outcome = yield lambda: pool.submit(kernels.prime_factors, 2**40)
    if no_more_threads(outcome):
        comes_to_its_end(outcome.value, kernels.prime_factors(2**40))
    works(pool)


@operation
def pool_submit_to_a_worker() -> Steps:
    pool = conc.ThreadPoolExecutor(1)
    pool.submit(int).result(DEADLINE_S)

    def call() -> int:
        return pool.submit(pow, 2, 10).result(DEADLINE_S)

    outcome = yield call
    expect(outcome)
    works(pool)


@operation
def pool_initializer() -> Steps:
    done: list[int] = []
    pool = conc.ThreadPoolExecutor(1, initializer=done.append, initargs=(1,))
    outcome = yield lambda: pool.submit(pow, 2, 10)
    if no_more_threads(outcome):
        error = outcome.value.exception(DEADLINE_S)
        broken = isinstance(error, concurrent.futures.thread.BrokenThreadPool)
        assert error is None or broken or isinstance(error, MemoryError), repr(error)
    pool.shutdown()


@operation
def pool_map() -> Steps:
    pool = conc.ThreadPoolExecutor(2)
    outcome = yield lambda: list(pool.map(pow, range(5), range(5)))
    if no_more_threads(outcome):
        assert outcome.value == [i**i for i in range(5)]
    works(pool)


@operation
def pool_map_kernel() -> Steps:
    pool = conc.ThreadPoolExecutor(2)
    outcome = yield lambda: list(pool.map(kernels.prime_factors, [2**40, 12, 35]))
    if no_more_threads(outcome):
        assert outcome.value == [kernels.prime_factors(n) for n in (2**40, 12, 35)]
    works(pool)


@operation
def pool_shutdown() -> Steps:
    pool = conc.ThreadPoolExecutor(2)
    gate = threading.Event()
    first = pool.submit(gate.wait, DEADLINE_S)
    rest = [pool.submit(pow, 2, 10) for _ in range(3)]
    gate.set()
    outcome = yield lambda: pool.shutdown(cancel_futures=True)
    expect(outcome)
    for future, value in zip([first, *rest], [True, 1024, 1024, 1024], strict=True):
        with contextlib.suppress(concurrent.futures.CancelledError):
            comes_to_its_end(future, value)
    pool.shutdown()


# -- futures -------------------------------------------------------------------------------------------------------


@operation
def future_set_result() -> Steps:
    future: conc.Future[int] = conc.Future()
    called: list[Any] = []
    future.add_done_callback(called.append)
    outcome = yield lambda: future.set_result(7)
    if not expect(outcome) and not future.done():
        future.set_result(7)
    assert future.result(0) == 7


@operation
def future_methods() -> Steps:
    future: conc.Future[int] = conc.Future()

    def call() -> None:
        conc.Future()
        future.add_done_callback(print_nothing)
        future.set_running_or_notify_cancel()
        future.running()
        future.set_exception(KeyError(1))
        future.exception()
        future.add_done_callback(print_nothing)
        with contextlib.suppress(KeyError):
            future.result()
        repr(future)

    outcome = yield call
    expect(outcome)
    if not future.done():
        future.set_result(3)
    assert future.done()


def print_nothing(future: object) -> None:
    """A callback."""


@operation
def future_cancel() -> Steps:
    future: conc.Future[int] = conc.Future()
    outcome = yield future.cancel
    if not expect(outcome):
        future.cancel()
    assert future.cancelled()


@operation
def future_wait() -> Steps:
    future: conc.Future[int] = conc.Future()
    future.set_result(3)
    outcome = yield lambda: concurrent.futures.wait([future], timeout=DEADLINE_S)
    expect(outcome)
    assert concurrent.futures.wait([future], timeout=DEADLINE_S).done == {future}
    assert list(concurrent.futures.as_completed([future])) == [future]


class Waiter:
    """What concurrent.futures puts among a future's waiters, less its event.

    threading.Event is left out on purpose: when there is no memory in the middle of its set(), the lock inside stays
    held, and who waits for it hangs in threading, whatever executor the future came from.
    """

    def __init__(self) -> None:
        self.finished_futures: list[object] = []

    def add_result(self, future: object) -> None:
        self.finished_futures.append(future)

    add_exception = add_cancelled = add_result


def _waiters_are_told(end: Callable[[conc.Future[Any]], object], future: conc.Future[Any]) -> Steps:
    waiters = [Waiter(), Waiter()]
    with future._condition:
        future._waiters.extend(waiters)
    outcome = yield lambda: end(future)
    expect(outcome)
    if not future.done():
        end(future)
    if outcome.error is not None and outcome.injected > 1:
        return  # there was no memory all the while: the caller knows
    until = time.monotonic() + DEADLINE_S
    while any(waiter.finished_futures != [future] for waiter in waiters):
        assert time.monotonic() < until, "a waiter was not told that a future is done, or twice"
        time.sleep(0.0005)
    assert future._condition.acquire(timeout=DEADLINE_S), "the condition was left held"
    future._condition.release()


@operation
def future_tells_waiters() -> Steps:
    return _waiters_are_told(lambda future: future.set_result(3), conc.Future())


@operation
def pool_tells_waiters() -> Steps:
    pool = conc.ThreadPoolExecutor(1)
    gate = threading.Lock()
    gate.acquire()
    future = pool.submit(gate.acquire)

    def end(future: conc.Future[bool]) -> None:
        if gate.locked() and not future.done():
            gate.release()
        for _ in range(10):
            if future.done():
                return
            time.sleep(0.001)

    yield from _waiters_are_told(end, future)
    comes_to_its_end(future, True)
    works(pool)


# -- kernels -------------------------------------------------------------------------------------------------------


@operation
def kernel_call() -> Steps:
    def call() -> Any:
        kernels.sleep(0)
        kernels.spin(0.0)
        kernels.trial_divisions(91)
        return kernels.prime_factors(2**40)

    outcome = yield call
    expect(outcome)
    assert list(kernels.prime_factors(2**40)) == [2] * 40


@operation
def kernel_wrong_argument() -> Steps:
    outcome = yield lambda: kernels.prime_factors(-1)
    assert outcome.error is not None
    if outcome.injected == 0:
        assert isinstance(outcome.error, ValueError)
    else:
        expect(outcome, ValueError)


# -- processes -----------------------------------------------------------------------------------------------------


@operation
def process_run() -> Steps:
    outcome = yield lambda: conc.run(["/bin/true"])
    if expect(outcome, OSError):
        assert outcome.value.returncode == 0
    no_child_is_left(outcome)


@operation
def process_run_cat() -> Steps:
    said = b"conc" * 50000
    outcome = yield lambda: conc.run(["/bin/cat"], input=said, capture_output=True)
    if expect(outcome, OSError):
        assert outcome.value.stdout == said
    no_child_is_left(outcome)


@operation
def process_run_timeout() -> Steps:
    def call() -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            conc.run(["/bin/sleep", "100"], timeout=0.01)

    outcome = yield call
    expect(outcome, OSError, subprocess.TimeoutExpired)
    no_child_is_left(outcome)


@operation
def process_spawn() -> Steps:
    outcome = yield lambda: conc.spawn(["/bin/cat"], stdin=conc.PIPE, stdout=conc.PIPE)
    if expect(outcome, OSError):
        assert outcome.value.communicate(b"x", DEADLINE_S) == (b"x", None)
    outcome.value = None
    no_child_is_left(outcome)


@operation
def process_communicate() -> Steps:
    child = conc.spawn(["/bin/cat"], stdin=conc.PIPE, stdout=conc.PIPE)
    outcome = yield lambda: (child.communicate(b"x" * 100000, DEADLINE_S), child.usage, child.poll())
    if expect(outcome):
        assert outcome.value[0] == (b"x" * 100000, None)
    else:  # it goes on where it was, and nothing is lost
        rest = b"x" * 100000 if child._relay is None else None
        assert child.communicate(rest, DEADLINE_S) == (b"x" * 100000, None)
    assert child.wait(DEADLINE_S) == 0
    no_child_is_left(outcome)


def no_child_is_left(outcome: Outcome) -> None:
    """Nobody is left to be waited for, neither running nor ended, once the caller has forgotten the error."""
    outcome.error = outcome.value = None
    gc.collect()
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return
    raise AssertionError(f"a child was left: pid {pid}, status {status}")


# -- the machine ---------------------------------------------------------------------------------------------------


@operation
def memory_topology() -> Steps:
    outcome = yield lambda: conc.memory.topology()
    if expect(outcome, OSError):
        assert outcome.value.nodes


@operation
def cpu_count() -> Steps:
    outcome = yield lambda: conc.cpu_count()
    if isinstance(outcome.error, TypeError):
        # os.stat() and os.fspath() take any failure to look up __fspath__ for a path of a wrong type.
        assert any(text in str(outcome.error) for text in ("path should be string", "not PosixPath")), outcome.error
    elif expect(outcome, OSError):
        assert outcome.value >= 1


@operation
def gil_status() -> Steps:
    outcome = yield conc.gil_status
    if expect(outcome):
        assert outcome.value.python == sys.version.split()[0]


@operation
def gil_reader() -> Steps:
    layout = _core.gil_layout()
    assert isinstance(layout, bytes)
    outcome = yield lambda: _core.GilReader(0, layout).read()
    if expect(outcome):
        assert len(outcome.value) >= 1
    assert len(_core.GilReader(0, layout).read()) >= 1


@operation
def gil_layout() -> Steps:
    outcome = yield _core.gil_layout
    if expect(outcome):
        assert outcome.value == _core.gil_layout()


@operation
def learned_gil_layout() -> Steps:
    """A thread that cannot be had is a reason, not an error."""
    outcome = yield _core.learned_gil_layout
    expect(outcome)
    assert isinstance(_core.learned_gil_layout(), bytes) or "builds with a GIL" in str(_core.learned_gil_layout())


@operation
def arena() -> Steps:
    def call() -> None:
        made = _core.Arena(1 << 20)
        cpu = _core.affinity()[0]
        made.touch(cpu, 1.0)
        made.build(0, 4096, 1, cpu, 1.0)
        made.chase(0, cpu, 1, 1, False, 0.001)
        made.stream("read", [cpu], 1, 1, 0.001)
        made.placement()
        made.close()

    outcome = yield call
    expect(outcome, OSError)


@operation
def statistics() -> Steps:
    def call() -> None:
        _core.statistics([1.0, 2.0, 3.0])
        _core.cpulist_parse("0-3,200")
        _core.memory_available()
        _core.stream_kernels()
        _core.page_sizes()
        _core.affinity()

    outcome = yield call
    expect(outcome, OSError)


@operation
def module_exec() -> Steps:
    def call() -> None:
        spec = importlib.util.spec_from_file_location("conc._core", sys.argv[1])
        assert spec is not None
        assert spec.loader is not None
        spec.loader.exec_module(importlib.util.module_from_spec(spec))

    outcome = yield call
    expect(outcome, OSError, ImportError)


# -- what the test of the driver needs -----------------------------------------------------------------------------


def crash_on_the_third() -> Steps:
    """Dies when its third allocation fails."""

    def call() -> None:
        for i in range(5):
            try:
                conc.Thread()
            except MemoryError:
                if i == 2:
                    os.kill(os.getpid(), signal.SIGSEGV)

    yield call


KEPT: list[object] = []


def lose_a_block() -> Steps:
    """Keeps a handle for good."""

    def call() -> None:
        with contextlib.suppress(MemoryError):
            KEPT.append(conc.Thread())

    yield call


DELIBERATE = {"crash_on_the_third": crash_on_the_third, "lose_a_block": lose_a_block}


# -- stall guards --------------------------------------------------------------------------------------------------


@operation
def stall_guard_start() -> Steps:
    """All of it or nothing: a refused start leaves no thread, descriptor or handler, and the next one works."""
    free = _core.free_signal()
    with open(os.devnull, "w") as file:
        guard = conc.stall_guard(60.0, file=file)
        outcome = yield guard.start
        if not no_more_threads(outcome):
            assert not guard.armed
            assert _core.free_signal() == free
            guard.start()
        guard.stop()
    assert _core.free_signal() == free
    assert guard.stalls == ()


# -- watches -------------------------------------------------------------------------------------------------------


@operation
def watch() -> Steps:
    def look() -> conc.Watch:
        with conc.watch(interval=0.001) as watched:
            time.sleep(0.005)
        return watched

    outcome = yield look
    # Without memory for the sampler's thread there is none to be had.
    if expect(outcome, BlockingIOError):
        assert outcome.value.raw.end_ns > outcome.value.raw.begin_ns
    assert len(look().raw.threads) >= 1
