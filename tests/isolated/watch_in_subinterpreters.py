"""Watches in a subinterpreter, with a GIL of its own or the main one's, and of the main interpreter meanwhile.

Each sees all threads, and for whose GIL they wait: on a busy machine, where threads queue for a CPU most of the time
and a sampler has few looks, one of some watches. One that is on when its interpreter ends is over with it. Lines of
Python are refused where CPython itself would crash.
"""

# cases: own-gil shared-gil
# cases: plain where children both
# needs: subinterpreters
# needs: python3.12
# stdout: gils: as promised
# stdout: left: 0

import sys
import threading

from interpreter import run_in_new_interpreter
from looks import ATTEMPTS_S, OPTIONS, missed_by_all, samplers

import conc

own_gil, options = sys.argv[1] == "own-gil", OPTIONS[sys.argv[2]]
CODE = f"""
import sys, threading, time
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
for watched_s in {ATTEMPTS_S}:
    with conc.watch(**options) as watched:
        time.sleep(watched_s)
    raw = watched.raw
    ours = [index for index, thread in enumerate(raw.threads) if thread.name.startswith("busy")]
    waited = {{waiter for waiter, ns in zip(raw.waits.waiter, raw.waits.wait_ns) if ns > 0}}
    promised = len(ours) == 2 and (set(ours) <= waited or raw.processes[0].gil is False)
    if promised:
        break
over.set()
for thread in threads:
    thread.join()
assert promised, (waited, raw.ticks, raw.late_ticks, raw.notes, raw.unknown, raw.threads)
# A thread that is joined by the end of an interpreter, also by the standard library alone, has 3.13 complain of its
# threading module's __del__.
left_on = conc.watch(**({{}} if sys.version_info[:2] == (3, 13) else options))
left_on.__enter__()
"""


def missed_by(_watched_s: float) -> object:
    """None: it was seen whose GIL the threads of a new interpreter wait for, as long as they take. Else what was."""
    with conc.watch(**options) as watched:
        runner = threading.Thread(target=run_in_new_interpreter, args=(CODE,), kwargs={"own_gil": own_gil})
        runner.start()
        runner.join()
    raw = watched.raw
    interpreters = set(raw.waits.interpreter)
    gil = raw.processes[0].gil
    if gil is False or (len(interpreters) >= 1 and (max(interpreters) > 0) == own_gil):
        return None
    return interpreters, gil, raw.ticks, raw.late_ticks, raw.notes, dict(raw.unknown), raw.threads


print("gils:", missed_by_all(missed_by) or "as promised", flush=True)
print("left:", len(samplers()), flush=True)
