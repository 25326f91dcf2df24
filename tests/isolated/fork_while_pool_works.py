"""After a fork the child can use a new pool and the old one, and its parent's futures raise instead of hanging."""

# stdout: child: [2, 2, 3] 8 49
# stdout: child: RuntimeError RuntimeError
# stdout: parent: child ended with 0
# stdout: parent: 1 4

import os
import threading
import warnings

import conc

warnings.simplefilter("ignore", DeprecationWarning)  # Python's own word on forking with threads
running, go_on = threading.Event(), threading.Event()


def work() -> int:
    running.set()
    go_on.wait()
    return 1


def name_of_error(future: conc.Future[int]) -> str:
    try:
        future.result()
    except Exception as error:
        return type(error).__name__
    return "no error"


pool = conc.ThreadPoolExecutor(1)
at_work = pool.submit(work)
queued = pool.submit(pow, 2, 2)
running.wait()
child = os.fork()
if child == 0:
    with conc.ThreadPoolExecutor(2) as own:
        factors = own.submit(conc.kernels.prime_factors, 12).result()
        print("child:", factors, own.submit(pow, 2, 3).result(), pool.submit(pow, 7, 2).result(), flush=True)
    print("child:", name_of_error(at_work), name_of_error(queued), flush=True)
    pool.shutdown()
    os._exit(0)
_, status = os.waitpid(child, 0)
print("parent: child ended with", os.waitstatus_to_exitcode(status), flush=True)
go_on.set()
print("parent:", at_work.result(), queued.result(), flush=True)
pool.shutdown()
