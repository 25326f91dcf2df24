"""Interpreter exit with a pool in each of its states: all that was submitted and not cancelled has run when it is over.

What tasks wait for comes to pass when exit has begun: an exit that did not drain the pool would find them unfinished.
"""

# cases: idle busy-python busy-kernel queue-full map kernel-map callback no-wait cancel broken dropped daemon
# stdout: main is done
# stdout[callback]: refused: cannot schedule new futures after interpreter shutdown
# stdout: as promised
# stderr[broken]: Exception in initializer:

import atexit
import sys
import threading
import time
from collections.abc import Callable


@atexit.register
def judge() -> None:
    """Called last of all functions at exit: what was registered first."""
    print("as promised" if promise() else "not what was promised", flush=True)


from at_exit import when_exit_begins  # noqa: E402

import conc  # noqa: E402
from conc import kernels  # noqa: E402

exit_has_begun, pause = threading.Event(), threading.Lock()
when_exit_begins(exit_has_begun.set)


def wait() -> int:
    exit_has_begun.wait(60)
    if pause.acquire(blocking=False):
        time.sleep(0.1)  # an exit that does not wait is over before that
    return 1


def idle() -> Callable[[], bool]:
    pool = conc.ThreadPoolExecutor(2)
    pool.submit(int).result()
    return lambda: pool._workers.counts() == (0, 0, 0)


def busy_python() -> Callable[[], bool]:
    future = conc.ThreadPoolExecutor(1).submit(wait)
    return lambda: future.result(0) == 1


def busy_kernel() -> Callable[[], bool]:
    future = conc.ThreadPoolExecutor(1).submit(kernels.sleep, 0.1)
    return lambda: future.result(0) is None


def queue_full() -> Callable[[], bool]:
    pool = conc.ThreadPoolExecutor(2)
    futures = [pool.submit(wait) for _ in range(500)] + [pool.submit(kernels.prime_factors, 12) for _ in range(500)]
    return lambda: [future.result(0) for future in futures] == [1] * 500 + [[2, 2, 3]] * 500


def python_map() -> Callable[[], bool]:
    ran = []
    pool = conc.ThreadPoolExecutor(1)
    results = pool.map(lambda n: ran.append(n) if n == 0 else (wait(), ran.append(n)), range(20))
    next(results)
    return lambda: ran == list(range(20)) and len(list(results)) == 19


def kernel_map() -> Callable[[], bool]:
    pool = conc.ThreadPoolExecutor(2)
    results = pool.map(kernels.sleep, [0.0] + [0.01] * 20)
    next(results)
    return lambda: list(results) == [None] * 20


def callback() -> Callable[[], bool]:
    pool = conc.ThreadPoolExecutor(1)

    def submit_more(_: object) -> None:
        try:
            pool.submit(int)
        except RuntimeError as error:
            print("refused:", error, flush=True)

    future = pool.submit(wait)
    future.add_done_callback(submit_more)
    return lambda: future.done()


def no_wait() -> Callable[[], bool]:
    pool = conc.ThreadPoolExecutor(1)
    futures = [pool.submit(wait) for _ in range(10)]
    pool.shutdown(wait=False)
    return lambda: [future.result(0) for future in futures] == [1] * 10


def cancel() -> Callable[[], bool]:
    pool, begun = conc.ThreadPoolExecutor(1), threading.Event()
    first = pool.submit(lambda: (begun.set(), wait()))
    queued = [pool.submit(wait) for _ in range(10)]
    begun.wait()
    pool.shutdown(wait=False, cancel_futures=True)
    return lambda: first.done() and all(future.cancelled() for future in queued)


def broken() -> Callable[[], bool]:
    pool = conc.ThreadPoolExecutor(1, initializer=lambda: 1 // 0)
    future = pool.submit(int)
    assert future.exception() is not None
    return lambda: pool._workers.counts() == (0, 0, 0)


def dropped() -> Callable[[], bool]:
    pool = conc.ThreadPoolExecutor(1)
    futures = [pool.submit(wait) for _ in range(10)]
    del pool
    return lambda: [future.result(0) for future in futures] == [1] * 10


def daemon() -> Callable[[], bool]:
    """A daemon's pool is no daemon: what was submitted is run, whoever did it."""
    futures, submitted = [], threading.Event()

    def use_a_pool() -> None:
        with conc.ThreadPoolExecutor(1) as pool:
            futures.extend(pool.submit(wait) for _ in range(10))
            submitted.set()

    conc.Thread(target=use_a_pool, daemon=True).start()
    submitted.wait()
    return lambda: [future.result(0) for future in futures] == [1] * 10


names = {"map": "python_map"}
promise = globals()[names.get(sys.argv[1], sys.argv[1].replace("-", "_"))]()
print("main is done", flush=True)
