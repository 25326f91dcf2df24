"""Every call of the public API that blocks, by name: what it needs, and what brings it to its end."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import work
from server import NAME as SERVER
from server import SilentServer

import conc
from conc import kernels

PRIME = 2**64 - 59  # the largest below 2**64: seconds of trial division

# An exception that comes in the middle of an import may be swallowed by importlib's own callbacks: no call is to begin
# with one.
_IMPORTED = (conc.compare, conc.probe, conc.run, conc.memory.latency)


@dataclass(frozen=True)
class Blocked:
    """A call that blocks until it is let go (or its timeout is over)."""

    call: Callable[[], object]
    let_go: Callable[[], object] | None = None  # None: only its time ends it
    orders: bool = False  # it orders the signal itself, once it is inside (work.order)


Timeout = float | None


class Gate:
    """What a thread or task waits for while somebody else is blocked by it."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._reached = threading.Event()

    def wait(self) -> bool:
        self._reached.set()
        return self._open.wait()

    def set(self) -> None:
        self._open.set()

    def until_somebody_waits(self) -> None:
        """Return once a thread is here, on its way to sleep."""
        self._reached.wait()


@contextmanager
def _thread(timeout: Timeout, call: Callable[[conc.Thread, Timeout], object]) -> Iterator[Blocked]:
    go_on = Gate()
    thread = conc.Thread(target=go_on.wait)
    thread.start()
    go_on.until_somebody_waits()
    yield Blocked(lambda: call(thread, timeout), go_on.set)
    go_on.set()
    assert thread.result() is True


@contextmanager
def _kernel_thread(timeout: Timeout, call: Callable[[conc.Thread, Timeout], object]) -> Iterator[Blocked]:
    server = SilentServer()
    thread = conc.Thread(target=kernels.http_get, args=(server.url,))
    thread.start()
    server.asked.wait()
    yield Blocked(lambda: call(thread, timeout), server.answer)
    server.answer()
    assert thread.result() == b"ok"


@contextmanager
def _future(timeout: Timeout, call: Callable[[conc.Future[bool], Timeout], object]) -> Iterator[Blocked]:
    go_on = Gate()
    with conc.ThreadPoolExecutor(1) as pool:
        future = pool.submit(go_on.wait)
        go_on.until_somebody_waits()
        yield Blocked(lambda: call(future, timeout), go_on.set)
        go_on.set()
    assert future.result() is True


@contextmanager
def _pool(timeout: Timeout, call: Callable[[conc.ThreadPoolExecutor], object]) -> Iterator[Blocked]:
    go_on = Gate()
    pool = conc.ThreadPoolExecutor(1)
    future = pool.submit(go_on.wait)
    go_on.until_somebody_waits()
    yield Blocked(lambda: call(pool), go_on.set)
    go_on.set()
    pool.shutdown()
    assert future.result() is True


def _use(pool: conc.ThreadPoolExecutor) -> None:
    with pool:
        pass


@contextmanager
def _map(timeout: Timeout) -> Iterator[Blocked]:
    go_on = Gate()
    with conc.ThreadPoolExecutor(1) as pool:
        yield Blocked(lambda: list(pool.map(lambda _: go_on.wait(), range(2), timeout=timeout)), go_on.set)
        go_on.set()


@contextmanager
def _kernel_map(timeout: Timeout) -> Iterator[Blocked]:
    server = SilentServer()
    with conc.ThreadPoolExecutor(2) as pool:
        yield Blocked(lambda: list(pool.map(kernels.http_get, [server.url] * 3, timeout=timeout)), server.answer)
        server.answer()


@contextmanager
def _kernel(call: Callable[[], object]) -> Iterator[Blocked]:
    yield Blocked(call)


@contextmanager
def _http_get(timeout: Timeout) -> Iterator[Blocked]:
    server = SilentServer()
    yield Blocked(lambda: kernels.http_get(server.url, 3600 if timeout is None else timeout), server.answer)
    server.answer()


@contextmanager
def _bare_future(timeout: Timeout) -> Iterator[Blocked]:
    future: conc.Future[None] = conc.Future()
    yield Blocked(lambda: future.result(timeout), lambda: future.set_result(None))


@contextmanager
def _child(timeout: Timeout, call: Callable[[conc.Child, Timeout], object]) -> Iterator[Blocked]:
    with conc.spawn(["sleep", "3600"]) as child:
        yield Blocked(lambda: call(child, timeout), child.kill)
        child.kill()


@contextmanager
def _talk(timeout: Timeout) -> Iterator[Blocked]:
    with conc.spawn(["sleep", "3600"], stdin=conc.PIPE, stdout=conc.PIPE) as child:
        yield Blocked(lambda: child.communicate(b"x" * 1_000_000, timeout), child.kill)
        child.kill()


@contextmanager
def _leave_child(timeout: Timeout) -> Iterator[Blocked]:
    child = conc.spawn(["sleep", "3600"])
    yield Blocked(lambda: child.__exit__(None, None, None), child.kill)
    child.kill()
    child.wait()


@contextmanager
def _run(timeout: Timeout, *args: str, **options: object) -> Iterator[Blocked]:
    yield Blocked(lambda: conc.run(args, timeout=timeout, **options))


@contextmanager
def _asyncio(timeout: Timeout) -> Iterator[Blocked]:
    go_on = threading.Event()
    with conc.ThreadPoolExecutor(1) as pool:

        async def wait() -> bool:
            asyncio.get_running_loop().call_soon(work.order)  # a signal before the loop waits is lost on asyncio
            async with asyncio.timeout(timeout):
                return await asyncio.wrap_future(pool.submit(go_on.wait))

        yield Blocked(lambda: asyncio.run(wait()), go_on.set, orders=True)
        go_on.set()


@contextmanager
def _compare(lane: str) -> Iterator[Blocked]:
    """The order to interrupt is given by the item that blocks, or by the server that it asks."""
    work.go_on = threading.Event()
    server = SilentServer()
    options = {"fn": work.block, "items": [0, 0, 1], "coroutine": work.block_later}
    if lane == "native":
        options = {"fn": work.block, "items": [server.url], "native": kernels.http_get}
        threading.Thread(target=lambda: (server.asked.wait(), work.order()), name=SERVER).start()
    yield Blocked(lambda: conc.compare(**options, lanes=[lane], workers=2, budget_s=3600), orders=True)
    work.go_on.set()
    server.answer()


CALLS = {
    "join": lambda timeout: _thread(timeout, lambda thread, timeout: thread.join(timeout)),
    "thread-result": lambda timeout: _thread(timeout, lambda thread, timeout: thread.result(timeout)),
    "thread-exception": lambda timeout: _thread(timeout, lambda thread, timeout: thread.exception(timeout)),
    "thread-stop": lambda timeout: _thread(timeout, lambda thread, timeout: thread.stop(timeout, grace=None)),
    "kernel-join": lambda timeout: _kernel_thread(timeout, lambda thread, timeout: thread.join(timeout)),
    "kernel-result": lambda timeout: _kernel_thread(timeout, lambda thread, timeout: thread.result(timeout)),
    "result": lambda timeout: _future(timeout, lambda future, timeout: future.result(timeout)),
    "exception": lambda timeout: _future(timeout, lambda future, timeout: future.exception(timeout)),
    "bare-future": _bare_future,
    "wait": lambda timeout: _future(timeout, lambda future, timeout: concurrent.futures.wait([future], timeout)),
    "as-completed": lambda timeout: _future(
        timeout, lambda future, timeout: list(concurrent.futures.as_completed([future], timeout))
    ),
    "asyncio": _asyncio,
    "shutdown": lambda timeout: _pool(timeout, lambda pool: pool.shutdown()),
    "with": lambda timeout: _pool(timeout, _use),
    "map": _map,
    "kernel-map": _kernel_map,
    "prime_factors": lambda timeout: _kernel(lambda: kernels.prime_factors(PRIME)),
    "trial_divisions": lambda timeout: _kernel(lambda: kernels.trial_divisions(PRIME)),
    "spin": lambda timeout: _kernel(lambda: kernels.spin(timeout or 3600)),
    "sleep": lambda timeout: _kernel(lambda: kernels.sleep(timeout or 3600)),
    "http_get": _http_get,
    "child-wait": lambda timeout: _child(timeout, lambda child, timeout: child.wait(timeout)),
    "communicate": _talk,
    "child-with": _leave_child,
    "run": lambda timeout: _run(timeout, "sleep", "3600"),
    "run-talk": lambda timeout: _run(timeout, "sleep", "3600", input=b"x" * 1_000_000, capture_output=True),
    "run-deaf": lambda timeout: _run(timeout, "sh", "-c", "trap '' INT; exec sleep 3600"),
    "latency": lambda timeout: _kernel(lambda: conc.memory.latency(samples=100_000, timeout=timeout or 3600)),
    "bandwidth": lambda timeout: _kernel(lambda: conc.memory.bandwidth(samples=100_000, timeout=timeout or 3600)),
    "probe": lambda timeout: _kernel(lambda: conc.probe(timeout or 3600)),
    "compare-sequential": lambda timeout: _compare("sequential"),
    "compare-threads": lambda timeout: _compare("threads"),
    "compare-native-threads": lambda timeout: _compare("native-threads"),
    "compare-native": lambda timeout: _compare("native"),
    "compare-processes": lambda timeout: _compare("processes"),
    "compare-asyncio": lambda timeout: _compare("asyncio"),
}
