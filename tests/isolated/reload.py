"""A module of conc that is reloaded while its objects are at work: exit still waits for what the old one has begun."""

# cases: conc conc.executors conc.threads conc.processes conc.kernels conc._threading_shim conc.memory
# cases: pool thread
# stdout: 1 2 8 8 0
# stdout: main is done
# stdout: as promised

import atexit
import importlib
import sys
import threading
import time


@atexit.register
def judge() -> None:
    """Called last of all functions at exit: what was registered first."""
    print("as promised" if at_work.done() else "not waited for", flush=True)


import conc  # noqa: E402
import conc.executors  # noqa: E402
import conc.threads  # noqa: E402

go_on, exit_has_begun = threading.Event(), threading.Event()


def wait() -> int:
    go_on.wait()
    return 1


def wait_for_exit() -> None:
    exit_has_begun.wait()
    time.sleep(0.1)  # an exit that does not wait is over before that


pool = conc.ThreadPoolExecutor(2)
busy = pool.submit(wait)
if sys.argv[2] == "pool":
    at_work = pool.submit(wait_for_exit)
else:
    at_work = conc.Thread(target=wait_for_exit)
    at_work.start()
    at_work.done = lambda thread=at_work: not thread.is_alive()
importlib.reload(importlib.import_module(sys.argv[1]))
threading._register_atexit(exit_has_begun.set)  # the last one to register is called first
go_on.set()
with conc.ThreadPoolExecutor(1) as new:
    new_thread = conc.Thread(target=pow, args=(2, 3))
    new_thread.start()
    told = new.submit(pow, 2, 3).result(), new_thread.result(), conc.run(["true"]).returncode
print(busy.result(), pool.submit(int, 2).result(), *told, flush=True)
print("main is done", flush=True)
