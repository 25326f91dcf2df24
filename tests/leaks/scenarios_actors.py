"""Leak scenarios: threads and kernels."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import socket
import threading
import warnings

from leak_actors import ARGUMENT, RESULT, TARGET, Refusal, Witness, fail, quiet, started
from leak_table import covers, refused

import conc
from conc import _core
from conc._threading_shim import bind_core, daemon_threads_allowed


@covers("conc.Thread", "conc.Thread.*", "conc.ThreadState")
def thread_runs_python() -> None:
    go = threading.Event()

    def target(*args: object, **kwargs: object) -> Witness:
        go.wait()
        return TARGET(*args, **kwargs)

    thread = conc.Thread(target=target, name="first", args=(ARGUMENT,), kwargs={"key": ARGUMENT}, daemon=False)
    assert thread.state is None
    refused(RuntimeError, thread.join)
    refused(RuntimeError, thread.result)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        thread.setDaemon(daemon_threads_allowed())
        thread.setName(thread.getName() + "!")
        assert thread.isDaemon() == daemon_threads_allowed()
    thread.start()
    assert thread.name == "first!"
    assert thread.daemon == daemon_threads_allowed()
    refused(RuntimeError, thread.start)
    refused(TimeoutError, thread.result, 0)
    refused(TimeoutError, thread.exception, 0)
    assert thread.is_alive()
    assert thread.ident != threading.get_ident()
    assert thread.native_id != threading.get_native_id()
    assert thread.state in conc.ThreadState
    go.set()
    thread.join()
    assert thread.result() is RESULT
    assert thread.exception() is None
    assert thread.state is conc.ThreadState.ENDED
    assert thread.ended_by is conc.ThreadEnd.RETURNED
    assert thread.usage.wall_s is not None
    assert thread.stop().ended
    thread.add_done_callback(TARGET)
    assert (thread.affinity, thread.node) == (None, None)
    assert conc.Thread(target=TARGET, args=(ARGUMENT,)).run() is RESULT


@covers("conc.Thread", "conc.Thread.exception", "conc.Thread.result")
def thread_raises() -> None:
    with quiet():
        assert type(started(fail, ARGUMENT).exception()) is Refusal
        refused(Refusal, started(fail, ARGUMENT).result)


@covers("conc.Thread")
def thread_is_refused() -> None:
    refused(ValueError, conc.Thread, TARGET)
    refused(TypeError, conc.Thread, target=1)
    refused(TypeError, conc.Thread, target=TARGET, args=1)
    refused(TypeError, conc.Thread, target=TARGET, kwargs=1)
    conc.Thread(target=TARGET, args=(ARGUMENT,))  # dropped before it is started


@covers("conc.Thread")
def thread_is_dropped_while_it_runs() -> None:
    seen: queue.SimpleQueue[object] = queue.SimpleQueue()
    conc.Thread(target=lambda argument: seen.put(TARGET(argument)), args=(ARGUMENT,)).start()
    assert seen.get() is RESULT


@covers(
    "conc.Thread",
    *(f"conc.kernels.{name}" for name in ("Kernel", "prime_factors", "sleep", "spin", "trial_divisions")),
    "conc._core.Kernel",
)
def thread_runs_kernels() -> None:
    for kernel, argument in (
        (conc.kernels.prime_factors, 360),
        (conc.kernels.trial_divisions, 360),
        (conc.kernels.spin, 1e-6),
        (conc.kernels.sleep, 1e-6),
    ):
        assert isinstance(kernel, conc.kernels.Kernel)
        assert started(kernel, argument).result() == kernel(argument) or kernel is conc.kernels.spin
        refused(TypeError, kernel, ARGUMENT)
        refused(TypeError, started, kernel, ARGUMENT)


@covers("conc.kernels.http_get", "conc.kernels.http_get_unavailable")
def kernel_downloads() -> None:
    if conc.kernels.http_get_unavailable() is not None:
        refused(OSError, conc.kernels.http_get, "http://127.0.0.1:1/")
        return
    refused(OSError, conc.kernels.http_get, "http://127.0.0.1:1/")
    refused(OSError, started(conc.kernels.http_get, "http://127.0.0.1:1/").result)
    refused(ValueError, conc.kernels.http_get, "nonsense")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        server = threading.Thread(target=answer, args=(listener, 3))
        server.start()
        assert conc.kernels.http_get(url) == BODY
        assert started(conc.kernels.http_get, url).result() == BODY
        with conc.ThreadPoolExecutor(1) as pool:
            assert list(pool.map(conc.kernels.http_get, [url])) == [BODY]
        server.join()


BODY = b"x" * 50_000


def answer(listener: socket.socket, times: int) -> None:
    for _ in range(times):
        connection, _ = listener.accept()
        with connection:
            while b"\r\n\r\n" not in connection.recv(65_536):
                pass
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(BODY) + BODY)


@covers(
    *(
        "conc.ThreadStopped",
        "conc.ThreadEnd",
        "conc.StopReport",
        "conc.StopReport.*",
        "conc.stop_requested",
        "conc.shield",
    ),
    *("conc._core.ThreadStopped", "conc._core.stop_requested", "conc._core.shield_enter", "conc._core.shield_exit"),
)
def thread_is_stopped() -> None:
    running = threading.Event()

    def target(*_: object) -> None:
        try:
            running.set()
            while not _core.stop_requested():
                TARGET()
            while True:
                TARGET()
        finally:
            with conc.shield():
                assert conc.stop_requested()

    _core.shield_enter()
    _core.shield_exit(None, None, None)
    assert not _core.stop_requested()
    thread = started(target, ARGUMENT)
    running.wait()
    report = thread.stop(60.0)
    assert thread.ended_by is conc.ThreadEnd.STOPPED
    assert (report.ended, report.blocked_in, report.reason) == (True, None, None)
    assert report.source in report.to_dict().values()
    assert report.to_json()
    assert type(thread.exception()) is conc.ThreadStopped is _core.ThreadStopped


@covers("conc.Thread.stop", "conc.Thread.add_done_callback", "conc.Thread.usage", "conc.Thread.ended_by")
def kernel_is_stopped() -> None:
    thread = started(conc.kernels.sleep, 60.0)
    thread.add_done_callback(lambda ended: TARGET(ended.ended_by))
    thread.add_done_callback(TARGET)
    assert thread.usage.gil_wait_s in (0.0, None)
    assert thread.stop(60.0).ended
    assert thread.ended_by is conc.ThreadEnd.STOPPED


@covers("conc.Thread", "conc._core.place_calling_thread")
def thread_is_placed() -> None:
    cpus = tuple(os.sched_getaffinity(0))
    thread = conc.Thread(target=TARGET, affinity=cpus, node=conc.memory.topology().nodes[0].id)
    thread.start()
    assert thread.result() is RESULT
    assert started(lambda: _core.place_calling_thread((cpus, "default", 0, None))).result() is None
    refused(ValueError, conc.Thread, affinity=())


@covers("conc.Thread")
def thread_is_awaited() -> None:
    async def wait_for_both() -> None:
        go = threading.Event()
        thread = started(lambda: go.wait() and TARGET(ARGUMENT))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(thread, 0)
        go.set()
        assert await asyncio.gather(thread, thread) == [RESULT, RESULT]
        assert type(await started(conc.kernels.prime_factors, 12)) is list

    asyncio.run(wait_for_both())


@covers("conc.Timer", "conc.Timer.*")
def timer() -> None:
    late = conc.Timer(60.0, TARGET, [ARGUMENT], {"key": ARGUMENT})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        late.setName(late.getName() + "!")
        late.setDaemon(late.isDaemon())
    assert (late.ident, late.native_id, late.state, late.ended_by) == (None, None, None, None)
    late.add_done_callback(TARGET)
    late.start()
    assert late.name.endswith("!")
    assert late.is_alive() != late.daemon
    late.stop(0)
    late.cancel()
    late.join()
    late.exception()
    assert late.usage.source
    assert (late.affinity, late.node) == (None, None)
    soon = conc.Timer(0, TARGET)
    assert soon.run() is RESULT
    soon = conc.Timer(0, TARGET)
    soon.start()
    assert soon.result() is RESULT


@covers(
    *("conc._core.Thread", "conc._core.Thread.*", "conc._core.join_threads", "conc._core.bind_threading"),
    "conc._core.threads_allowed",
    "conc._core.close_threads",
)
def thread_of_the_core_alone() -> None:
    bind_core(conc.threads._resolve_place)
    thread = _core.Thread(target=TARGET, args=(ARGUMENT,), name="core")
    thread.add_done_callback(TARGET)
    thread.start()
    thread.join()
    assert not thread.is_alive()
    assert _core.Thread(target=TARGET).run() is RESULT
    refused(TypeError, thread.join, 1, 2)
    refused(RuntimeError, thread.start)
    _core.join_threads()
    assert _core.threads_allowed()


@covers("conc._core.ThreadHandle", "conc._core.ThreadHandle.*")
def thread_handle_alone() -> None:
    thread = conc.Thread(target=TARGET, args=(ARGUMENT,))
    handle = _core.ThreadHandle(thread)
    refused(TypeError, _core.ThreadHandle, 1)
    refused(RuntimeError, handle.join)
    assert handle.ident is None
    thread.start()
    handle.join(10.0)
    handle._set_done()
    assert handle.is_done()
    refused(ValueError, handle.join, float("nan"))
