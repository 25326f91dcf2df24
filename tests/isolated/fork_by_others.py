"""Children made by the standard library while conc works: multiprocessing's fork context, and subprocess."""

# cases: process pool executor subprocess
# cases: from-main from-thread
# stdout: 8 8
# stdout: parent: 1

import multiprocessing
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ProcessPoolExecutor

import conc

warnings.simplefilter("ignore", DeprecationWarning)  # Python's own word on forking with threads
how, where = sys.argv[1:]
go_on, inside = threading.Event(), threading.Event()


def wait() -> int:
    inside.set()
    go_on.wait()
    return 1


def in_child(_: int = 0) -> int:
    """The parent's pool and one of its own."""
    with conc.ThreadPoolExecutor(1) as own:
        print(pool.submit(pow, 2, 3).result(), own.submit(pow, 2, 3).result(), flush=True)
    return 0


def make() -> int:
    context = multiprocessing.get_context("fork")
    match how:
        case "process":
            process = context.Process(target=in_child)
            process.start()
            process.join()
            assert process.exitcode == 0, process.exitcode
            return process.exitcode
        case "pool":
            with context.Pool(1) as processes:
                return processes.map(in_child, [0])[0]
        case "executor":
            with ProcessPoolExecutor(1, mp_context=context) as executor:
                return executor.submit(in_child).result()
        case _:
            return subprocess.run(["echo", "8 8"], check=True).returncode


pool = conc.ThreadPoolExecutor(1)
future = pool.submit(wait)
inside.wait()
if where == "from-main":
    make()
else:
    maker = conc.Thread(target=make)
    maker.start()
    assert maker.result() == 0
go_on.set()
print("parent:", future.result(), flush=True)
pool.shutdown()
