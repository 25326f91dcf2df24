"""Ten thousand threads at once: all are started, all live at the same time, all are joined, and nothing is left."""

# cases: python kernel
# needs: 10000threads
# core:
# alone: it takes more of the machine than any other
# stdout: alive at once: 10000
# stdout: ended as asked: True
# stdout: left: 0 threads, 0 listed

import os
import sys
import threading
from collections import Counter

import conc
from conc import ThreadEnd, _core, kernels

COUNT = 10_000
kind = sys.argv[1]
gate = threading.Lock()


def wait() -> None:
    with gate:
        pass


def os_threads() -> int:
    return len(os.listdir("/proc/self/task"))


before = os_threads()
gate.acquire()
threads = [
    conc.Thread(target=wait) if kind == "python" else conc.Thread(target=kernels.sleep, args=(3600,))
    for _ in range(COUNT)
]
for thread in threads:
    thread.start()
alive = sum(thread.is_alive() for thread in threads)
print("alive at once:", min(alive, os_threads() - before))
if kind == "kernel":
    for thread in threads:
        thread._interrupt()
gate.release()
for thread in threads:
    thread.join()
ends = Counter(thread.ended_by for thread in threads)
expected = ThreadEnd.STOPPED if kind == "kernel" else ThreadEnd.RETURNED
print("ended as asked:", ends == {expected: COUNT} or ends)
_core.join_threads()
print(f"left: {os_threads() - before} threads, {len(threading.enumerate()) - 1} listed")
