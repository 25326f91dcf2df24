"""The end of a subinterpreter in every state of its threads and pools: it waits for what it must, and the main
interpreter's own work goes on meanwhile.

CPython 3.11 refuses to destroy an interpreter that has threads.
"""

# cases: idle-pool unused-pool dropped-pool broken-pool queued busy-kernel map-half kernel-map-half no-wait cancelled
#    thread kernel-thread daemon-kernel ended-thread unstarted-thread from-atexit late-thread arena
# cases: own-gil shared-gil
# needs: subinterpreters
# needs: python3.12
# stdout: as promised
# stdout: main goes on: 1 8

import sys
import threading

from interpreter import run_in_new_interpreter

import conc

COMMON = """
import atexit, os, threading, time

@atexit.register
def judge():
    # Called last: what was registered first.
    os.write(1, b"as promised\\n" if promise() else b"not what was promised\\n")

import conc
from at_exit import when_exit_begins
exit_has_begun, pause = threading.Event(), threading.Lock()
when_exit_begins(exit_has_begun.set)

def wait():
    exit_has_begun.wait()
    if pause.acquire(blocking=False):
        time.sleep(0.1)  # an end that does not wait is over before that
    return 1
"""

STATES = {
    "idle-pool": """
pool = conc.ThreadPoolExecutor(2)
pool.submit(int).result()
promise = lambda: pool._workers.counts() == (0, 0, 0)
""",
    "unused-pool": """
pool = conc.ThreadPoolExecutor(2)
promise = lambda: pool._workers.counts() == (0, 0, 0)
""",
    "dropped-pool": """
pool = conc.ThreadPoolExecutor(2)
futures = [pool.submit(wait) for _ in range(10)]
del pool
promise = lambda: [future.result(0) for future in futures] == [1] * 10
""",
    "broken-pool": """
import logging
logging.getLogger("concurrent.futures").disabled = True
pool = conc.ThreadPoolExecutor(2, initializer=lambda: 1 // 0)
future = pool.submit(int)
promise = lambda: future.exception(0) is not None and pool._workers.counts() == (0, 0, 0)
""",
    "queued": """
pool = conc.ThreadPoolExecutor(1)
futures = [pool.submit(wait) for _ in range(100)]
promise = lambda: [future.result(0) for future in futures] == [1] * 100
""",
    "busy-kernel": """
pool = conc.ThreadPoolExecutor(1)
future = pool.submit(conc.kernels.sleep, 0.1)
promise = lambda: future.result(0) is None
""",
    "map-half": """
pool = conc.ThreadPoolExecutor(1)
results = pool.map(lambda n: wait() if n else 0, range(10))
next(results)
promise = lambda: list(results) == [1] * 9
""",
    "kernel-map-half": """
pool = conc.ThreadPoolExecutor(2)
results = pool.map(conc.kernels.sleep, [0.0] + [0.01] * 10)
next(results)
promise = lambda: list(results) == [None] * 10
""",
    "no-wait": """
pool = conc.ThreadPoolExecutor(1)
future = pool.submit(wait)
pool.shutdown(wait=False)
promise = lambda: future.result(0) == 1
""",
    "cancelled": """
pool = conc.ThreadPoolExecutor(1)
inside = threading.Event()
futures = [pool.submit(lambda: (inside.set(), wait())) for _ in range(10)]
inside.wait()
pool.shutdown(wait=False, cancel_futures=True)
promise = lambda: [future.cancelled() for future in futures] == [False] + [True] * 9
""",
    "thread": """
thread = conc.Thread(target=wait)
thread.start()
promise = lambda: not thread.is_alive() and thread.result() == 1
""",
    "kernel-thread": """
thread = conc.Thread(target=conc.kernels.sleep, args=(0.1,))
thread.start()
promise = lambda: not thread.is_alive()
""",
    "daemon-kernel": """
# A daemon, where daemons are allowed; a kernel never comes back to the interpreter that has ended.
try:
    thread = conc.Thread(target=conc.kernels.sleep, args=(3600,), daemon=True)
    thread.start()
    promise = thread.is_alive
except RuntimeError as error:
    promise = lambda error=error: "daemon threads are disabled" in str(error)
""",
    "ended-thread": """
thread = conc.Thread(target=int)
thread.start()
while thread.is_alive():
    pass
promise = lambda: not thread.is_alive()
""",
    "unstarted-thread": """
thread = conc.Thread(target=int)
promise = lambda: not thread.is_alive()
""",
    "from-atexit": """
def start():
    global thread
    thread = conc.Thread(target=conc.kernels.sleep, args=(0.1,))
    thread.start()
atexit.register(start)
promise = lambda: not thread.is_alive()
""",
    "late-thread": """
def promise():
    try:
        conc.Thread(target=int).start()
    except RuntimeError as error:
        return "at interpreter shutdown" in str(error)
conc.Thread
""",
    "arena": """
from conc import _core
arena = _core.Arena(1 << 20)
arena.touch(_core.affinity()[0], 60.0)
promise = lambda: arena.size >= 1 << 20
""",
}

go_on, inside = threading.Event(), threading.Event()
pool = conc.ThreadPoolExecutor(2)
mine = pool.submit(lambda: (inside.set(), go_on.wait(), 1)[2])
inside.wait()
run_in_new_interpreter(COMMON + STATES[sys.argv[1]], own_gil=sys.argv[2] == "own-gil")
go_on.set()
print("main goes on:", mine.result(), pool.submit(pow, 2, 3).result(), flush=True)
