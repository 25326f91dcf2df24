"""Interpreter exit leaves daemons alone wherever they are: a kernel, a lock, Python code, a done callback, a shield.

An atexit function that was registered before conc was imported sees them abandoned.
"""

# cases: kernel kernel-callback python lock callback shield stopped finalizer
# stdout: main is done
# stdout: abandoned, alive

import atexit
import operator
import sys
import threading
from collections import deque

THREADS = []


@atexit.register
def judge() -> None:
    """Called when nobody waits any more: what was registered first."""
    (thread,) = THREADS
    end = thread.ended_by
    if where in ("callback", "kernel-callback"):  # its target has ended, and it was not left in that
        end = ThreadEnd.ABANDONED if end in (ThreadEnd.RETURNED, ThreadEnd.STOPPED) else end
    print(f"{end.value if end else end}, {'alive' if thread.is_alive() else 'ended'}", flush=True)


import conc  # noqa: E402
from conc import ThreadEnd, kernels  # noqa: E402

where = sys.argv[1]
inside = threading.Event()


def wait_for_ever(_: object = None) -> None:
    inside.set()
    threading.Event().wait()


def compute_for_ever() -> None:
    inside.set()
    while True:
        sum(range(100))


def in_a_shield() -> None:
    with conc.shield():
        compute_for_ever()


class Finalized:
    def __del__(self) -> None:
        wait_for_ever()


def drop() -> None:
    Finalized()


targets = {"python": compute_for_ever, "lock": wait_for_ever, "shield": in_a_shield}
target = targets.get(where, drop if where == "finalizer" else int)
if where in ("kernel", "kernel-callback"):
    thread = conc.Thread(target=kernels.sleep, args=(3600.0,), daemon=True)
    inside.set()
elif where == "stopped":  # C functions alone, so no look of the interpreter's ends it on its way into the lock
    entered, held = threading.Lock(), threading.Lock()
    entered.acquire()
    held.acquire()
    steps = map(operator.call, (entered.release, held.acquire))
    thread = conc.Thread(target=deque, args=(steps, 0), daemon=True)
else:
    thread = conc.Thread(target=target, daemon=True)
if where in ("callback", "kernel-callback"):
    inside.clear()
    thread.add_done_callback(wait_for_ever)
THREADS.append(thread)
thread.start()
if where == "kernel-callback":
    thread._interrupt()
if where == "stopped":
    entered.acquire()
    assert not thread.stop(0).ended
else:
    inside.wait()
assert thread.ended_by is not ThreadEnd.ABANDONED
print("main is done", flush=True)
