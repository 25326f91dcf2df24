"""conc.Thread: a threading.Thread by behaviour, native threads for kernels, states as the kernel sees them."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from threads_support import until

import conc
from conc import _core, kernels

THREAD_TYPES = [threading.Thread, conc.Thread]


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def os_threads() -> int:
    return len(os.listdir("/proc/self/task"))


# -- as threading.Thread --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("thread_type", THREAD_TYPES)
def test_life(thread_type: type[threading.Thread]) -> None:
    begun, go = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go.wait()

    thread = thread_type(target=work, name="life")
    assert isinstance(thread, threading.Thread)
    assert (thread.ident, thread.native_id, thread.is_alive()) == (None, None, False)
    assert "initial" in repr(thread)
    thread.start()
    assert begun.wait(10)
    assert thread.is_alive()
    assert thread in threading.enumerate()
    assert "started" in repr(thread)
    assert thread.native_id in map(int, os.listdir("/proc/self/task"))
    thread.join(0.0)
    assert thread.is_alive()
    go.set()
    thread.join()
    assert not thread.is_alive()
    assert thread not in threading.enumerate()
    assert "stopped" in repr(thread)


@pytest.mark.parametrize("thread_type", THREAD_TYPES)
def test_current_thread_and_logging_see_it(thread_type: type[threading.Thread]) -> None:
    seen: list[Any] = []

    def work() -> None:
        record = logging.LogRecord("x", logging.INFO, "", 0, "", None, None)
        seen.extend([threading.current_thread(), record.threadName, threading.get_ident(), threading.get_native_id()])

    thread = thread_type(target=work, name="seen")
    thread.start()
    thread.join()
    assert seen == [thread, "seen", thread.ident, thread.native_id]


@pytest.mark.parametrize("thread_type", THREAD_TYPES)
def test_excepthook_gets_what_the_target_raises(
    thread_type: type[threading.Thread], monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", reported.append)
    error = ValueError("for the hook")

    def work() -> None:
        raise error

    thread = thread_type(target=work)
    thread.start()
    thread.join()
    assert [(args.exc_value, args.thread) for args in reported] == [(error, thread)]


@pytest.mark.parametrize("thread_type", THREAD_TYPES)
def test_trace_hooks_run_inside(thread_type: type[threading.Thread]) -> None:
    called: list[str] = []

    def work() -> None:
        pass

    def profile(frame: Any, event: str, arg: object) -> None:
        if frame.f_code is work.__code__:
            called.append(event)

    before = threading.getprofile()
    threading.setprofile(profile)
    try:
        thread = thread_type(target=work)
        thread.start()
        thread.join()
    finally:
        threading.setprofile(before)  # type: ignore[arg-type]
    assert called == ["call", "return"]


@pytest.mark.parametrize("thread_type", THREAD_TYPES)
def test_join_before_start_and_start_twice(thread_type: type[threading.Thread]) -> None:
    thread = thread_type(target=int)
    with pytest.raises(RuntimeError, match="cannot join thread before it is started"):
        thread.join()
    thread.start()
    with pytest.raises(RuntimeError, match="threads can only be started once"):
        thread.start()
    thread.join()
    with pytest.raises(RuntimeError, match="threads can only be started once"):
        thread.start()


@pytest.mark.parametrize("thread_type", THREAD_TYPES)
def test_join_self(thread_type: type[threading.Thread]) -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            threading.current_thread().join()
        except RuntimeError as error:
            errors.append(error)

    thread = thread_type(target=work)
    thread.start()
    thread.join()
    assert [str(error) for error in errors] == ["cannot join current thread"]


@pytest.mark.parametrize("thread_type", THREAD_TYPES)
def test_subclass_without_init(thread_type: type[threading.Thread]) -> None:
    class Forgetful(thread_type):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            pass

    with pytest.raises(RuntimeError, match=r"thread.__init__\(\) not called"):
        Forgetful().start()


@pytest.mark.parametrize("thread_type", THREAD_TYPES)
def test_run_may_be_overridden(thread_type: type[threading.Thread]) -> None:
    ran = threading.Event()

    class Own(thread_type):  # type: ignore[misc, valid-type]
        def run(self) -> None:
            ran.set()

    thread = Own()
    thread.start()
    thread.join()
    assert ran.is_set()


@pytest.mark.main_interpreter("daemon threads")
@pytest.mark.parametrize("thread_type", THREAD_TYPES)
def test_daemon_is_inherited_and_settable(thread_type: type[threading.Thread]) -> None:
    inherited: list[bool] = []
    thread = thread_type(target=lambda: inherited.append(thread_type().daemon), daemon=True)
    thread.start()
    thread.join()
    assert thread.daemon
    assert inherited == [True]
    later = thread_type()
    assert not later.daemon
    later.daemon = True
    assert later.daemon


@pytest.mark.parametrize("thread_type", THREAD_TYPES)
def test_thread_locals_are_its_own_and_freed_at_its_end(thread_type: type[threading.Thread]) -> None:
    class Value:
        pass

    local = threading.local()
    local.value = "of the main thread"
    refs: list[Any] = []

    def work() -> None:
        assert not hasattr(local, "value")
        local.value = Value()
        refs.append(weakref.ref(local.value))

    thread = thread_type(target=work)
    thread.start()
    thread.join()
    gc.collect()
    assert refs[0]() is None
    assert local.value == "of the main thread"


# -- what it adds ---------------------------------------------------------------------------------------------------


def test_result_and_exception() -> None:
    thread = conc.Thread(target=pow, args=[2, 10])
    thread.start()
    assert (thread.result(), thread.exception()) == (1024, None)


def test_result_of_an_overridden_run() -> None:
    class Own(conc.Thread):
        def run(self) -> str:
            return "mine"

    thread = Own(target=kernels.sleep, args=(1000,))
    thread.start()
    assert thread.result() == "mine"


def test_exception_of_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    thread = conc.Thread(target=int, args=("x",))
    thread.start()
    assert isinstance(thread.exception(), ValueError)
    with pytest.raises(ValueError, match="invalid literal"):
        thread.result()


def test_result_in_time() -> None:
    go = threading.Event()
    thread = conc.Thread(target=go.wait, name="slow")
    with pytest.raises(RuntimeError, match="before it is started"):
        thread.result()
    thread.start()
    with pytest.raises(TimeoutError, match=r"slow is still running after 0\.0 s"):
        thread.result(0.0)
    with pytest.raises(TimeoutError):
        thread.exception(timeout=0.0)
    go.set()
    assert thread.result() is True


def test_result_of_itself() -> None:
    thread: conc.Thread = conc.Thread(target=lambda: thread.result())
    thread.start()
    thread.join()
    with pytest.raises(RuntimeError, match="cannot wait for the result of current thread"):
        thread.result()


test_result_of_itself = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnhandledThreadExceptionWarning"  # the thread raises, which is the point
)(test_result_of_itself)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"group": 1}, ValueError, "group must be None"),
        ({"target": 3}, TypeError, "target must be callable, not 3"),
        ({"args": 5}, TypeError, r"args must be an iterable of arguments, not 5; .*args=\(x,\)"),
        ({"kwargs": [1]}, TypeError, r"kwargs must be a mapping .* not \[1\]"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        conc.Thread(**arguments)


@pytest.mark.parametrize("timeout", ["x", [], float("nan")])
def test_wrong_timeout(timeout: Any) -> None:
    thread = conc.Thread()
    thread.start()
    until(lambda: not thread.is_alive(), "end of an empty thread")
    with pytest.raises((TypeError, ValueError), match="timeout"):
        thread.join(timeout)


@pytest.mark.parametrize("target", [None, int, kernels.sleep])
def test_nothing_is_held_before_start(target: Any) -> None:
    before, descriptors = set(os.listdir("/proc/self/task")), open_descriptors()
    unstarted = [conc.Thread(target=target, args=(0,) if target else ()) for _ in range(50)]
    assert set(os.listdir("/proc/self/task")) <= before  # one of an earlier test may end meanwhile
    assert open_descriptors() == descriptors
    assert {thread.state for thread in unstarted} == {None}


def test_nothing_is_left_after_the_end() -> None:
    threads, descriptors = os_threads(), open_descriptors()
    for target, arguments in [(int, ()), (kernels.spin, (0.0,))] * 20:
        thread = conc.Thread(target=target, args=arguments)
        thread.start()
        thread.join()
    until(lambda: os_threads() <= threads, "the kernel forgets the threads")
    assert open_descriptors() == descriptors


def test_the_object_is_freed_with_its_target() -> None:
    class Target:
        def __call__(self) -> None:
            pass

    target = Target()
    refs = [weakref.ref(target)]
    thread = conc.Thread(target=target)
    thread.start()
    thread.join()
    del target
    assert refs[0]() is None


# -- native kernels -------------------------------------------------------------------------------------------------


@pytest.fixture
def patient_gil() -> Iterator[None]:
    """No thread is made to give up the GIL for others."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000.0)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("patient_gil")
def test_a_kernel_ends_while_the_main_thread_holds_the_gil() -> None:
    hold_gil_us = ctypes.PyDLL(None).usleep  # unlike CDLL, PyDLL keeps the GIL during the call
    gate = threading.Event()
    python, native = conc.Thread(target=gate.wait), conc.Thread(target=kernels.spin, args=(0.1,))
    python.start()
    native.start()
    gate.set()  # from here on both can end, the one if it gets the GIL
    hold_gil_us(1_000_000)
    native_ended, python_ended = not native.is_alive(), not python.is_alive()
    python.join()
    native.join()
    assert native_ended
    if getattr(sys, "_is_gil_enabled", lambda: True)():
        assert not python_ended  # it needed the GIL, so this test can tell the two apart


def test_kernel_results() -> None:
    threads = [
        conc.Thread(target=kernels.prime_factors, args=(2**31 - 1,)),
        conc.Thread(target=kernels.prime_factors, args=(12,), kwargs={}),
        conc.Thread(target=kernels.sleep, args=(0,)),
    ]
    for thread in threads:
        thread.start()
    assert [thread.result() for thread in threads] == [[2**31 - 1], [2, 2, 3], None]
    assert threads[0].result() is threads[0].result()


def test_wrong_arguments_of_a_kernel_are_an_error_of_start() -> None:
    thread = conc.Thread(target=kernels.prime_factors, args=(0,))
    with pytest.raises(ValueError, match=r"must be in 1\.\.2\*\*64-1"):
        thread.start()
    assert (thread.state, thread.is_alive()) == (None, False)


@pytest.mark.main_interpreter("daemon threads")
def test_a_kernel_thread_is_not_listed_by_threading() -> None:
    thread = conc.Thread(target=kernels.sleep, args=(1000,), daemon=True)
    thread.start()
    assert thread.is_alive()
    assert thread not in threading.enumerate()
    thread._request_stop()
    thread.join()


@pytest.mark.main_interpreter("daemon threads")
def test_a_dropped_thread_runs_on_and_frees_its_state() -> None:
    threads = os_threads()
    conc.Thread(target=kernels.spin, args=(0.05,), daemon=True).start()
    gc.collect()
    until(lambda: os_threads() <= threads, "the end of a thread that nobody holds")


# -- states ---------------------------------------------------------------------------------------------------------


def test_the_state_of_the_calling_thread() -> None:
    thread: conc.Thread = conc.Thread(target=lambda: thread.state)
    thread.start()
    assert thread.result() is conc.ThreadState.RUNNING
    assert thread.state is conc.ThreadState.ENDED


@pytest.fixture
def other_cpu() -> Iterator[int]:
    """A CPU that the calling thread leaves to others: who looks at a CPU's threads from there sees none running."""
    cpus = os.sched_getaffinity(0)
    if len(cpus) < 2:
        pytest.skip("needs two CPUs: one to look from, one to look at")
    os.sched_setaffinity(0, cpus - {min(cpus)})
    yield min(cpus)
    os.sched_setaffinity(0, cpus)


@pytest.mark.main_interpreter("daemon threads")
def test_the_states_of_kernels(other_cpu: int) -> None:
    sleeping = conc.Thread(target=kernels.sleep, args=(1000,), daemon=True)
    spinning = conc.Thread(target=kernels.spin, args=(1000,), daemon=True, affinity={other_cpu})
    sleeping.start()
    spinning.start()
    try:
        until(lambda: sleeping.state is conc.ThreadState.NOT_RUNNING, "a sleeping thread is not running")
        until(lambda: spinning.state is conc.ThreadState.RUNNING, "a spinning thread is running")
    finally:
        for thread in (sleeping, spinning):
            thread._request_stop()
            thread.join()
    assert {sleeping.state, spinning.state} == {conc.ThreadState.ENDED}


@pytest.mark.main_interpreter("daemon threads")
def test_two_spinning_threads_on_one_cpu_take_turns(other_cpu: int) -> None:
    pair = [conc.Thread(target=kernels.spin, args=(1000,), daemon=True) for _ in range(2)]
    for thread in pair:
        thread.start()
        assert thread.native_id is not None
        os.sched_setaffinity(thread.native_id, {other_cpu})
    seen: set[conc.ThreadState | None] = set()
    try:
        until(
            lambda: (
                seen.update(thread.state for thread in pair)
                or seen >= {conc.ThreadState.RUNNING, conc.ThreadState.RUNNABLE}
            ),
            "one of the two runs and one waits for the CPU",
        )
    finally:
        for thread in pair:
            thread._request_stop()
            thread.join()
    assert conc.ThreadState.NOT_RUNNING not in seen


def test_a_thread_that_waits_for_a_lock_is_not_running() -> None:
    lock = threading.Lock()
    with lock:
        thread = conc.Thread(target=lock.acquire)
        thread.start()
        until(lambda: thread.state is conc.ThreadState.NOT_RUNNING, "a thread that waits for a lock")
    thread.join()


# -- the handle -----------------------------------------------------------------------------------------------------


def test_handle_of_a_thread() -> None:
    thread = conc.Thread(target=kernels.sleep, args=(0,))
    handle = _core.ThreadHandle(thread)
    assert (handle.ident, handle.is_done()) == (None, False)
    with pytest.raises(RuntimeError, match="before it is started"):
        handle.join()
    with pytest.raises(TypeError, match=r"must be conc\._core\.Thread, not int"):
        _core.ThreadHandle(3)  # type: ignore[arg-type]
    thread.start()
    handle.join(None)
    assert (handle.ident, handle.is_done()) == (thread.ident, True)


def test_many_threads_at_once() -> None:
    go = threading.Event()
    threads = [conc.Thread(target=go.wait, name=f"many-{i}") for i in range(200)]
    for thread in threads:
        thread.start()
    assert set(threads) <= set(threading.enumerate())
    assert len({thread.native_id for thread in threads}) == 200
    go.set()
    for thread in threads:
        thread.join()
    assert not set(threads) & set(threading.enumerate())


def test_racing_starts_make_one_thread() -> None:
    for _ in range(50):
        ran: list[int] = []
        thread = conc.Thread(target=ran.append, args=(1,))
        barrier = threading.Barrier(4)
        errors: list[str] = []

        def race(
            thread: conc.Thread = thread, barrier: threading.Barrier = barrier, errors: list[str] = errors
        ) -> None:
            barrier.wait()
            try:
                thread.start()
            except RuntimeError as error:
                errors.append(str(error))

        racers = [threading.Thread(target=race) for _ in range(4)]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()
        thread.join()
        assert ran == [1]
        assert errors == ["threads can only be started once"] * 3


def raise_lookup_error() -> None:
    raise LookupError("no such thing")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("ask", [conc.Thread.result, conc.Thread.exception])
@pytest.mark.parametrize(
    ("target", "args"),
    [(raise_lookup_error, ()), (kernels.http_get, ("http://127.0.0.1:1/",))],
    ids=["python", "kernel"],
)
def test_a_kept_exception_makes_no_cycle(
    target: Callable[..., object], args: tuple[object, ...], ask: Callable[[conc.Thread], object]
) -> None:
    threads = [conc.Thread(target=target, args=args)]
    seen = weakref.ref(threads[0])
    threads[0].start()
    gc.collect()
    gc.disable()
    try:
        try:
            ask(threads.pop())  # the traceback of what result() raises keeps this frame, which must not hold the thread
        except (LookupError, OSError):
            assert ask is conc.Thread.result
        assert seen() is None
    finally:
        gc.enable()


def test_threads_about_to_begin_do_not_keep_exit_waiting() -> None:
    unstarted = conc.Thread(target=int)
    _core.join_threads()  # what interpreter exit does: it is back at once
    unstarted.start()
    _core.join_threads()
    assert unstarted.ended_by is conc.ThreadEnd.RETURNED
