"""A fork while work runs: in the child the parent's threads have ended, its pools work, and so does all that is new.

The parent's work goes on.
"""

# cases: thread kernel http pool queue map kernel-map future-waited all-busy
# cases: from-main from-thread from-std-thread from-task
# cases: fork fork-in-fork
# needs[http]: http_get
# needs[kernel-map]: http_get
# stdout[fork]: child: as promised
# stdout[fork-in-fork]: grandchild: as promised
# stdout[fork-in-fork]: child: as promised
# stdout: parent: 0 True

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from server import SilentServer

import conc
from conc import kernels

warnings.simplefilter("ignore", DeprecationWarning)  # Python's own word on forking with threads
work, where, depth = sys.argv[1:]
go_on, inside = threading.Event(), threading.Event()


def wait(value: int = 1) -> int:
    inside.set()
    go_on.wait()
    return value


def raised(call: Callable[[], object]) -> str:
    try:
        return repr(call())
    except Exception as error:
        return type(error).__name__


@contextmanager
def at_work() -> Iterator[tuple[Callable[[], bool], Callable[[], bool]]]:
    """Gives what must hold in the child, and in the parent once the work is over."""
    pool = conc.ThreadPoolExecutor(2)
    match work:
        case "thread" | "kernel" | "http":
            server = SilentServer()
            targets = {
                "thread": (wait, ()),
                "kernel": (kernels.sleep, (1.0,)),
                "http": (kernels.http_get, (server.url,)),
            }
            target, args = targets[work]
            thread = conc.Thread(target=target, args=args)
            thread.start()
            if work != "kernel":
                (inside if work == "thread" else server.asked).wait()
            yield (
                lambda: not thread.is_alive() and thread.join() is None and raised(thread.result) == "RuntimeError",
                lambda: server.answer() is None and thread.exception() is None,
            )
        case "pool" | "queue" | "future-waited" | "all-busy":
            count = {"pool": 1, "queue": 100, "future-waited": 1, "all-busy": 2}[work]
            futures = [pool.submit(wait) for _ in range(count)]
            inside.wait()
            waiter = conc.Thread(target=futures[0].result)
            if work == "future-waited":
                waiter.start()
                assert futures[0]._condition
            yield (
                lambda: {raised(future.result) for future in futures} == {"RuntimeError"} and not waiter.is_alive(),
                lambda: [future.result() for future in futures] == [1] * count,
            )
        case "map":
            results = pool.map(lambda n: wait() if n else 0, range(3))
            next(results)
            inside.wait()
            yield lambda: raised(lambda: next(results)) == "RuntimeError", lambda: list(results) == [1, 1]
        case "kernel-map":
            server = SilentServer()
            results = pool.map(kernels.http_get, [server.url] * 3)
            server.asked.wait()
            yield (
                lambda: raised(lambda: next(results)) == "RuntimeError",
                lambda: server.answer() is None and list(results) == [b"ok"] * 3,
            )
    pool.shutdown()


def usable(old: conc.ThreadPoolExecutor) -> bool:
    """Whether everything works here, in the child."""
    thread, native = conc.Thread(target=pow, args=(2, 3)), conc.Thread(target=kernels.prime_factors, args=(8,))
    thread.start()
    native.start()
    with conc.ThreadPoolExecutor(2) as pool:
        new = list(pool.map(kernels.prime_factors, [8])), pool.submit(pow, 2, 3).result()
    program = conc.run(["true"]).returncode
    done = thread.result(), native.result(), new, old.submit(pow, 2, 3).result(), program
    return done == (8, [2, 2, 2], ([[2, 2, 2]], 8), 8, 0)


def fork_and_judge(right_in_child: Callable[[], bool], name: str, deeper: bool) -> int:
    child = os.fork()
    if child == 0:
        status = fork_and_judge(right_in_child, "grandchild", False) if deeper else 0
        status |= 0 if right_in_child() and usable(old_pool) else 1
        print(f"{name}: as promised" if status == 0 else f"{name}: not as promised", flush=True)
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


old_pool = conc.ThreadPoolExecutor(1)
old_pool.submit(int).result()
with at_work() as (right_in_child, right_in_parent):
    arguments = (right_in_child, "child", depth == "fork-in-fork")
    match where:
        case "from-main":
            status = fork_and_judge(*arguments)
        case "from-thread":
            forker = conc.Thread(target=fork_and_judge, args=arguments)
            forker.start()
            status = forker.result()
        case "from-std-thread":
            told: list[int] = []
            std_forker = threading.Thread(target=lambda: told.append(fork_and_judge(*arguments)))
            std_forker.start()
            std_forker.join()
            (status,) = told
        case "from-task":
            with conc.ThreadPoolExecutor(1) as forkers:
                status = forkers.submit(fork_and_judge, *arguments).result()
    go_on.set()
    print("parent:", status, right_in_parent(), flush=True)
