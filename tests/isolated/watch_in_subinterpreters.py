"""Watches in a subinterpreter, with a GIL of its own or the main one's, and of the main interpreter meanwhile.

Each sees all threads, and for whose GIL they wait. One that is on when its interpreter ends is over with it. Lines of
Python are refused where CPython itself would crash.
"""

# cases: own-gil shared-gil
# cases: plain where children both
# needs: subinterpreters
# needs: python3.12
# stdout: in it: True
# stdout: gils: as promised
# stdout: left: 0

import os
import sys
import threading

from interpreter import run_in_new_interpreter
from looks import OPTIONS

import conc

own_gil, options = sys.argv[1] == "own-gil", OPTIONS[sys.argv[2]]
CODE = f"""
import os, sys, threading, time
import conc
from conc.watching.records import Reason

over = threading.Event()
options = {options}
try:
    with conc.watch(**options):
        pass
except ValueError as error:
    assert "CPython 3.12 crashes" in str(error)
    del options["where"]

def compute():
    while not over.is_set():
        pass

threads = [threading.Thread(target=compute, name=f"busy {{index}}") for index in range(2)]
for thread in threads:
    thread.start()
with conc.watch(**options) as watched:
    time.sleep(0.3)
over.set()
for thread in threads:
    thread.join()
raw = watched.raw
ours = [index for index, thread in enumerate(raw.threads) if thread.name.startswith("busy")]
waited = {{waiter for waiter, ns in zip(raw.waits.waiter, raw.waits.wait_ns) if ns > 0}}
os.write(1, f"in it: {{set(ours) <= waited or raw.processes[0].gil is False}}\\n".encode())
# A thread that is joined by the end of an interpreter, also by the standard library alone, has 3.13 complain of its
# threading module's __del__.
left_on = conc.watch(**({{}} if sys.version_info[:2] == (3, 13) else options))
left_on.__enter__()
"""

with conc.watch(**options) as watched:
    runner = threading.Thread(target=run_in_new_interpreter, args=(CODE,), kwargs={"own_gil": own_gil})
    runner.start()
    runner.join()
raw = watched.raw
interpreters = set(raw.waits.interpreter)
gil = raw.processes[0].gil
promised = gil is False or (len(interpreters) >= 1 and (max(interpreters) > 0) == own_gil)
print("gils:", "as promised" if promised else interpreters, flush=True)
left = 0
for tid in os.listdir("/proc/self/task"):
    with open(f"/proc/self/task/{tid}/comm", encoding="utf-8") as file:
        left += file.read() == "conc-watch\n"
print("left:", left, flush=True)
